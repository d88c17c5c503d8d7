//! Appending one event: the Postgres store beside pgbench, which sends the same statement.
//!
//! Both have sixteen callers, each with a stream of its own, and a database of their own on the server at
//! `TEST_POSTGRES_URL`. Rounds are interleaved, so that what else the machine does meets both. The medians count, and
//! their ratio has a budget. `pgbench` is looked for in `PATH` and, as `PGBENCH` may say,
//! elsewhere.

use std::process::{Command, ExitCode};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chrono::Utc;
use mcp_core::domain::emotion::{Emotion, EmotionEvent, EmotionUpdated};
use mcp_core::domain::{DomainEvent, Metadata, NewEvent, StreamId};
use mcp_core::platform::secret::Secret;
use mcp_core::store::postgres::PostgresStore;
use mcp_core::store::{Append, EventStore, Expected, Maintenance, StreamAppend};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use support::budget::{Figure, Report};
use uuid::Uuid;

const CALLERS: u32 = 16;
const ROUNDS: usize = 9;
const ROUND: Duration = Duration::from_secs(3);

/// The statement that the store sends, for one event. The values are variables, so that pgbench sends them, as the
/// store does, as parameters.
const SCRIPT: &str = "\
SELECT * FROM append_events(ARRAY[md5(:client_id::text)::uuid], ARRAY[:kind::text], ARRAY[NULL::integer], \
ARRAY[gen_random_uuid()], ARRAY[1], ARRAY[1], ARRAY[:name::text], ARRAY[1], ARRAY[:payload::jsonb], \
:metadata::jsonb, NULL, NULL);
";

#[tokio::main]
async fn main() -> ExitCode {
    let server = support::services::postgres_url();
    let (ours, theirs) = (Database::new(&server).await, Database::new(&server).await);
    let store = Arc::new(PostgresStore::connect(&Secret::new(ours.url()), CALLERS).unwrap());
    let pgbench = Pgbench::new(&theirs);
    // One short round each before it counts: connections are opened, statements prepared, files extended.
    append_for(&store, Duration::from_secs(1)).await;
    pgbench.run_for(Duration::from_secs(1)).await;

    let (mut of_store, mut of_pgbench) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        // Each goes first every other time.
        if round % 2 == 0 {
            of_pgbench.push(pgbench.run_for(ROUND).await);
        }
        of_store.push(append_for(&store, ROUND).await);
        if round % 2 == 1 {
            of_pgbench.push(pgbench.run_for(ROUND).await);
        }
        println!("  round {round}: store {:.0}/s, pgbench {:.0}/s", of_store[round - 1], of_pgbench[round - 1]);
    }
    let (store_rate, pgbench_rate) = (median(of_store), median(of_pgbench));
    ours.remove().await;
    theirs.remove().await;
    let mut report = Report::default();
    report.figure("append/one_event", &Figure::beside(store_rate, "pgbench, the same statement", pgbench_rate));
    report.exit_code()
}

/// Appends a second, with every caller busy.
async fn append_for(store: &Arc<PostgresStore>, time: Duration) -> f64 {
    let appended = Arc::new(AtomicU64::new(0));
    let start = Instant::now();
    let callers = (0..CALLERS).map(|caller| {
        let (store, appended) = (store.clone(), appended.clone());
        tokio::spawn(async move {
            let stream = StreamId::of("emotion", &caller.to_string());
            while start.elapsed() < time {
                store.append(&an_append(&stream)).await.unwrap();
                appended.fetch_add(1, Ordering::Relaxed);
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
    f64::from(u32::try_from(appended.load(Ordering::Relaxed)).unwrap()) / start.elapsed().as_secs_f64()
}

fn an_append(stream: &StreamId) -> Append {
    let event = NewEvent::from_domain(&an_event()).unwrap();
    let part = StreamAppend { stream: stream.clone(), expected: Expected::Any, events: vec![event] };
    Append { streams: vec![part], metadata: metadata(), idempotency: None }
}

fn an_event() -> EmotionEvent {
    let (old_emotion, new_emotion) = (Emotion::Curious, Emotion::Excited);
    EmotionEvent::Updated(EmotionUpdated { old_emotion, new_emotion, points: 30, feedback: 30 })
}

fn metadata() -> Metadata {
    Metadata {
        user_id: Some("ada".to_owned()),
        correlation_id: Uuid::nil().to_string(),
        causation_id: None,
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        idempotency_key: None,
        occurred_at: Utc::now(),
    }
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

struct Pgbench {
    arguments: Vec<String>,
    script: std::path::PathBuf,
}

impl Pgbench {
    fn new(database: &Database) -> Self {
        let script = std::env::temp_dir().join(format!("{}.sql", database.name));
        std::fs::write(&script, SCRIPT).unwrap();
        let event = an_event();
        let mut arguments: Vec<String> = ["--no-vacuum", "--protocol=prepared"].map(str::to_owned).into();
        arguments.extend([format!("--client={CALLERS}"), "--jobs=2".to_owned()]);
        for (name, value) in [
            ("kind", "emotion".to_owned()),
            ("name", event.event_type().to_owned()),
            ("payload", event.to_value().unwrap().to_string()),
            ("metadata", serde_json::to_string(&metadata()).unwrap()),
        ] {
            arguments.push(format!("--define={name}={value}"));
        }
        arguments.extend([format!("--file={}", script.display()), database.url()]);
        Self { arguments, script }
    }

    /// Transactions a second.
    async fn run_for(&self, time: Duration) -> f64 {
        let program = std::env::var("PGBENCH").unwrap_or_else(|_| "pgbench".to_owned());
        let mut command = Command::new(program);
        command.arg(format!("--time={}", time.as_secs())).args(&self.arguments);
        let output =
            tokio::task::spawn_blocking(move || command.output()).await.unwrap().expect("pgbench must be there");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        let rate = text.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
        rate.unwrap_or_else(|| panic!("pgbench prints its rate: {text}"))
    }
}

impl Drop for Pgbench {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.script));
    }
}

/// A database for one side of the comparison.
struct Database {
    server: String,
    name: String,
}

impl Database {
    async fn new(server: &str) -> Self {
        let database = Self { server: server.to_owned(), name: format!("bench_{}", Uuid::now_v7().simple()) };
        database.on_server(format!("CREATE DATABASE {}", database.name)).await;
        let store = PostgresStore::connect(&Secret::new(database.url()), 1).unwrap();
        store.migrate().await.unwrap();
        database
    }

    fn url(&self) -> String {
        let (server, _) = self.server.rsplit_once('/').expect("a Postgres URL ends with a database");
        format!("{server}/{}", self.name)
    }

    async fn on_server(&self, sql: String) {
        let options = PgConnectOptions::from_str(&self.server).unwrap();
        let mut connection = PgConnection::connect_with(&options).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    }

    async fn remove(self) {
        self.on_server(format!("DROP DATABASE {} WITH (FORCE)", self.name)).await;
    }
}
