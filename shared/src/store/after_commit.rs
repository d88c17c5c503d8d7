//! What is done right after a commit, before its caller has an answer.

use std::sync::Arc;

use futures_util::future::join_all;

use super::{
    Append, Appended, Cursor, EventStore, Head, IdempotencyKey, Loaded, Page, ReadOrder, Snapshot, StoreError,
    StreamPosition,
};
use crate::domain::{RecordedEvent, StreamId};
use crate::platform::BoxFuture;
use crate::platform::crash;

/// Told of what was committed. It cannot fail: what it does not do, something else does later.
pub trait CommitListener: Send + Sync {
    /// `events` are committed.
    fn committed<'a>(&'a self, events: &'a [RecordedEvent]) -> BoxFuture<'a, ()>;
}

/// An event store that tells listeners what it committed.
pub struct AfterCommit {
    store: Arc<dyn EventStore>,
    listeners: Vec<Arc<dyn CommitListener>>,
}

impl AfterCommit {
    /// `store`, with listeners.
    pub fn new(store: Arc<dyn EventStore>, listeners: Vec<Arc<dyn CommitListener>>) -> Self {
        Self { store, listeners }
    }
}

impl EventStore for AfterCommit {
    fn order(&self) -> ReadOrder {
        self.store.order()
    }

    fn append<'a>(&'a self, append: &'a Append) -> BoxFuture<'a, Result<Appended, StoreError>> {
        Box::pin(async move {
            let appended = self.store.append(append).await?;
            crash::point("append.committed");
            if !appended.replayed {
                join_all(self.listeners.iter().map(|listener| listener.committed(&appended.events))).await;
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
