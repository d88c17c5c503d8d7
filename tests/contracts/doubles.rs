//! Stores that break one promise each. The suites must catch every one of them, or they would not catch a backend.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::Duration;

use mcp_core::domain::coin::Coin;
use mcp_core::domain::price::Quote;
use mcp_core::domain::projection::{Changes, EmotionChange, TransactionChange};
use mcp_core::domain::{RecordedEvent, StreamId};
use mcp_core::platform::BoxFuture;
use mcp_core::platform::clock::Timestamp;
use mcp_core::store::{
    Append, Appended, Backlog, Cursor, EventStore, Expected, Head, HistoryQuery, IdempotencyKey, LaggingStream, Leases,
    Loaded, Maintenance, MemoryQuery, MemoryRow, Outbox, Page, PendingQuery, PricePoint, Projections, Published,
    ReadModels, ReadOrder, Rebuild, Snapshot, Store, StoreError, StreamPosition, Swept,
};
use sqlx::{Connection, PgConnection, Row};
use uuid::Uuid;

use super::{Fixture, event_store, outbox, projections, read_models};

#[tokio::test]
async fn a_store_that_ignores_the_expected_version_is_caught() {
    let double = |fixture: &Fixture| Double::of(fixture, Fault::IgnoresExpected);
    caught(event_store::a_stale_writer_gets_a_conflict, Fixture::sqlite().await, double).await;
}

#[tokio::test]
async fn a_store_that_appends_stream_by_stream_is_caught() {
    let double = |fixture: &Fixture| Double::of(fixture, Fault::StreamByStream);
    caught(event_store::an_append_is_atomic_over_its_streams, Fixture::sqlite().await, double).await;
}

#[tokio::test]
async fn a_store_that_forgets_keys_is_caught() {
    let double = |fixture: &Fixture| Double::of(fixture, Fault::ForgetsKeys);
    let promise = event_store::the_same_key_gives_the_first_result_even_where_the_version_is_stale;
    caught(promise, Fixture::sqlite().await, double).await;
}

#[tokio::test]
async fn a_store_that_skips_an_event_is_caught() {
    let double = |fixture: &Fixture| Double::of(fixture, Fault::SkipsOne);
    caught(event_store::a_reader_sees_every_event_exactly_once, Fixture::sqlite().await, double).await;
}

/// What most would write first: `WHERE global_position > $1 ORDER BY global_position`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_reads_by_position_alone_is_caught() {
    let double = |fixture: &Fixture| Double::of(fixture, Fault::ReadsByPosition(fixture.database.address()));
    caught(event_store::a_reader_misses_nothing_that_commits_late, Fixture::postgres().await, double).await;
}

#[tokio::test]
async fn a_store_that_leases_a_stream_twice_is_caught() {
    let double = |fixture: &Fixture| Double::of(fixture, Fault::LeasesTwice);
    caught(outbox::a_leased_stream_is_leased_by_nobody_else, Fixture::sqlite().await, double).await;
}

#[tokio::test]
async fn a_store_that_advances_further_than_was_published_is_caught() {
    let double = |fixture: &Fixture| Double::of(fixture, Fault::AdvancesToTheHead);
    caught(outbox::what_was_appended_meanwhile_is_left, Fixture::sqlite().await, double).await;
}

#[tokio::test]
async fn a_store_that_writes_over_newer_rows_is_caught() {
    let double = |fixture: &Fixture| Double::of(fixture, Fault::WritesOverNewer);
    caught(projections::a_late_change_writes_over_nothing_newer, Fixture::sqlite().await, double).await;
}

#[tokio::test]
async fn a_store_that_writes_old_news_of_a_transaction_is_caught() {
    let double = |fixture: &Fixture| Double::of(fixture, Fault::WritesOverNewer);
    let promise = read_models::transactions::a_late_event_brings_back_no_older_state;
    caught(promise, Fixture::sqlite().await, double).await;
}

#[tokio::test]
async fn a_store_that_begins_every_page_of_pending_transactions_anew_is_caught() {
    let double = |fixture: &Fixture| Double::of(fixture, Fault::BeginsPagesAnew);
    let promise = read_models::transactions::pending_ones_come_in_pages_those_first_that_were_heard_of_longest_ago;
    caught(promise, Fixture::sqlite().await, double).await;
}

/// The promise fails where it is broken.
async fn caught<F>(promise: fn(Fixture) -> F, real: Fixture, double: impl Fn(&Fixture) -> Double)
where
    F: Future<Output = ()> + Send + 'static,
{
    // A reader that was robbed of an event waits for it in vain.
    let broken = Fixture { patience: Duration::from_secs(3), ..real.behind(Arc::new(double(&real))) };
    let outcome = tokio::spawn(promise(broken)).await;
    assert!(outcome.is_err_and(|error| error.is_panic()), "the suite accepts a store that breaks the promise");
}

