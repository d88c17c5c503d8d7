//! Where events and what is read from them live: the event store, the read models, leases. One trait a capability,
//! one folder a backend; a backend is done when it passes the contract suites in `tests/contracts`.
//!
//! Services call it; it calls nothing but the domain.

pub mod after_commit;
#[cfg(feature = "dynamodb")]
pub mod dynamodb;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod migrations;
pub mod outbox;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod projections;
pub mod read_models;
pub mod repository;
#[cfg(feature = "sqlite")]
pub mod sqlite;

use std::time::Duration;

use serde_json::Value;
use uuid::Uuid;

use crate::domain::{Metadata, NewEvent, RecordedEvent, StreamId};
use crate::platform::BoxFuture;
use crate::platform::clock::Timestamp;

pub use outbox::{Backlog, LaggingStream, Outbox, Published};
pub use projections::{Projections, Rebuild, Swept};
pub use read_models::{HistoryQuery, MemoryQuery, MemoryRow, PendingQuery, PricePoint, ReadModels};
pub use repository::Repository;

/// The most items of one append: a head a stream, its events, and one for the idempotency key. It is what one DynamoDB
/// transaction can hold, so that every backend takes the same appends.
pub const MAX_APPEND_ITEMS: usize = 100;

/// How long a result is kept under its idempotency key.
pub const IDEMPOTENCY_WINDOW: Duration = Duration::from_secs(24 * 3600);

/// The append-only log of streams.
///
/// Guarantees: an append is atomic over its streams and durable once it returns; versions of a stream are 1, 2, ...
/// without gaps; each stream's head (`version`, `published_version`, `lease_until`) is written in the same transaction.
/// Not guaranteed: that a failed append changed nothing. After [`StoreError::Unavailable`] it may or may not have
/// been committed; the expected version or an idempotency key makes a repetition safe.
pub trait EventStore: Send + Sync {
    /// In which order [`read_all`](Self::read_all) shows the events of all streams.
    fn order(&self) -> ReadOrder;

    /// Appends to one or more streams, all or nothing. Under an idempotency key seen in the last
    /// [`IDEMPOTENCY_WINDOW`], nothing is appended and the first result is returned, even where the expected version
    /// is by now stale.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] names the first stream whose version is not the expected one.
    fn append<'a>(&'a self, append: &'a Append) -> BoxFuture<'a, Result<Appended, StoreError>>;

    /// What was appended under `key`, if anything was.
    fn appended_under<'a>(&'a self, key: &'a IdempotencyKey) -> BoxFuture<'a, Result<Option<Appended>, StoreError>>;

    /// The newest snapshot of `snapshot_schema` (none is looked for if `None`) and every event after it, in order, in
    /// one round trip. An unknown stream is empty.
    fn load<'a>(
        &'a self,
        stream: &'a StreamId,
        snapshot_schema: Option<i32>,
    ) -> BoxFuture<'a, Result<Loaded, StoreError>>;

    /// Keeps `snapshot`, unless a newer one of the same schema is there.
    fn save_snapshot<'a>(
        &'a self,
        stream: &'a StreamId,
        snapshot: &'a Snapshot,
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Up to `limit` events of all streams after `cursor`, from the beginning if `None`; fewer only at the end. A reader
    /// that keeps calling with the returned cursor sees each event at most once, those of a stream in their order, and
    /// misses none that was committed before it began. What [`order`](Self::order) adds: in [`ReadOrder::Global`], it
    /// misses none that is committed later, either, even while transactions commit out of order, as what could still be
    /// overtaken is not shown yet; in [`ReadOrder::PerStream`] its pass ends.
    fn read_all<'a>(&'a self, cursor: Option<&'a Cursor>, limit: u32) -> BoxFuture<'a, Result<Page, StoreError>>;

    /// For each position the events after it, in order, at most `per_stream` of each stream; in one round trip.
    fn read_streams<'a>(
        &'a self,
        positions: &'a [StreamPosition],
        per_stream: u32,
    ) -> BoxFuture<'a, Result<Vec<RecordedEvent>, StoreError>>;

    /// The newest event of each stream that has one, in no order, in one round trip.
    fn last_events<'a>(&'a self, streams: &'a [StreamId]) -> BoxFuture<'a, Result<Vec<RecordedEvent>, StoreError>>;

    /// A stream's head; `None` for an unknown stream.
    fn head<'a>(&'a self, stream: &'a StreamId) -> BoxFuture<'a, Result<Option<Head>, StoreError>>;
}

/// What a store promises to a reader of everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadOrder {
    /// One order of all events, the same for every reader, which goes on as long as events are appended.
    Global,
    /// The order of each stream, and no other. What is appended during a pass may be in it; what is appended after it is
    /// seen by the next pass alone.
    PerStream,
}

/// Time-limited claims of a name, for work that only one process at a time should do.
pub trait Leases: Send + Sync {
    /// Claims `name` for `holder` until `now + ttl`; `true` if it is now theirs. Whoever holds it already extends it.
    fn acquire<'a>(
        &'a self,
        name: &'a str,
        holder: &'a str,
        now: Timestamp,
        ttl: Duration,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Gives `name` back, if `holder` has it.
    fn release<'a>(&'a self, name: &'a str, holder: &'a str) -> BoxFuture<'a, Result<(), StoreError>>;
}

