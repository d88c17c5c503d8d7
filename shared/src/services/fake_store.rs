//! A store in memory for the tests of services: no concurrency, no failures but those that are asked for.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::Duration;

use futures_util::future::{FutureExt, ready};
use uuid::Uuid;

use crate::domain::coin::Coin;
use crate::domain::price::Quote;
use crate::domain::projection::{Changes, EmotionChange, MemoryChange, TransactionChange};
use crate::domain::{RecordedEvent, StreamId};
use crate::platform::BoxFuture;
use crate::platform::clock::Timestamp;
use crate::store::{
    Append, Appended, Backlog, Cursor, EventStore, Expected, Head, HistoryQuery, IdempotencyKey, LaggingStream, Leases,
    Loaded, Maintenance, MemoryQuery, MemoryRow, Outbox, Page, PendingQuery, PricePoint, Projections, Published,
    ReadModels, ReadOrder, Rebuild, Snapshot, StoreError, StreamPosition, Swept,
};

#[derive(Default)]
pub(crate) struct FakeStore {
    pub(crate) events: Mutex<Vec<RecordedEvent>>,
    pub(crate) appends: Mutex<Vec<usize>>,
    pub(crate) down: AtomicBool,
    /// After so many appends more it is down.
    pub(crate) appends_left: Mutex<Option<usize>>,
    /// So many events of each memory stream are projected.
    projected: AtomicI32,
    leases: Mutex<HashMap<String, (String, Timestamp)>>,
}

impl FakeStore {
    /// From now on so many events of each memory stream are projected.
    pub(crate) fn project(&self, events: i32) {
        self.projected.store(events, Ordering::SeqCst);
    }

    /// The projected memories.
    fn memory_rows(&self) -> Vec<(Uuid, MemoryRow)> {
        let (projected, mut changes) = (self.projected.load(Ordering::SeqCst), Changes::default());
        for event in self.events.lock().unwrap().iter().filter(|event| event.event_version <= projected) {
            changes.add(event).unwrap();
        }
        let row = |((owner, id), MemoryChange { version, live })| {
            live.map(|(content, created_at)| (owner, MemoryRow { id, version, content, created_at }))
        };
        changes.memories.into_iter().filter_map(row).collect()
    }

    fn reached(&self) -> Result<(), StoreError> {
        let down = self.down.load(Ordering::SeqCst);
        if down { Err(StoreError::Unavailable("down".to_owned())) } else { Ok(()) }
    }

    fn append_now(&self, append: &Append) -> Result<Appended, StoreError> {
        self.reached()?;
        append.check()?;
        if let Some(left) = self.appends_left.lock().unwrap().as_mut() {
            *left = left.checked_sub(1).ok_or_else(|| StoreError::Unavailable("no appends are left".to_owned()))?;
        }
        self.appends.lock().unwrap().push(append.streams.len());
        let mut events = self.events.lock().unwrap();
        let before = events.len();
        for part in &append.streams {
            let actual = events.iter().filter(|event| event.stream == part.stream).count();
            if let Expected::Exact(expected) = part.expected
                && usize::try_from(expected).unwrap() != actual
            {
                let actual = i32::try_from(actual).unwrap();
                return Err(StoreError::Conflict { stream: part.stream.clone(), expected, actual });
            }
        }
        for stream in &append.streams {
            for event in &stream.events {
                let version = events.iter().filter(|event| event.stream == stream.stream).count() + 1;
                events.push(RecordedEvent {
                    id: event.id,
                    stream: stream.stream.clone(),
                    event_version: i32::try_from(version).unwrap(),
                    event_type: event.event_type.clone(),
                    schema_version: event.schema_version,
                    data: event.data.clone(),
                    metadata: append.metadata.clone(),
                });
            }
        }
        Ok(Appended { events: events[before..].to_vec(), replayed: false })
    }

    /// What follows from everything that is stored.
    fn changes(&self) -> Changes {
        let mut changes = Changes::default();
        for event in self.events.lock().unwrap().iter() {
            changes.add(event).unwrap();
        }
        changes
    }

    /// Every stored quote with its version, newest first.
    fn quotes(&self) -> Vec<(i32, Quote)> {
        self.changes().price_history.into_iter().rev().map(|((_, version), quote)| (version, quote)).collect()
    }
}

impl EventStore for FakeStore {
    fn order(&self) -> ReadOrder {
        ReadOrder::Global
    }

