//! Events announced to listeners in this process, after they are committed.
//!
//! Not guaranteed: delivery. A listener that is slow misses events, and one that comes late was not there; the store
//! remembers, this does not.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::ready;
use futures_util::stream::{self, Stream};
use tokio::sync::broadcast::{self, error::RecvError};

use crate::domain::RecordedEvent;
use crate::platform::BoxFuture;
use crate::store::after_commit::CommitListener;

/// How many events a slow listener may lag behind before it misses some.
const CAPACITY: usize = 4096;

/// Where events are announced and listened to.
#[derive(Debug, Clone)]
pub struct Feed(broadcast::Sender<Arc<RecordedEvent>>);

impl Default for Feed {
    fn default() -> Self {
        Self(broadcast::Sender::new(CAPACITY))
    }
}

impl Feed {
    /// Every event that is announced from now on.
    pub fn listen(&self) -> impl Stream<Item = Arc<RecordedEvent>> + Send + use<> {
        stream::unfold(self.0.subscribe(), |mut events| async move {
            loop {
                match events.recv().await {
                    Ok(event) => return Some((event, events)),
                    Err(RecvError::Lagged(missed)) => tracing::debug!(missed, "a slow listener missed events"),
                    Err(RecvError::Closed) => return None,
                }
            }
        })
    }
}

impl CommitListener for Feed {
    fn committed<'a>(&'a self, events: &'a [RecordedEvent]) -> BoxFuture<'a, ()> {
        for event in events {
            // An error only means that nobody listens.
            let _ = self.0.send(Arc::new(event.clone()));
        }
        ready(()).boxed()
    }
}
