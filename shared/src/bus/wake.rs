//! Waking the relay after a commit. Whether it wakes does not matter for what is kept: its schedule is the safety net.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::ready;
use tokio::sync::Notify;

use crate::domain::RecordedEvent;
use crate::platform::BoxFuture;
use crate::store::after_commit::CommitListener;

/// A relay in this process.
#[derive(Debug, Clone, Default)]
pub struct RelaySignal(Arc<Notify>);

impl RelaySignal {
    /// Until something was committed since the last call.
    pub async fn committed_something(&self) {
        self.0.notified().await;
    }
}

impl CommitListener for RelaySignal {
    fn committed<'a>(&'a self, _: &'a [RecordedEvent]) -> BoxFuture<'a, ()> {
        self.0.notify_one();
        ready(()).boxed()
    }
}

#[cfg(feature = "invoke")]
pub use invoke::RelayFunction;

#[cfg(feature = "invoke")]
mod invoke {
    use std::sync::Arc;
    use std::time::Duration;

    use aws_config::BehaviorVersion;
    use aws_config::retry::RetryConfig;
    use aws_sdk_lambda::Client;
    use aws_sdk_lambda::error::DisplayErrorContext;
    use aws_sdk_lambda::types::InvocationType;
    use tokio::sync::OnceCell;

    use super::{BoxFuture, CommitListener, RecordedEvent};
    use crate::breaker::{BreakerError, Breakers, CircuitBreaker, Options};

    /// The relay as a Lambda function, invoked asynchronously: it is taken note of, not waited for.
    pub struct RelayFunction {
        name: String,
        /// Made at the first commit: a function that only reads never pays for it.
        client: OnceCell<Client>,
        /// A caller waits for this, so it is tried once and briefly, and not at all for a while where it fails.
        breaker: Arc<CircuitBreaker>,
    }

    impl RelayFunction {
        /// The function of that name, or ARN.
        pub fn new(name: &str, breakers: &Breakers) -> Self {
            let options = Options {
                timeout: Duration::from_secs(1),
                volume_threshold: 1,
                shared: false,
                reset_timeout: Duration::from_secs(10),
                ..Options::new("outbox-relay")
            };
            Self { name: name.to_owned(), client: OnceCell::new(), breaker: breakers.get(&options) }
        }

        async fn invoke(&self) {
            let invocation = Box::pin(async {
                let client = self.client.get_or_init(client).await;
                let request = client.invoke().function_name(&self.name).invocation_type(InvocationType::Event);
                request.send().await.map(drop).map_err(|error| DisplayErrorContext(&error).to_string())
            });
            match self.breaker.call(invocation).await {
                Ok(()) | Err(BreakerError::Open { .. } | BreakerError::Busy) => {}
                Err(BreakerError::TimedOut(_)) => {
                    tracing::warn!("the relay was not woken in time; its schedule will do");
                }
                Err(BreakerError::Failed(error)) => {
                    tracing::warn!(error, "the relay was not woken; its schedule will do");
                }
            }
        }
    }

    async fn client() -> Client {
        let once = RetryConfig::standard().with_max_attempts(1);
        Client::new(&aws_config::defaults(BehaviorVersion::latest()).retry_config(once).load().await)
    }

    impl CommitListener for RelayFunction {
        fn committed<'a>(&'a self, _: &'a [RecordedEvent]) -> BoxFuture<'a, ()> {
            Box::pin(self.invoke())
        }
    }
}
