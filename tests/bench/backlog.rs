//! A backlog of events, a million with `make bench-large`, drained by the relay: how fast, and in how much memory.
//! The memory must not grow with the backlog: it has a budget.

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
use support::budget::{Figure, Report};
use support::services::{fresh_postgres_database, kafka_brokers, topic_prefix};

#[path = "store/fill.rs"]
mod fill;

#[tokio::main]
async fn main() -> ExitCode {
    let events: i64 = std::env::var("BACKLOG").ok().and_then(|text| text.parse().ok()).unwrap_or(50_000);
    let url = fresh_postgres_database().await;
    let store = Arc::new(PostgresStore::connect(&Secret::new(&url), 4).unwrap());
    store.migrate().await.unwrap();
    let mut connection = PgConnection::connect(&url).await.unwrap();
    sqlx::query(fill::FILL).bind(events / 100).execute(&mut connection).await.unwrap();
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
    let mut report = Report::default();
    report.figure("backlog/left", &Figure::alone(f64::from(u32::try_from(left).unwrap())));
    report.figure("backlog/memory", &Figure::alone(peak));
    report.exit_code()
}

/// The most memory that this process has had.
fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix("kB")?.trim().parse().ok());
    peak.map_or(f64::NAN, |kib: f64| kib / 1024.0)
}
