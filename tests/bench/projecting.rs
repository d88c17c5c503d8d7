//! Projecting full batches, as many records as fit 6 MB, on Postgres: beside a bare loop that only decodes them, and
//! beside a bare COPY of the rows that they become.
//!
//! Rounds are interleaved. Every round has new events, so that each is written; both databases are on the server at
//! `TEST_POSTGRES_URL`. Prints the medians and their ratios.

use std::sync::Arc;
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{TimeDelta, Utc};
use mcp_core::bus::event_message::{from_record, to_message};
use mcp_core::bus::{BusError, Message, Publisher, Topics};
use mcp_core::domain::price::{PriceEvent, Quote};
use mcp_core::domain::{DomainEvent, Metadata, RecordedEvent, StreamId};
use mcp_core::platform::BoxFuture;
use mcp_core::platform::clock::SystemClock;
use mcp_core::platform::secret::Secret;
use mcp_core::services::consume::BatchConsumer;
use mcp_core::services::project::Projector;
use mcp_core::store::postgres::PostgresStore;
use mcp_core::store::{Maintenance, Store};
use mcp_core::triggers::kafka::decode;
use serde_json::json;
use sqlx::{Connection, PgConnection, Row};
use support::services::fresh_postgres_database;
use uuid::Uuid;

const ROUNDS: usize = 7;
const COINS: i32 = 50;
/// Lambda's limit on a payload.
const MAX_EVENT: usize = 6 * 1024 * 1024;

#[tokio::main]
async fn main() {
    let url = fresh_postgres_database().await;
    let store: Arc<dyn Store> = Arc::new(PostgresStore::connect(&Secret::new(&url), 8).unwrap());
    Maintenance::migrate(store.as_ref()).await.unwrap();
    let projector = BatchConsumer::new(Arc::new(Projector { store }), Some(Arc::new(NoLetters)), Arc::new(SystemClock));
    let mut copy = Copy::new().await;
    let (mut of_projector, mut of_loop, mut of_copy) = (vec![], vec![], vec![]);
    let mut first_version = 1;
    for round in 0..=ROUNDS {
        let (event, events) = batch(first_version);
        first_version += i32::try_from(events.len()).unwrap() / COINS;
        let (count, bytes) = (count(events.len()), event.len());

        let started = Instant::now();
        decode_all(&event);
        let decoding = started.elapsed();

        let started = Instant::now();
        let partitions: Vec<_> = decode(&event).unwrap().into_iter().map(|(_, records)| records).collect();
        let failed = projector.consume(&partitions, Utc::now() + TimeDelta::seconds(60)).await;
        let projecting = started.elapsed();
        assert!(failed.iter().all(Option::is_none), "{failed:?}");

        let copying = copy.run(&events).await;
        // The first one opens connections and prepares statements.
        if round == 0 {
            println!("  a batch: {} records, {bytes} bytes as JSON", events.len());
            continue;
        }
        of_projector.push(count / projecting.as_secs_f64());
        of_loop.push(count / decoding.as_secs_f64());
        of_copy.push(count / copying);
    }
    let (projector, decoding, copying) = (median(of_projector), median(of_loop), median(of_copy));
    println!("projected: {projector:.0} events/s");
    println!("decoded only: {decoding:.0} events/s, ratio {:.2}", projector / decoding);
    println!("COPY of the same rows: {copying:.0} events/s, ratio {:.2}", projector / copying);
}

/// What cannot be done without, whatever is done with the events.
fn decode_all(event: &str) {
    for (_, records) in decode(event).unwrap() {
        for record in &records {
            let PriceEvent::Updated(quote) = from_record(record).unwrap().decode().unwrap();
            std::hint::black_box(quote);
        }
    }
}