enum Fault {
    IgnoresExpected,
    StreamByStream,
    ForgetsKeys,
    SkipsOne,
    ReadsByPosition(String),
    LeasesTwice,
    AdvancesToTheHead,
    WritesOverNewer,
    BeginsPagesAnew,
}

struct Double {
    real: Arc<dyn Store>,
    fault: Fault,
    skipped: AtomicBool,
    writes: AtomicI32,
}

impl Double {
    fn of(fixture: &Fixture, fault: Fault) -> Self {
        Self { real: fixture.store.clone(), fault, skipped: AtomicBool::new(false), writes: AtomicI32::new(0) }
    }

    async fn append_one_by_one(&self, append: &Append) -> Result<Appended, StoreError> {
        let mut events = Vec::new();
        for stream in &append.streams {
            let one = Append { streams: vec![stream.clone()], ..append.clone() };
            events.extend(self.real.append(&one).await?.events);
        }
        Ok(Appended { events, replayed: false })
    }
}

impl EventStore for Double {
    fn order(&self) -> ReadOrder {
        self.real.order()
    }

    fn append<'a>(&'a self, append: &'a Append) -> BoxFuture<'a, Result<Appended, StoreError>> {
        Box::pin(async move {
            let mut append = append.clone();
            match self.fault {
                Fault::IgnoresExpected => append.streams.iter_mut().for_each(|part| part.expected = Expected::Any),
                Fault::ForgetsKeys => append.idempotency = None,
                Fault::StreamByStream => return self.append_one_by_one(&append).await,
                _ => {}
            }
            self.real.append(&append).await
        })
    }

    fn appended_under<'a>(&'a self, key: &'a IdempotencyKey) -> BoxFuture<'a, Result<Option<Appended>, StoreError>> {
        self.real.appended_under(key)
    }

    fn load<'a>(
        &'a self,
        stream: &'a StreamId,
        snapshot_schema: Option<i32>,
    ) -> BoxFuture<'a, Result<Loaded, StoreError>> {
        self.real.load(stream, snapshot_schema)
    }

    fn save_snapshot<'a>(
        &'a self,
        stream: &'a StreamId,
        snapshot: &'a Snapshot,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.real.save_snapshot(stream, snapshot)
    }

    fn read_all<'a>(&'a self, cursor: Option<&'a Cursor>, limit: u32) -> BoxFuture<'a, Result<Page, StoreError>> {
        Box::pin(async move {
            if let Fault::ReadsByPosition(url) = &self.fault {
                return Ok(read_by_position(url, cursor, limit).await);
            }
            let mut page = self.real.read_all(cursor, limit).await?;
            if matches!(self.fault, Fault::SkipsOne) && !self.skipped.swap(true, Ordering::SeqCst) {
                page.events.pop();
            }
            Ok(page)
        })
    }

    fn read_streams<'a>(
        &'a self,
        positions: &'a [StreamPosition],
        per_stream: u32,
    ) -> BoxFuture<'a, Result<Vec<RecordedEvent>, StoreError>> {
        self.real.read_streams(positions, per_stream)
    }

    fn last_events<'a>(&'a self, streams: &'a [StreamId]) -> BoxFuture<'a, Result<Vec<RecordedEvent>, StoreError>> {
        self.real.last_events(streams)
    }

    fn head<'a>(&'a self, stream: &'a StreamId) -> BoxFuture<'a, Result<Option<Head>, StoreError>> {
        self.real.head(stream)
    }
}

async fn read_by_position(url: &str, cursor: Option<&Cursor>, limit: u32) -> Page {
    const READ: &str = "
        SELECT global_position, id, aggregate_id, event_version, metadata FROM events WHERE global_position > $1
        ORDER BY global_position LIMIT $2";
    let after: i64 = cursor.map_or(0, |cursor| cursor.as_text().parse().unwrap());
    let mut connection = PgConnection::connect(url).await.unwrap();
    let rows = sqlx::query(READ).bind(after).bind(i64::from(limit)).fetch_all(&mut connection).await.unwrap();
    let event = |row: &sqlx::postgres::PgRow| RecordedEvent {
        id: row.get(1),
        stream: StreamId { aggregate_id: row.get(2), aggregate_type: "test".to_owned() },
        event_version: row.get(3),
        event_type: "Happened".to_owned(),
        schema_version: 1,
        data: serde_json::Value::Null,
        metadata: row.get::<sqlx::types::Json<_>, _>(4).0,
    };
    let next = rows.last().map(|row| Cursor::from_text(row.get::<i64, _>(0).to_string()));
    Page { events: rows.iter().map(event).collect(), next: next.or(cursor.cloned()) }
}

