//! Events announced to listeners in this process, after they are committed.
//!
//! Not guaranteed: delivery. A listener that is slow misses events, and one that comes late was not there; the store
//! remembers, this does not.

use std::sync::Arc;

use futures_util::stream::{self, Stream};
use tokio::sync::broadcast::{self, error::RecvError};

use crate::domain::{RecordedEvent, StreamId};
use crate::platform::BoxFuture;
use crate::store::{
    Append, Appended, Cursor, EventStore, Head, IdempotencyKey, Loaded, Page, Snapshot, StoreError, StreamPosition,
};

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

    fn announce(&self, events: &[RecordedEvent]) {
        for event in events {
            // An error only means that nobody listens.
            let _ = self.0.send(Arc::new(event.clone()));
        }
    }
}

/// An event store that announces what it committed.
pub struct AnnouncingStore {
    store: Arc<dyn EventStore>,
    feed: Feed,
}

impl AnnouncingStore {
    /// `store`, announcing to `feed`.
    pub fn new(store: Arc<dyn EventStore>, feed: Feed) -> Self {
        Self { store, feed }
    }
}

impl EventStore for AnnouncingStore {
    fn append<'a>(&'a self, append: &'a Append) -> BoxFuture<'a, Result<Appended, StoreError>> {
        Box::pin(async move {
            let appended = self.store.append(append).await?;
            if !appended.replayed {
                self.feed.announce(&appended.events);
            }
            Ok(appended)
        })
    }

    fn appended_under<'a>(&'a self, key: &'a IdempotencyKey) -> BoxFuture<'a, Result<Option<Appended>, StoreError>> {
        self.store.appended_under(key)
    }

    fn load<'a>(
        &'a self,
        stream: &'a StreamId,
        snapshot_schema: Option<i32>,
    ) -> BoxFuture<'a, Result<Loaded, StoreError>> {
        self.store.load(stream, snapshot_schema)
    }

    fn save_snapshot<'a>(
        &'a self,
        stream: &'a StreamId,
        snapshot: &'a Snapshot,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.store.save_snapshot(stream, snapshot)
    }

    fn read_all<'a>(&'a self, cursor: Option<&'a Cursor>, limit: u32) -> BoxFuture<'a, Result<Page, StoreError>> {
        self.store.read_all(cursor, limit)
    }

    fn read_streams<'a>(
        &'a self,
        positions: &'a [StreamPosition],
        per_stream: u32,
    ) -> BoxFuture<'a, Result<Vec<RecordedEvent>, StoreError>> {
        self.store.read_streams(positions, per_stream)
    }

    fn last_events<'a>(&'a self, streams: &'a [StreamId]) -> BoxFuture<'a, Result<Vec<RecordedEvent>, StoreError>> {
        self.store.last_events(streams)
    }

    fn head<'a>(&'a self, stream: &'a StreamId) -> BoxFuture<'a, Result<Option<Head>, StoreError>> {
        self.store.head(stream)
    }
}
