//! Every function's start: to the first response to a sample event, with everything that it asks there and the schema made.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::types::{AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType};
use aws_sdk_dynamodb::{Client, Config};
use mcp_core::bus::kafka::KafkaBus;
use mcp_core::bus::{Bus, Topics};
use mcp_core::platform::clock::SystemClock;
use mcp_core::platform::config::{KafkaConfig, Vars};
use mcp_core::platform::secret::Secret;
use mcp_core::store::Maintenance;
use mcp_core::store::postgres::PostgresStore;
use serde_json::{Value, json};
use support::coingecko::CoinGecko;
use support::lambda::Lambda;
use support::services::{dynamodb_url, fresh_postgres_database, kafka_brokers, redis_url, topic_prefix};
use uuid::Uuid;

const ROUNDS: usize = 7;

/// A function, and what it is sent.
const FUNCTIONS: [(&str, &str); 9] = [
    ("admin", "admin-migrate"),
    ("chain-watcher", "chain-watcher"),
    ("dlq-replay", "dlq-replay"),
    ("event-projector", "event-projector"),
    ("graphql", "graphql-http-api"),
    ("outbox-relay", "outbox-relay"),
    ("price-poller", "price-poller"),
    ("subscription-fanout", "subscription-fanout"),
    ("subscriptions", "subscriptions-connect"),
];

/// Whether the binary is there; if not, and that was not asked for, it panics.
pub(crate) fn is_to_measure(binary: &Path) -> bool {
    let there = binary.exists();
    let built_only = std::env::var("COLD_START").is_ok_and(|what| what == "built");
    assert!(there || built_only, "{} is missing: `scripts/build.sh` makes it", binary.display());
    if !there {
        println!("not built, passed over: {}", binary.display());
    }
    there
}

/// Prints a line a function.
pub(crate) async fn measure(release: &Path) {
    let deployment = Deployment::new().await;
    println!("{:<20} {:>14} {:>10} {:>11}", "function", "first response", "binary", "peak memory");
    for (name, sample) in FUNCTIONS {
        let binary = release.join(name);
        if !is_to_measure(&binary) {
            continue;
        }
        let event = deployment.event(sample);
        let (mut times, mut peak) = (vec![], 0);
        // The first round fills the page cache, and does not count.
        for round in 0..=ROUNDS {
            let (time, bytes) = start(&binary, &deployment.variables, &event).await;
            if round > 0 {
                times.push(time);
                peak = peak.max(bytes);
            }
        }
        let size = std::fs::metadata(&binary).map_or(0, |file| file.len());
        let time = super::median(times).as_secs_f64() * 1000.0;
        println!("{name:<20} {time:>11.1} ms {:>6.1} MiB {:>7.1} MiB", super::mib(size), super::mib(peak));
    }
}

/// How long it took to the first response, and the most memory that the process had until then, in bytes.
async fn start(binary: &Path, variables: &[(&str, String)], event: &Value) -> (Duration, u64) {
    let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let started = Instant::now();
    let function = Lambda::start_binary(binary, &variables).await;
    let answer = function.invoke(event.clone()).await;
    let elapsed = started.elapsed();
    answer.unwrap_or_else(|error| panic!("{}: {error}\n{}", binary.display(), function.output()));
    (elapsed, function.peak_bytes().await)
}

/// What all of them use.
struct Deployment {
    variables: Vec<(&'static str, String)>,
    topics: String,
    _coingecko: CoinGecko,
}

impl Deployment {
    async fn new() -> Self {
        let (coingecko, database, topics) = (CoinGecko::start().await, fresh_postgres_database().await, topic_prefix());
        let store = PostgresStore::connect(&Secret::new(&database), 1).unwrap();
        Maintenance::migrate(&store).await.unwrap();
        let vars: Vars = [("KAFKA_BROKERS", kafka_brokers())].into_iter().collect();
        let bus = KafkaBus::new(KafkaConfig::from_vars(&vars).unwrap().unwrap(), Arc::new(SystemClock)).unwrap();
        bus.create_topics(&Topics::with_prefix(&topics).specs()).await.unwrap();
        let variables = vec![
            ("DATABASE_URL", database),
            ("REDIS_URL", redis_url()),
            ("KAFKA_BROKERS", kafka_brokers()),
            ("KAFKA_TOPIC_PREFIX", topics.clone()),
            ("SUBSCRIPTIONS_TABLE", subscriptions_table().await),
            ("AWS_ENDPOINT_URL_DYNAMODB", dynamodb_url()),
            // Nobody is told anything.
            ("WEBSOCKET_API_ENDPOINT", "http://127.0.0.1:1/live".to_owned()),
            ("JWT_SECRET", "a secret that is only known to this very benchmark".to_owned()),
            ("RATE_LIMITS", "off".to_owned()),
            ("PRICE_SOURCES", "coingecko".to_owned()),
            ("COINGECKO_URL", coingecko.url()),
            ("PRICE_POLL_SECONDS", "60".to_owned()),
        ];
        Self { variables, topics, _coingecko: coingecko }
    }

    fn event(&self, sample: &str) -> Value {
        let path = format!("{}/../events/{sample}.json", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let mut event: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"));
        if sample == "dlq-replay" {
            event["topic"] = json!(format!("{}mcp.events", self.topics));
        }
        event
    }
}

/// A table of who is connected, as yet nobody; its name.
async fn subscriptions_table() -> String {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "benchmark"))
        .endpoint_url(dynamodb_url());
    let name = format!("bench-{}", Uuid::now_v7().simple());
    let attribute = |name| AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S);
    let key = |name, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap();
    let create = Client::from_conf(config.build()).create_table().table_name(&name);
    let create = create.billing_mode(BillingMode::PayPerRequest);
    let create = create.attribute_definitions(attribute("pk").build().unwrap());
    let create = create.attribute_definitions(attribute("sk").build().unwrap());
    let create = create.key_schema(key("pk", KeyType::Hash)).key_schema(key("sk", KeyType::Range));
    Box::pin(create.send()).await.unwrap();
    name
}
