//! A store in memory for the tests of services: no concurrency, no failures but those that are asked for.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::{FutureExt, ready};

use crate::domain::coin::Coin;
use crate::domain::price::Quote;
use crate::domain::projection::{Change, project};
use crate::domain::{RecordedEvent, StreamId};
use crate::platform::BoxFuture;
use crate::platform::clock::Timestamp;
use crate::store::{
    Append, Appended, Cursor, EventStore, Head, HistoryQuery, IdempotencyKey, Leases, Loaded, Maintenance, MemoryQuery,
    MemoryRow, Page, PricePoint, ReadModels, Snapshot, StoreError,
};

#[derive(Default)]
pub(crate) struct FakeStore {
    pub(crate) events: Mutex<Vec<RecordedEvent>>,
    pub(crate) appends: Mutex<Vec<usize>>,
    pub(crate) down: AtomicBool,
    lease: Mutex<Option<(String, Timestamp)>>,
}

impl FakeStore {
    fn reached(&self) -> Result<(), StoreError> {
        let down = self.down.load(Ordering::SeqCst);
        if down { Err(StoreError::Unavailable("down".to_owned())) } else { Ok(()) }
    }

    fn append_now(&self, append: &Append) -> Result<Appended, StoreError> {
        self.reached()?;
        append.check()?;
        self.appends.lock().unwrap().push(append.streams.len());
        let mut events = self.events.lock().unwrap();
        let before = events.len();
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

    /// Every stored quote with its version, newest first.
    fn quotes(&self) -> Vec<(i32, Quote)> {
        let changes =
            self.events.lock().unwrap().iter().rev().flat_map(|event| project(event).unwrap()).collect::<Vec<_>>();
        let price = |change| if let Change::Price { version, quote } = change { Some((version, quote)) } else { None };
        changes.into_iter().filter_map(price).collect()
    }
}

impl EventStore for FakeStore {
    fn append<'a>(&'a self, append: &'a Append) -> BoxFuture<'a, Result<Appended, StoreError>> {
        ready(self.append_now(append)).boxed()
    }

    fn appended_under<'a>(&'a self, _: &'a IdempotencyKey) -> BoxFuture<'a, Result<Option<Appended>, StoreError>> {
        ready(Ok(None)).boxed()
    }

    fn load<'a>(&'a self, stream: &'a StreamId, _: Option<i32>) -> BoxFuture<'a, Result<Loaded, StoreError>> {
        let own = |event: &&RecordedEvent| event.stream == *stream;
        let events = self.events.lock().unwrap().iter().filter(own).cloned().collect();
        ready(Ok(Loaded { snapshot: None, events })).boxed()
    }

    fn save_snapshot<'a>(&'a self, _: &'a StreamId, _: &'a Snapshot) -> BoxFuture<'a, Result<(), StoreError>> {
        ready(Ok(())).boxed()
    }

    fn read_all<'a>(&'a self, _: Option<&'a Cursor>, _: u32) -> BoxFuture<'a, Result<Page, StoreError>> {
        ready(Err(StoreError::Invalid("not in this fake".to_owned()))).boxed()
    }

    fn head<'a>(&'a self, _: &'a StreamId) -> BoxFuture<'a, Result<Option<Head>, StoreError>> {
        ready(Err(StoreError::Invalid("not in this fake".to_owned()))).boxed()
    }
}

impl ReadModels for FakeStore {
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
}

impl Leases for FakeStore {
    fn acquire<'a>(
        &'a self,
        _: &'a str,
        holder: &'a str,
        now: Timestamp,
        ttl: Duration,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        let mut lease = self.lease.lock().unwrap();
        let free = lease.as_ref().is_none_or(|(owner, until)| owner == holder || *until <= now);
        if free {
            *lease = Some((holder.to_owned(), now + ttl));
        }
        ready(self.reached().map(|()| free)).boxed()
    }

    fn release<'a>(&'a self, _: &'a str, holder: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        self.lease.lock().unwrap().take_if(|(owner, _)| owner == holder);
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
