//! A schedule's event, once a minute, into work. What the event says does not matter: that it came does. It may come
//! twice; the second one finds the work's lease taken.

use std::sync::Arc;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde::Serialize;
use serde_json::Value;

use super::{deadline_of, invocation};
use crate::app::Renewed;
use crate::platform::BoxFuture;
use crate::platform::clock::Timestamp;
use crate::platform::ids::new_id;
use crate::services;
use crate::services::poll::{PollSummary, Poller};
use crate::services::watch::{WatchSummary, Watcher};

/// Work that a schedule sets off.
pub trait Scheduled: Send + Sync + 'static {
    /// What it says of a run.
    type Summary: Serialize;

    /// Does the work as `holder`, in so far as it ends by `deadline`.
    fn run<'a>(&'a self, holder: &'a str, deadline: Timestamp)
    -> BoxFuture<'a, Result<Self::Summary, services::Error>>;
}

impl Scheduled for Poller {
    type Summary = PollSummary;

    fn run<'a>(&'a self, holder: &'a str, deadline: Timestamp) -> BoxFuture<'a, Result<PollSummary, services::Error>> {
        Box::pin(self.run(holder, deadline))
    }
}

impl Scheduled for Watcher {
    type Summary = WatchSummary;

    fn run<'a>(&'a self, holder: &'a str, deadline: Timestamp) -> BoxFuture<'a, Result<WatchSummary, services::Error>> {
        Box::pin(self.run(holder, deadline))
    }
}

/// Does the work whenever the schedule says, until the sandbox ends.
///
/// # Errors
/// If the Lambda runtime cannot be reached.
pub async fn run<S: Scheduled>(work: Renewed<S>) -> Result<(), Error> {
    let work = Arc::new(work);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| {
        let work = work.clone();
        // The lease is claimed under a new id: a retry of this invocation has its request id, and must find the lease
        // taken.
        async move {
            let (holder, deadline) = (new_id().to_string(), deadline_of(&event.context));
            let run = async { work.current().await.run(&holder, deadline).await };
            Ok::<_, Error>(invocation(&event.context, run).await?)
        }
    }))
    .await
}