impl Outbox for Double {
    fn lease_lagging(
        &self,
        limit: u32,
        now: Timestamp,
        ttl: Duration,
    ) -> BoxFuture<'_, Result<Vec<LaggingStream>, StoreError>> {
        Box::pin(async move {
            if !matches!(self.fault, Fault::LeasesTwice) {
                return self.real.lease_lagging(limit, now, ttl).await;
            }
            self.real.lease_lagging(limit, now, Duration::ZERO).await
        })
    }

    fn advance<'a>(&'a self, published: &'a [Published]) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            if !matches!(self.fault, Fault::AdvancesToTheHead) {
                return self.real.advance(published).await;
            }
            for done in published {
                let head = self.real.head(&done.stream).await?.map_or(0, |head| head.version);
                self.real.advance(&[Published { to: head, ..done.clone() }]).await?;
            }
            Ok(())
        })
    }

    fn backlog(&self) -> BoxFuture<'_, Result<Backlog, StoreError>> {
        self.real.backlog()
    }
}

impl Projections for Double {
    fn projected_versions<'a>(&'a self, streams: &'a [Uuid]) -> BoxFuture<'a, Result<HashMap<Uuid, i32>, StoreError>> {
        self.real.projected_versions(streams)
    }

    fn apply_changes<'a>(&'a self, changes: &'a Changes) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let mut changes = changes.clone();
            if matches!(self.fault, Fault::WritesOverNewer) {
                // As if what is written last followed from the newest event.
                let last = 1000 + self.writes.fetch_add(1, Ordering::SeqCst);
                changes.latest_prices.values_mut().for_each(|(version, _)| *version = last);
                changes.transactions.values_mut().for_each(|change| change.version = last);
            }
            self.real.apply_changes(&changes).await
        })
    }

    fn begin_rebuild(&self) -> BoxFuture<'_, Result<Rebuild, StoreError>> {
        self.real.begin_rebuild()
    }

    fn rebuild_step<'a>(
        &'a self,
        rebuild: &'a Rebuild,
        changes: &'a Changes,
        cursor: &'a Cursor,
        events: u64,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.real.rebuild_step(rebuild, changes, cursor, events)
    }

    fn rebuild_has_settled<'a>(&'a self, rebuild: &'a Rebuild) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.real.rebuild_has_settled(rebuild)
    }

    fn finish_rebuild<'a>(&'a self, rebuild: &'a Rebuild) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.real.finish_rebuild(rebuild)
    }

    fn sweep_generations(&self, limit: u32) -> BoxFuture<'_, Result<Swept, StoreError>> {
        self.real.sweep_generations(limit)
    }
}

impl ReadModels for Double {
    fn emotions<'a>(&'a self, owners: &'a [Uuid]) -> BoxFuture<'a, Result<Vec<(Uuid, EmotionChange)>, StoreError>> {
        self.real.emotions(owners)
    }

    fn latest_prices<'a>(&'a self, coins: &'a [Coin]) -> BoxFuture<'a, Result<Vec<Quote>, StoreError>> {
        self.real.latest_prices(coins)
    }

    fn price_history<'a>(&'a self, query: &'a HistoryQuery) -> BoxFuture<'a, Result<Vec<PricePoint>, StoreError>> {
        self.real.price_history(query)
    }

    fn memories<'a>(&'a self, query: &'a MemoryQuery) -> BoxFuture<'a, Result<Vec<MemoryRow>, StoreError>> {
        self.real.memories(query)
    }

    fn memories_by_id<'a>(&'a self, owner: Uuid, ids: &'a [Uuid]) -> BoxFuture<'a, Result<Vec<MemoryRow>, StoreError>> {
        self.real.memories_by_id(owner, ids)
    }

    fn transaction(&self, id: Uuid) -> BoxFuture<'_, Result<Option<TransactionChange>, StoreError>> {
        self.real.transaction(id)
    }

    fn pending_transactions<'a>(
        &'a self,
        query: &'a PendingQuery,
    ) -> BoxFuture<'a, Result<Vec<(Uuid, TransactionChange)>, StoreError>> {
        Box::pin(async move {
            let mut query = query.clone();
            if matches!(self.fault, Fault::BeginsPagesAnew) {
                query.after = None;
            }
            self.real.pending_transactions(&query).await
        })
    }
}

impl Leases for Double {
    fn acquire<'a>(
        &'a self,
        name: &'a str,
        holder: &'a str,
        now: Timestamp,
        ttl: Duration,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.real.acquire(name, holder, now, ttl)
    }

    fn release<'a>(&'a self, name: &'a str, holder: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        self.real.release(name, holder)
    }
}

impl Maintenance for Double {
    fn ping(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        self.real.ping()
    }

    fn migrate(&self) -> BoxFuture<'_, Result<Vec<String>, StoreError>> {
        self.real.migrate()
    }
}
