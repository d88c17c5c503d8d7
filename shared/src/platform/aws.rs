//! How AWS is asked for what changes seldom and is needed at once: secrets, addresses.

use std::error::Error;
use std::fmt::Debug;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// As many as fit into the deadline where each is refused at once: the longest waits between them are 1, 2, 4 and 8 of its
/// [`PARTS`]. So who is throttled all the time hears that in the end, and not only that there was no answer in time.
const ATTEMPTS: u32 = 5;
const PARTS: u32 = 20;

/// For clients whose answers are waited for until `deadline`. Attempts that are throttled, fail or take too long are made
/// again, at random intervals that grow. It is for the caller to keep the deadline.
pub(crate) async fn configuration(deadline: Duration) -> SdkConfig {
    let retry = RetryConfig::standard().with_max_attempts(ATTEMPTS).with_initial_backoff(deadline / PARTS);
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(deadline / 2).build();
    aws_config::defaults(BehaviorVersion::latest()).retry_config(retry).timeout_config(timeouts).load().await
}

/// Why a request failed, in a line. Never what was answered: of an answer that is not understood, it may be the secret.
pub(crate) fn reason<E, R>(error: &SdkError<E, R>) -> String
where
    E: Error + ProvideErrorMetadata + 'static,
    R: Debug,
{
    match error {
        SdkError::ServiceError(refused) => {
            let (code, message) = (refused.err().code(), refused.err().message());
            format!("{}: {}", code.unwrap_or("an error without a code"), message.unwrap_or_default())
        }
        SdkError::TimeoutError(_) => "no answer in time".to_owned(),
        SdkError::DispatchFailure(failure) => match failure.as_connector_error() {
            Some(error) => causes(error),
            None => "it cannot be reached".to_owned(),
        },
        SdkError::ConstructionFailure(_) => match error.source() {
            Some(cause) => format!("the request cannot be made: {}", causes(cause)),
            None => "the request cannot be made".to_owned(),
        },
        _ => "the answer is not understood".to_owned(),
    }
}

fn causes(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
