//! Waking the relay after a commit. Whether it wakes does not matter for what is kept: its schedule is the safety net.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::ready;
use tokio::sync::Notify;

use super::after_commit::CommitListener;
use crate::domain::RecordedEvent;
use crate::platform::BoxFuture;

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
    use std::time::Duration;

    use aws_config::{BehaviorVersion, timeout::TimeoutConfig};
    use aws_sdk_lambda::Client;
    use aws_sdk_lambda::error::DisplayErrorContext;
    use aws_sdk_lambda::types::InvocationType;
    use tokio::sync::OnceCell;

    use super::{BoxFuture, CommitListener, RecordedEvent};

    /// How long a caller waits for the relay's invocation to be taken, at most.
    const DEADLINE: Duration = Duration::from_millis(1500);

    /// The relay as a Lambda function, invoked asynchronously: it is taken note of, not waited for.
    pub struct RelayFunction {
        name: String,
        /// Made at the first commit: a function that only reads never pays for it.
        client: OnceCell<Client>,
    }

    impl RelayFunction {
        /// The function of that name, or ARN.
        pub fn new(name: &str) -> Self {
            Self { name: name.to_owned(), client: OnceCell::new() }
        }

        async fn invoke(&self) {
            let client = self.client.get_or_init(client).await;
            let request = client.invoke().function_name(&self.name).invocation_type(InvocationType::Event);
            if let Err(error) = request.send().await {
                let error = DisplayErrorContext(&error).to_string();
                tracing::warn!(error, "the relay was not woken; its schedule will do");
            }
        }
    }

    async fn client() -> Client {
        let timeouts = TimeoutConfig::builder().operation_timeout(DEADLINE).build();
        Client::new(&aws_config::defaults(BehaviorVersion::latest()).timeout_config(timeouts).load().await)
    }

    impl CommitListener for RelayFunction {
        fn committed<'a>(&'a self, _: &'a [RecordedEvent]) -> BoxFuture<'a, ()> {
            Box::pin(self.invoke())
        }
    }
}