    fn append<'a>(&'a self, append: &'a Append) -> BoxFuture<'a, Result<Appended, StoreError>> {
        ready(self.append_now(append)).boxed()
    }

    fn appended_under<'a>(&'a self, _: &'a IdempotencyKey) -> BoxFuture<'a, Result<Option<Appended>, StoreError>> {
        ready(Ok(None)).boxed()
    }

    fn load<'a>(&'a self, stream: &'a StreamId, _: Option<i32>) -> BoxFuture<'a, Result<Loaded, StoreError>> {
        let own = |event: &&RecordedEvent| event.stream == *stream;
        let events = self.events.lock().unwrap().iter().filter(own).cloned().collect();
        ready(self.reached().map(|()| Loaded { snapshot: None, events })).boxed()
    }

    fn save_snapshot<'a>(&'a self, _: &'a StreamId, _: &'a Snapshot) -> BoxFuture<'a, Result<(), StoreError>> {
        ready(Ok(())).boxed()
    }

    fn read_all<'a>(&'a self, _: Option<&'a Cursor>, _: u32) -> BoxFuture<'a, Result<Page, StoreError>> {
        not_here()
    }

    fn read_streams<'a>(
        &'a self,
        positions: &'a [StreamPosition],
        per_stream: u32,
    ) -> BoxFuture<'a, Result<Vec<RecordedEvent>, StoreError>> {
        let events = self.events.lock().unwrap();
        let after = |position: &StreamPosition| {
            let StreamPosition { aggregate_id, after } = *position;
            let own =
                move |event: &&RecordedEvent| event.stream.aggregate_id == aggregate_id && event.event_version > after;
            events.iter().filter(own).take(per_stream as usize).cloned().collect::<Vec<_>>()
        };
        let found = positions.iter().flat_map(after).collect();
        ready(self.reached().map(|()| found)).boxed()
    }

    fn last_events<'a>(&'a self, streams: &'a [StreamId]) -> BoxFuture<'a, Result<Vec<RecordedEvent>, StoreError>> {
        let events = self.events.lock().unwrap();
        let last = |stream: &StreamId| events.iter().rev().find(|event| event.stream == *stream).cloned();
        let found = streams.iter().filter_map(last).collect();
        ready(self.reached().map(|()| found)).boxed()
    }

    fn head<'a>(&'a self, stream: &'a StreamId) -> BoxFuture<'a, Result<Option<Head>, StoreError>> {
        let events = self.events.lock().unwrap();
        let version = events.iter().filter(|event| event.stream == *stream).map(|event| event.event_version).max();
        let head = version.map(|version| Head { version, published_version: 0, lease_until: None });
        ready(self.reached().map(|()| head)).boxed()
    }
}

impl ReadModels for FakeStore {
    fn emotions<'a>(&'a self, _: &'a [Uuid]) -> BoxFuture<'a, Result<Vec<(Uuid, EmotionChange)>, StoreError>> {
        not_here()
    }

    fn latest_prices<'a>(&'a self, coins: &'a [Coin]) -> BoxFuture<'a, Result<Vec<Quote>, StoreError>> {
        let quotes = self.quotes();
        let latest = |coin: &Coin| quotes.iter().find(|(_, quote)| quote.coin == *coin).map(|(_, quote)| quote.clone());
        ready(self.reached().map(|()| coins.iter().filter_map(latest).collect())).boxed()
    }

    fn price_history<'a>(&'a self, query: &'a HistoryQuery) -> BoxFuture<'a, Result<Vec<PricePoint>, StoreError>> {
        let wanted = |(version, quote): &(i32, Quote)| {
            quote.coin == query.coin && query.before_version.is_none_or(|before| *version < before)
        };
        let point = |(version, quote): (i32, Quote)| PricePoint {
            version,
            usd: quote.usd,
            at: quote.updated_at,
            source: quote.source,
        };
        let points = self.quotes().into_iter().filter(wanted).take(query.limit as usize).map(point).collect();
        ready(self.reached().map(|()| points)).boxed()
    }

    fn memories<'a>(&'a self, _: &'a MemoryQuery) -> BoxFuture<'a, Result<Vec<MemoryRow>, StoreError>> {
        ready(Ok(vec![])).boxed()
    }

