//! A batch from Kafka, as Lambda's event source mapping sends it, into the records of its partitions; and what has to
//! come again into the answer that the mapping understands. The local process builds the very same events.

mod event;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;

#[cfg(feature = "aws")]
use lambda_runtime::{Error, LambdaEvent, service_fn};
#[cfg(feature = "aws")]
use serde_json::value::RawValue;
#[cfg(feature = "aws")]
use std::sync::Arc;

#[cfg(feature = "aws")]
use crate::app::Renewed;
use crate::bus::Record;
use crate::platform::clock::Timestamp;
use crate::services::consume::BatchConsumer;

pub use event::{EventError, decode};
#[cfg(feature = "local")]
pub(super) use event::{encode, failed_offsets};

/// Consumes batches until the sandbox ends.
///
/// # Errors
/// If the Lambda runtime cannot be reached.
#[cfg(feature = "aws")]
pub async fn run(consumer: Renewed<BatchConsumer>) -> Result<(), Error> {
    let consumer = Arc::new(consumer);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Box<RawValue>>| {
        let consumer = consumer.clone();
        async move {
            let deadline = super::deadline_of(&event.context);
            let consume = async { answer(&*consumer.current().await, event.payload.get(), deadline).await };
            Ok::<_, Error>(super::invocation(&event.context, consume).await?)
        }
    }))
    .await
}

/// The answer to an event: which partitions have to come again, and from which offset.
///
/// # Errors
/// [`EventError`] for what is no such event: all of it comes again.
pub(crate) async fn answer(
    consumer: &BatchConsumer,
    event: &str,
    deadline: Timestamp,
) -> Result<serde_json::Value, EventError> {
    let (names, partitions): (Vec<String>, Vec<Vec<Record>>) = decode(event)?.into_iter().unzip();
    let failed = consumer.consume(&partitions, deadline).await;
    Ok(event::answer(names.iter().zip(failed).filter_map(|(name, offset)| Some((name.as_str(), offset?)))))
}
