//! What operators and schedules ask of `dlq-replay`: `{"topic": "mcp.events", "max": 100, "dryRun": true}`.

use std::sync::Arc;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;

use super::{deadline_of, invocation};
use crate::app::Renewed;
use crate::services::replay::{ReplayRequest, ReplaySummary, Replayer};

/// Replays whenever it is invoked, until the sandbox ends.
///
/// # Errors
/// If the Lambda runtime cannot be reached.
pub async fn run(replayer: Renewed<Replayer>) -> Result<(), Error> {
    let replayer = Arc::new(replayer);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| {
        let replayer = replayer.clone();
        async move {
            let context = event.context.clone();
            invocation(&context, async { replay(&*replayer.current().await, event).await }).await
        }
    }))
    .await
}

async fn replay(replayer: &Replayer, event: LambdaEvent<Value>) -> Result<ReplaySummary, Error> {
    let request: ReplayRequest = serde_json::from_value(event.payload)
        .map_err(|error| format!("expected {{\"topic\": ..., \"max\", \"filter\", \"dryRun\", \"to\"}}: {error}"))?;
    Ok(replayer.run(&request, deadline_of(&event.context)).await?)
}
