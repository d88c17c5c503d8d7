//! Consuming as a member of a group.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rdkafka::Message as _;
use rdkafka::consumer::{CommitMode, Consumer as _, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers};
use tokio::time::{Instant, timeout_at};

use super::super::{BusError, Consumer, Header, Record};
use super::client::Context;
use super::{assignment, blocking, failure};
use crate::platform::BoxFuture;

/// How long the records that follow the first are waited for.
const GATHERING: Duration = Duration::from_millis(20);

pub(super) struct KafkaConsumer {
    consumer: Arc<StreamConsumer<Context>>,
    topic: String,
    /// What was read, and would not fit any more.
    next: Option<Record>,
}

impl KafkaConsumer {
    pub(super) fn new(consumer: StreamConsumer<Context>, topic: &str) -> Self {
        Self { consumer: Arc::new(consumer), topic: topic.to_owned(), next: None }
    }

    /// The next record, or `None` at the deadline. That brokers are away is waited out.
    async fn receive(&mut self, deadline: Instant) -> Result<Option<Record>, BusError> {
        if let Some(record) = self.next.take() {
            return Ok(Some(record));
        }
        loop {
            match timeout_at(deadline, self.consumer.recv()).await {
                Err(_) => return Ok(None),
                Ok(Ok(message)) => return Ok(Some(record(&message))),
                Ok(Err(error)) if passes(&error) => tracing::debug!(%error, "the consumer waits for the brokers"),
                Ok(Err(error)) => return Err(failure(&error)),
            }
        }
    }
}

impl Consumer for KafkaConsumer {
    fn poll(&mut self, max_bytes: usize, wait: Duration) -> BoxFuture<'_, Result<Vec<Record>, BusError>> {
        Box::pin(async move {
            let mut records = vec![];
            let Some(first) = self.receive(Instant::now() + wait).await? else { return Ok(records) };
            let (mut bytes, gathered) = (first.size(), Instant::now() + GATHERING);
            records.push(first);
            // An error that ends the gathering is no reason to lose what was gathered: it comes again, or it has passed.
            while let Ok(Some(record)) = self.receive(gathered).await {
                bytes += record.size();
                if bytes > max_bytes {
                    self.next = Some(record);
                    break;
                }
                records.push(record);
            }
            Ok(records)
        })
    }

    fn commit(&mut self, offsets: Vec<(i32, i64)>) -> BoxFuture<'_, Result<(), BusError>> {
        Box::pin(async move {
            let (consumer, offsets) = (self.consumer.clone(), assignment(&self.topic, &offsets)?);
            blocking(move || consumer.commit(&offsets, CommitMode::Sync)).await
        })
    }
}

/// Errors that librdkafka mends by itself, and only tells of.
pub(super) fn passes(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;

    matches!(error, KafkaError::PartitionEOF(_))
        || matches!(
            error.rdkafka_error_code(),
            Some(
                Code::AllBrokersDown
                    | Code::BrokerTransportFailure
                    | Code::OperationTimedOut
                    | Code::Resolve
                    | Code::UnknownTopicOrPartition
                    | Code::UnknownTopic
                    | Code::UnknownPartition
                    | Code::NotLeaderForPartition
                    | Code::LeaderNotAvailable
            )
        )
}

/// The message as a record of its own.
pub(super) fn record(message: &BorrowedMessage<'_>) -> Record {
    Record {
        topic: message.topic().to_owned(),
        partition: message.partition(),
        offset: message.offset(),
        timestamp: message.timestamp().to_millis(),
        key: message.key().map(Bytes::copy_from_slice),
        value: message.payload().map(Bytes::copy_from_slice),
        headers: headers(message),
    }
}

fn headers(message: &BorrowedMessage<'_>) -> Vec<Header> {
    let Some(headers) = message.headers() else { return vec![] };
    let header = |place| {
        let header = headers.get(place);
        (header.key.to_owned(), header.value.map(Bytes::copy_from_slice))
    };
    // The protocol says that a name is text; the library panics where a producer sent one that is not.
    let unnamed = |_| (char::REPLACEMENT_CHARACTER.to_string(), None);
    (0..headers.count()).map(|place| catch_unwind(AssertUnwindSafe(|| header(place))).unwrap_or_else(unnamed)).collect()
}
