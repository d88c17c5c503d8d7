//! What the Postgres store costs: the round trips of a load, and whether what an append and a load take grows with the events
//! that are there.
//!
//! Two databases on the server at `TEST_POSTGRES_URL`: one with a thousand events, one with many, which `EVENTS` says
//! (`make bench-large`: ten million). Both are asked for the same things in interleaved rounds, one at a time: a load is of
//! a hundred events, of the same few streams in each round, so that what is measured is the way to them and not the disk; an
//! append begins a stream. The medians count.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use chrono::Utc;
use mcp_core::domain::emotion::{Emotion, EmotionEvent, EmotionUpdated};
use mcp_core::domain::{Metadata, NewEvent, StreamId};
use mcp_core::platform::secret::Secret;
use mcp_core::store::postgres::PostgresStore;
use mcp_core::store::{Append, EventStore, Expected, Maintenance, StreamAppend};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use support::budget::{Figure, Report};
use support::proxy::Proxy;
use support::services::{fresh_postgres_database, postgres_url};
use uuid::Uuid;

#[path = "store/fill.rs"]
mod fill;

const FEW: i64 = 1_000;
const ROUNDS: usize = 15;
/// Of a kind, in a round.
const CALLS: usize = 100;
/// As many as the smaller database has.
const STREAMS: i64 = FEW / 100;
const TRIES: usize = 6;

#[tokio::main]
async fn main() -> ExitCode {
    let events = std::env::var("EVENTS").ok().and_then(|text| text.parse().ok()).unwrap_or(200_000);
    let (few, many) = (Database::with(FEW).await, Database::with(events).await);
    println!("  {events} events are there");
    let mut report = Report::default();
    report.figure("store/load_round_trips", &Figure::alone(few.round_trips().await));

    let (mut of_few, mut of_many) = ([vec![], vec![]], [vec![], vec![]]);
    for round in 0..=ROUNDS {
        for (database, times) in [(&few, &mut of_few), (&many, &mut of_many)] {
            let seen = [database.appends().await, database.loads().await];
            // The first one opens connections, prepares statements and reads from the disk.
            if round > 0 {
                times.iter_mut().zip(seen).for_each(|(times, time)| times.push(time));
            }
        }
    }
    let ([append_few, load_few], [append_many, load_many]) = (of_few.map(median), of_many.map(median));
    let beside = |many, few| Figure::beside(many, "among a thousand", few);
    report.figure("store/append_among_many", &beside(append_many, append_few));
    report.figure("store/load_among_many", &beside(load_many, load_few));
    few.remove().await;
    many.remove().await;
    report.exit_code()
}

/// A database with events in it.
struct Database {
    url: String,
    store: PostgresStore,
    streams: Vec<StreamId>,
}

impl Database {
    async fn with(events: i64) -> Self {
        let url = fresh_postgres_database().await;
        let store = PostgresStore::connect(&Secret::new(&url), 1).unwrap();
        store.migrate().await.unwrap();
        let mut connection = PgConnection::connect(&url).await.unwrap();
        sqlx::query(fill::FILL).bind(events / 100).execute(&mut connection).await.unwrap();
        // Not while it is measured.
        sqlx::raw_sql("VACUUM (ANALYZE) events, stream_heads").execute(&mut connection).await.unwrap();
        sqlx::raw_sql("CHECKPOINT").execute(&mut connection).await.unwrap();
        let ids = "SELECT aggregate_id FROM stream_heads ORDER BY aggregate_id LIMIT $1";
        let ids: Vec<Uuid> = sqlx::query_scalar(ids).bind(STREAMS).fetch_all(&mut connection).await.unwrap();
        let stream = |aggregate_id| StreamId { aggregate_id, aggregate_type: "emotion".to_owned() };
        Self { url, store, streams: ids.into_iter().map(stream).collect() }
    }

    /// The round trips of one load, as a proxy counts them. The first connects and prepares, and one that comes late on a busy
    /// machine may be preceded by a ping: the least counts.
    async fn round_trips(&self) -> f64 {
        let (proxy, url) = Proxy::to_postgres(&self.url).await;
        let store = PostgresStore::connect(&Secret::new(url), 1).unwrap();
        let mut least = u32::MAX;
        for _ in 0..TRIES {
            let before = proxy.requests();
            store.load(&self.streams[0], Some(1)).await.unwrap();
            least = least.min(u32::try_from(proxy.requests() - before).unwrap());
        }
        f64::from(least)
    }

    /// Microseconds an append.
    async fn appends(&self) -> f64 {
        let mut times = Vec::new();
        for _ in 0..CALLS {
            let append = an_append();
            let started = Instant::now();
            self.store.append(&append).await.unwrap();
            times.push(micros(started.elapsed()));
        }
        median(times)
    }

    /// Microseconds a load.
    async fn loads(&self) -> f64 {
        let mut times = Vec::new();
        for stream in self.streams.iter().cycle().take(CALLS) {
            let started = Instant::now();
            let loaded = self.store.load(stream, Some(1)).await.unwrap();
            times.push(micros(started.elapsed()));
            assert_eq!(loaded.events.len(), 100);
        }
        median(times)
    }

    /// It may be large.
    async fn remove(self) {
        let (_, name) = self.url.rsplit_once('/').expect("a Postgres URL ends with a database");
        let mut connection = PgConnection::connect(&postgres_url()).await.unwrap();
        let drop = format!("DROP DATABASE {name} WITH (FORCE)");
        sqlx::raw_sql(AssertSqlSafe(drop)).execute(&mut connection).await.unwrap();
    }
}

fn an_append() -> Append {
    let (old_emotion, new_emotion) = (Emotion::Curious, Emotion::Excited);
    let event = EmotionEvent::Updated(EmotionUpdated { old_emotion, new_emotion, points: 30, feedback: 30 });
    let stream = StreamId::of("emotion", &Uuid::now_v7().to_string());
    let events = vec![NewEvent::from_domain(&event).unwrap()];
    let metadata = Metadata {
        user_id: Some("ada".to_owned()),
        correlation_id: Uuid::nil().to_string(),
        causation_id: None,
        traceparent: None,
        idempotency_key: None,
        occurred_at: Utc::now(),
    };
    Append { streams: vec![StreamAppend { stream, expected: Expected::Exact(0), events }], metadata, idempotency: None }
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