    fn memories_by_id<'a>(&'a self, owner: Uuid, ids: &'a [Uuid]) -> BoxFuture<'a, Result<Vec<MemoryRow>, StoreError>> {
        let mut rows = self.memory_rows();
        rows.retain(|(of, row)| *of == owner && ids.contains(&row.id));
        ready(self.reached().map(|()| rows.into_iter().map(|(_, row)| row).collect())).boxed()
    }

    fn transaction(&self, id: Uuid) -> BoxFuture<'_, Result<Option<TransactionChange>, StoreError>> {
        let found = self.changes().transactions.remove(&id);
        ready(self.reached().map(|()| found)).boxed()
    }

    fn pending_transactions<'a>(
        &'a self,
        query: &'a PendingQuery,
    ) -> BoxFuture<'a, Result<Vec<(Uuid, TransactionChange)>, StoreError>> {
        use crate::domain::transaction::TransactionState::{Accepted, Submitted};

        let wanted = |(id, change): &(Uuid, TransactionChange)| {
            matches!(change.state, Submitted | Accepted)
                && change.updated_at < query.older_than
                && query.after.is_none_or(|after| (change.updated_at, *id) > after)
        };
        let mut pending: Vec<_> = self.changes().transactions.into_iter().filter(wanted).collect();
        pending.sort_by_key(|(id, change)| (change.updated_at, *id));
        pending.truncate(query.limit as usize);
        ready(self.reached().map(|()| pending)).boxed()
    }
}

impl Leases for FakeStore {
    fn acquire<'a>(
        &'a self,
        name: &'a str,
        holder: &'a str,
        now: Timestamp,
        ttl: Duration,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        let mut leases = self.leases.lock().unwrap();
        let free = leases.get(name).is_none_or(|(owner, until)| owner == holder || *until <= now);
        if free {
            leases.insert(name.to_owned(), (holder.to_owned(), now + ttl));
        }
        ready(self.reached().map(|()| free)).boxed()
    }

    fn release<'a>(&'a self, name: &'a str, holder: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        self.leases.lock().unwrap().retain(|held, (owner, _)| held != name || owner != holder);
        ready(Ok(())).boxed()
    }
}

impl Maintenance for FakeStore {
    fn ping(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        ready(self.reached()).boxed()
    }

    fn migrate(&self) -> BoxFuture<'_, Result<Vec<String>, StoreError>> {
        ready(Ok(vec![])).boxed()
    }
}

impl Outbox for FakeStore {
    fn lease_lagging(
        &self,
        _: u32,
        _: Timestamp,
        _: Duration,
    ) -> BoxFuture<'_, Result<Vec<LaggingStream>, StoreError>> {
        not_here()
    }

    fn advance<'a>(&'a self, _: &'a [Published]) -> BoxFuture<'a, Result<(), StoreError>> {
        not_here()
    }

    fn backlog(&self) -> BoxFuture<'_, Result<Backlog, StoreError>> {
        not_here()
    }
}

impl Projections for FakeStore {
    fn projected_versions<'a>(&'a self, streams: &'a [Uuid]) -> BoxFuture<'a, Result<HashMap<Uuid, i32>, StoreError>> {
        let projected = self.projected.load(Ordering::SeqCst);
        ready(self.reached().map(|()| streams.iter().map(|stream| (*stream, projected)).collect())).boxed()
    }

    fn apply_changes<'a>(&'a self, _: &'a Changes) -> BoxFuture<'a, Result<(), StoreError>> {
        not_here()
    }

    fn begin_rebuild(&self) -> BoxFuture<'_, Result<Rebuild, StoreError>> {
        not_here()
    }

    fn rebuild_step<'a>(
        &'a self,
        _: &'a Rebuild,
        _: &'a Changes,
        _: &'a Cursor,
        _: u64,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        not_here()
    }

    fn rebuild_has_settled<'a>(&'a self, _: &'a Rebuild) -> BoxFuture<'a, Result<bool, StoreError>> {
        not_here()
    }

    fn finish_rebuild<'a>(&'a self, _: &'a Rebuild) -> BoxFuture<'a, Result<bool, StoreError>> {
        not_here()
    }

    fn sweep_generations(&self, _: u32) -> BoxFuture<'_, Result<Swept, StoreError>> {
        not_here()
    }
}

/// What only the real stores can do: what needs it is tested with them.
fn not_here<'a, T: Send + 'a>() -> BoxFuture<'a, Result<T, StoreError>> {
    ready(Err(StoreError::Invalid("not in this fake".to_owned()))).boxed()
}
