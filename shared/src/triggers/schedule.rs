//! A schedule's event, once a minute, into polling rounds. What the event says does not matter: that it came does. It
//! may come twice; the second one finds the lease taken.

use std::sync::Arc;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;

use super::deadline_of;
use crate::platform::ids::new_id;
use crate::services::poll::{PollSummary, Poller};

/// Polls prices whenever the schedule says, until the sandbox ends.
///
/// # Errors
/// If the Lambda runtime cannot be reached.
pub async fn run(poller: Poller) -> Result<(), Error> {
    let poller = Arc::new(poller);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| {
        let poller = poller.clone();
        async move { poll(&poller, &event).await }
    }))
    .await
}

/// The lease is claimed under a new id: a retry of this invocation has its request id, and must find the lease taken.
async fn poll(poller: &Poller, event: &LambdaEvent<Value>) -> Result<PollSummary, Error> {
    Ok(poller.run(&new_id().to_string(), deadline_of(&event.context)).await?)
}