/// The JSON of a batch that is as full as can be, and its events: the next versions of each coin, over twelve partitions.
fn batch(first_version: i32) -> (String, Vec<RecordedEvent>) {
    let (mut events, mut records, mut bytes) = (vec![], std::collections::BTreeMap::<String, Vec<_>>::new(), 200);
    'full: for version in first_version.. {
        for coin in 0..COINS {
            let event = event(coin, version);
            let record = record(&event, coin % 12);
            bytes += record.to_string().len() + 1;
            if bytes > MAX_EVENT && coin == 0 {
                break 'full;
            }
            records.entry(format!("mcp.prices-{}", coin % 12)).or_default().push(record);
            events.push(event);
        }
    }
    (json!({ "eventSource": "aws:kafka", "records": records }).to_string(), events)
}

fn event(coin: i32, version: i32) -> RecordedEvent {
    let coin = format!("coin-{coin}");
    let quote = Quote {
        coin: coin.parse().unwrap(),
        usd: format!("{version}.123456").parse().unwrap(),
        change24h: Some("-1.25".parse().unwrap()),
        market_cap: Some("1234567890.12".parse().unwrap()),
        updated_at: Utc::now(),
        source: "coingecko".to_owned(),
    };
    let event = PriceEvent::Updated(quote);
    RecordedEvent {
        id: Uuid::now_v7(),
        stream: StreamId::of("price", &coin),
        event_version: version,
        event_type: event.event_type().to_owned(),
        schema_version: 1,
        data: event.to_value().unwrap(),
        metadata: Metadata {
            user_id: None,
            correlation_id: Uuid::now_v7().to_string(),
            causation_id: None,
            traceparent: None,
            idempotency_key: None,
            occurred_at: Utc::now(),
        },
    }
}

fn record(event: &RecordedEvent, partition: i32) -> serde_json::Value {
    let Message { topic, key, value, headers } = to_message(event, &Topics::default()).unwrap();
    let signed = |bytes: bytes::Bytes| bytes.iter().map(|byte| byte.cast_signed()).collect::<Vec<_>>();
    let headers: Vec<_> = headers.into_iter().map(|(name, value)| json!({ name: value.map(signed) })).collect();
    json!({
        "topic": topic, "partition": partition, "offset": event.event_version, "timestamp": 1_769_860_800_000_i64,
        "timestampType": "CREATE_TIME", "key": STANDARD.encode(key.unwrap()), "value": STANDARD.encode(value.unwrap()),
        "headers": headers,
    })
}

/// The rows of the history as COPY takes them, into the same table in a database of its own.
struct Copy {
    connection: PgConnection,
}

impl Copy {
    async fn new() -> Self {
        let url = fresh_postgres_database().await;
        PostgresStore::connect(&Secret::new(&url), 1).unwrap().migrate().await.unwrap();
        let mut connection = PgConnection::connect(&url).await.unwrap();
        let fsync = sqlx::query("SHOW fsync").fetch_one(&mut connection).await.unwrap();
        println!("  fsync is {}", fsync.get::<String, _>(0));
        Self { connection }
    }

    /// The seconds that it took.
    async fn run(&mut self, events: &[RecordedEvent]) -> f64 {
        let rows: String = events
            .iter()
            .map(|event| {
                let PriceEvent::Updated(quote) = event.decode().unwrap();
                let (version, at) = (event.event_version, quote.updated_at.to_rfc3339());
                format!("1\t{}\t{version}\t{}\t{at}\t{}\n", quote.coin, quote.usd, quote.source)
            })
            .collect();
        let started = Instant::now();
        let statement = "COPY price_history (generation, coin, version, usd, at, source) FROM STDIN";
        let mut copy = self.connection.copy_in_raw(statement).await.unwrap();
        copy.send(rows.as_bytes()).await.unwrap();
        copy.finish().await.unwrap();
        started.elapsed().as_secs_f64()
    }
}

struct NoLetters;

impl Publisher for NoLetters {
    fn publish(&self, _: Vec<Message>, _: std::time::Duration) -> BoxFuture<'_, Vec<Result<(), BusError>>> {
        unreachable!("nothing here is poison")
    }
}

fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap())
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}
