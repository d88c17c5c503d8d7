//! What sets work off: API Gateway, Kafka, schedules, invocations, and the local process in place of all of them. A trigger
//! turns its event into a call of the router or of a service, and decides nothing itself.

#[cfg(feature = "apigw")]
pub mod http;
#[cfg(feature = "aws")]
pub mod invoke;
#[cfg(any(feature = "aws", feature = "local"))]
pub mod kafka;
#[cfg(feature = "local")]
pub mod local;
#[cfg(feature = "aws")]
pub mod relay;
#[cfg(feature = "aws")]
pub mod replay;
#[cfg(feature = "aws")]
pub mod schedule;
#[cfg(all(feature = "aws", feature = "graphql"))]
pub mod websocket;

/// Does the work of an invocation. What was measured and traced meanwhile is handed over before its answer is.
#[cfg(feature = "aws")]
async fn invocation<T>(context: &lambda_runtime::Context, work: impl Future<Output = T>) -> T {
    use tracing::Instrument;

    let outcome = work.instrument(tracing::info_span!("invocation", request_id = context.request_id)).await;
    crate::platform::telemetry::hand_over().await;
    outcome
}

/// When the invocation must have ended: a second before Lambda ends it.
#[cfg(feature = "aws")]
fn deadline_of(context: &lambda_runtime::Context) -> crate::platform::clock::Timestamp {
    let milliseconds = i64::try_from(context.deadline).unwrap_or(i64::MAX);
    let deadline =
        chrono::DateTime::from_timestamp_millis(milliseconds).unwrap_or(chrono::DateTime::<chrono::Utc>::MAX_UTC);
    deadline - chrono::TimeDelta::seconds(1)
}
