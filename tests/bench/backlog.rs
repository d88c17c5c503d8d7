//! A backlog of events, a million with `make bench-large`, drained by the relay: how fast, and in how much memory.
//! The memory must not grow with the backlog: more than 128 MiB fails.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use chrono::{TimeDelta, Utc};
use mcp_core::bus::kafka::KafkaBus;
use mcp_core::bus::{Bus, Topics};
use mcp_core::platform::clock::SystemClock;
use mcp_core::platform::config::{KafkaConfig, Vars};
use mcp_core::platform::secret::Secret;
use mcp_core::services::relay::Relay;
use mcp_core::store::postgres::PostgresStore;
use mcp_core::store::{Maintenance, Outbox};
use sqlx::{Connection, PgConnection};
use support::services::{fresh_postgres_database, kafka_brokers, topic_prefix};

const BUDGET_MIB: u64 = 128;

/// Streams of a hundred events each, as the store would have written them.
const FILL: &str = r#"
    WITH streams AS (
        INSERT INTO stream_heads (aggregate_id, aggregate_type, version)
        SELECT gen_random_uuid(), 'emotion', 100 FROM generate_series(1, $1) RETURNING aggregate_id
    )
    INSERT INTO events (id, aggregate_id, aggregate_type, event_type, event_version, schema_version, event_data, metadata)
    SELECT gen_random_uuid(), aggregate_id, 'emotion', 'EmotionUpdated', version, 1,
           '{"oldEmotion": "CURIOUS", "newEmotion": "EXCITED", "points": 30, "feedback": 30}',
           '{"userId": "ada", "correlationId": "backlog", "occurredAt": "2026-01-31T12:00:00Z"}'
    FROM streams, generate_series(1, 100) AS version"#;

#[tokio::main]
async fn main() -> ExitCode {
    let events: i64 = std::env::var("BACKLOG").ok().and_then(|text| text.parse().ok()).unwrap_or(50_000);
    let url = fresh_postgres_database().await;
    let store = Arc::new(PostgresStore::connect(&Secret::new(&url), 4).unwrap());
    store.migrate().await.unwrap();
    let mut connection = PgConnection::connect(&url).await.unwrap();
    sqlx::query(FILL).bind(events / 100).execute(&mut connection).await.unwrap();
    let vars: Vars = [("KAFKA_BROKERS", kafka_brokers())].into_iter().collect();
    let bus = Arc::new(KafkaBus::new(KafkaConfig::from_vars(&vars).unwrap().unwrap(), Arc::new(SystemClock)).unwrap());
    let topics = Topics::with_prefix(&topic_prefix());
    bus.create_topics(&topics.specs()).await.unwrap();

    let relay = Relay { store: store.clone(), bus, topics, clock: Arc::new(SystemClock), meter: Arc::default() };
    let started = Instant::now();
    let summary = relay.run(Utc::now() + TimeDelta::hours(1)).await.unwrap();
    let seconds = started.elapsed().as_secs_f64();
    let started = Instant::now();
    let left = store.backlog().await.unwrap().events;
    let counting = started.elapsed();
    let peak = peak_mib();
    let rate = f64::from(u32::try_from(summary.published).unwrap()) / seconds;
    println!(
        "relayed {} events in {} rounds: {rate:.0}/s; left: {left}, counted in {counting:?}",
        summary.published, summary.rounds
    );
    println!("peak memory {peak} MiB (budget: at most {BUDGET_MIB} MiB, whatever the backlog)");
    if left == 0 && peak <= BUDGET_MIB { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The most memory that this process has had.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix("kB")?.trim().parse().ok());
    peak.map_or(0, |kib: u64| kib / 1024)
}