/// Whether a backend can be reached, and its schema.
pub trait Maintenance: Send + Sync {
    /// One cheap round trip.
    fn ping(&self) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Brings the schema up to date; returns the migrations that were applied, in order. Safe to run at once from
    /// several processes, and again.
    fn migrate(&self) -> BoxFuture<'_, Result<Vec<String>, StoreError>>;
}

/// Events for one or more streams, to be appended together.
#[derive(Debug, Clone, PartialEq)]
pub struct Append {
    /// At most one entry a stream; at most [`MAX_APPEND_ITEMS`] items in all.
    pub streams: Vec<StreamAppend>,
    /// Stored beside each event.
    pub metadata: Metadata,
    /// The key under which a repetition of this append is recognised.
    pub idempotency: Option<IdempotencyKey>,
}

impl Append {
    /// Refuses what no backend could take.
    ///
    /// # Errors
    /// [`StoreError::Invalid`]: too many items, a stream twice, or nothing at all.
    pub fn check(&self) -> Result<(), StoreError> {
        let items = self.streams.len() + self.streams.iter().map(|stream| stream.events.len()).sum::<usize>() + 1;
        if items > MAX_APPEND_ITEMS {
            return Err(StoreError::Invalid(format!("an append of {items} items; at most {MAX_APPEND_ITEMS} fit")));
        }
        let mut ids: Vec<_> = self.streams.iter().map(|append| append.stream.aggregate_id).collect();
        ids.sort_unstable();
        if ids.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(StoreError::Invalid("an append names a stream twice".to_owned()));
        }
        if self.streams.is_empty() || self.streams.iter().any(|append| append.events.is_empty()) {
            return Err(StoreError::Invalid("an append of no events".to_owned()));
        }
        Ok(())
    }
}

/// Events for one stream.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamAppend {
    /// The stream.
    pub stream: StreamId,
    /// The version it must have.
    pub expected: Expected,
    /// At least one.
    pub events: Vec<NewEvent>,
}

/// The version that a stream must have for an append to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Any: the order of appends does not matter.
    Any,
    /// Exactly this one; 0 for a stream without events.
    Exact(i32),
}

/// A caller's idempotency key, scoped to the caller and the operation so that no two can collide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// Caller, operation and the key as given, hashed to at most 64 characters.
    pub key: String,
    /// A hash of what was asked. The same key with another one is [`StoreError::KeyReused`].
    pub fingerprint: String,
}

/// What an append did.
#[derive(Debug, Clone, PartialEq)]
pub struct Appended {
    /// The events as stored, those of a stream in order.
    pub events: Vec<RecordedEvent>,
    /// Whether this is the first result again, found by its idempotency key.
    pub replayed: bool,
}

/// A stream, as loaded.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Loaded {
    /// The state to start from.
    pub snapshot: Option<Snapshot>,
    /// Every event after the snapshot.
    pub events: Vec<RecordedEvent>,
}

/// An aggregate's state at a version.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// The version of the last event in it.
    pub version: i32,
    /// The version of the state's shape.
    pub schema_version: i32,
    /// The state.
    pub state: Value,
}

/// What a store keeps beside a stream's events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The version of the last event.
    pub version: i32,
    /// The version of the last event that reached the bus.
    pub published_version: i32,
    /// Until when a relay has claimed the stream.
    pub lease_until: Option<Timestamp>,
}

/// A place in a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamPosition {
    /// The stream.
    pub aggregate_id: Uuid,
    /// The version of the last event that is known; 0 for none.
    pub after: i32,
}

/// Where a reader of everything stands. Opaque: only the store that gave it can read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(pub(crate) String);

impl Cursor {
    /// A cursor that was kept as text.
    pub fn from_text(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The cursor as text, to keep.
    pub fn as_text(&self) -> &str {
        &self.0
    }
}

/// A page of a reader of everything.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The events, in order.
    pub events: Vec<RecordedEvent>,
    /// Where to go on: the position of the last event, or the cursor that was given if there was none.
    pub next: Option<Cursor>,
}

/// Why a store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A stream is not at the expected version.
    #[error("stream {stream} is at version {actual}, not {expected}")]
    Conflict {
        /// The stream.
        stream: StreamId,
        /// The version that the writer knew.
        expected: i32,
        /// The version that it has.
        actual: i32,
    },
    /// The idempotency key was used for something else.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// What was asked makes no sense to any store, or holds a value that this one cannot take.
    #[error("{0}")]
    Invalid(String),
    /// The backend did not answer, or not in time. Whether an append happened is not known.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// What is stored cannot be read, or the backend refused a statement.
    #[error("the store failed: {0}")]
    Failed(String),
}

impl StoreError {
    /// Whether the same call may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

/// `work`, or [`StoreError::Unavailable`] when the deadline passes.
#[cfg(any(feature = "dynamodb", feature = "postgres"))]
async fn within<T>(deadline: Duration, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    tokio::time::timeout(deadline, work)
        .await
        .unwrap_or_else(|_| Err(StoreError::Unavailable(format!("no answer within {} s", deadline.as_secs()))))
}

/// Everything that one database offers.
pub trait Store: EventStore + Outbox + Projections + ReadModels + Leases + Maintenance {}

impl<T: EventStore + Outbox + Projections + ReadModels + Leases + Maintenance> Store for T {}
