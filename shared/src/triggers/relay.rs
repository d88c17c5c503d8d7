//! An invocation after a commit, or a schedule's, into a run of the relay. What the event says does not matter: that it
//! came does. Any number may come at once.

use std::sync::Arc;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;

use super::{deadline_of, invocation};
use crate::app::Renewed;
use crate::services::relay::Relay;

/// Relays whenever it is invoked, until the sandbox ends.
///
/// # Errors
/// If the Lambda runtime cannot be reached.
pub async fn run(relay: Renewed<Relay>) -> Result<(), Error> {
    let relay = Arc::new(relay);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| {
        let relay = relay.clone();
        async move {
            let run = async { relay.current().await.run(deadline_of(&event.context)).await };
            Ok::<_, Error>(invocation(&event.context, run).await?)
        }
    }))
    .await
}
