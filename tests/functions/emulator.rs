//! Every sample of `events/`, put to its compiled function under AWS's own runtime interface emulator, with real services
//! behind: one deployment from its first migration to a client that leaves.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::{Value, json};
use support::coingecko::CoinGecko;
use support::emulator::{Emulator, Limits};
use support::services::{dynamodb_url, fresh_postgres_database, kafka_brokers, redis_url, topic_prefix};

use super::subscriptions::clients;
use super::{SECRET, body, drift, sample};
use crate::contracts::{Database, Table};

/// Says whether an answer is right.
type Judge = fn(&Value) -> bool;

/// The samples in an order in which a deployment might see them, and how each answer is judged.
const SAMPLES: &[(&str, Judge)] = &[
    ("admin-migrate", |answer| answer["applied"].as_array().is_some_and(|applied| !applied.is_empty())),
    ("admin-topics", |answer| answer["created"].as_array().is_some_and(|created| created.len() >= 9)),
    ("price-poller", |answer| counts(answer, &[("rounds", 1), ("fetched", 3), ("appended", 3), ("failed", 0)])),
    ("graphql-http-api", |answer| data(answer)["cryptoPrices"][0]["usd"] == "65000.5"),
    ("graphql-http-api-authorized", |answer| data(answer)["updateEmotion"]["points"] == 30),
    ("graphql-rest-api", |answer| data(answer)["emotion"]["version"] == 1),
    ("graphql-http-api-rest", |answer| resource(answer)["items"][1]["usd"] == "3500.25"),
    ("graphql-http-api-mcp", |answer| {
        let answer = resource(answer);
        let called = &answer["result"];
        answer["id"] == 1 && called["structuredContent"]["items"][0]["usd"] == "65000.5" && called["isError"] != true
    }),
    // Three prices, and what the mutations before did.
    ("outbox-relay", |answer| counts(answer, &[("published", 5), ("backlogEvents", 0)])),
    // It only wakes.
    ("outbox-relay-dynamodb-stream", |answer| counts(answer, &[("published", 0), ("backlogEvents", 0)])),
    ("event-projector", |answer| *answer == json!({ "batchItemFailures": [] })),
    ("admin-rebuild", |answer| answer["finished"] == true),
    ("chain-watcher", |answer| counts(answer, &[("filters", 0), ("observed", 0), ("settled", 0), ("failed", 0)])),
    ("dlq-replay", |answer| answer["dryRun"] == true && counts(answer, &[("replayed", 0), ("remaining", 0)])),
    ("subscriptions-connect", |answer| {
        answer["statusCode"] == 200 && answer["headers"]["Sec-WebSocket-Protocol"] == "graphql-transport-ws"
    }),
    ("subscriptions-message", |answer| *answer == json!({ "statusCode": 200 })),
    ("subscription-fanout", |answer| *answer == json!({ "batchItemFailures": [] })),
    ("subscriptions-sweep", |answer| counts(answer, &[("lookedAt", 0), ("ended", 0)])),
    ("subscriptions-disconnect", |answer| *answer == json!({ "statusCode": 200 })),
];

fn counts(answer: &Value, expected: &[(&str, i64)]) -> bool {
    expected.iter().all(|(name, count)| answer[name].as_i64() == Some(*count))
}

/// What a query was answered with.
fn data(answer: &Value) -> Value {
    resource(answer)["data"].clone()
}

/// What is in a response that a gateway takes.
fn resource(answer: &Value) -> Value {
    assert_eq!(answer["statusCode"], 200, "{answer}");
    body(answer)
}

#[tokio::test]
async fn every_sample_is_answered_on_postgres() {
    every_sample_is_answered(&Database::new_postgres().await).await;
}

/// Without any Postgres.
#[tokio::test]
async fn every_sample_is_answered_on_dynamodb() {
    every_sample_is_answered(&Database::new_dynamodb()).await;
}

async fn every_sample_is_answered(database: &Database) {
    let (coingecko, table) = (CoinGecko::start().await, Table::fresh().await);
    let url = match database {
        Database::DynamoDb(table) => format!("dynamodb:{table}"),
        other => other.address(),
    };
    let (endpoint, posted, _server) = clients().await;
    let topics = topic_prefix();
    let variables: BTreeMap<String, String> = [
        ("DATABASE_URL", url),
        ("REDIS_URL", redis_url()),
        ("KAFKA_BROKERS", kafka_brokers()),
        ("KAFKA_TOPIC_PREFIX", topics.clone()),
        ("SUBSCRIPTIONS_TABLE", table.name.clone()),
        ("WEBSOCKET_API_ENDPOINT", endpoint),
        ("AWS_ENDPOINT_URL_DYNAMODB", dynamodb_url()),
        ("JWT_SECRET", SECRET.to_owned()),
        // The address that samples come from is that of other tests, too.
        ("RATE_LIMITS", "off".to_owned()),
        ("PRICE_SOURCES", "coingecko".to_owned()),
        ("COINGECKO_URL", coingecko.url()),
        ("PRICE_COINS", "coin-93,coin-94,coin-95".to_owned()),
        ("PRICE_POLL_SECONDS", "60".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    let mut emulators = BTreeMap::new();
    for (name, judge) in SAMPLES {
        let function = function_of(name).unwrap_or_else(|| panic!("no function is sent {name}"));
        if !emulators.contains_key(&function) {
            emulators.insert(function.clone(), Emulator::start(&function, limits(&function), &variables).await);
        }
        let emulator = &emulators[&function];
        let mut event = sample(name);
        if function == "dlq-replay" {
            event["topic"] = json!(format!("{topics}mcp.events"));
        }
        let answer = emulator.invoke(&event).await;
        let answer = answer.unwrap_or_else(|error| panic!("{name}: {error}\n{}", emulator.output()));
        assert!(judge(&answer), "{name}: {answer}\n{}", emulator.output());
    }
    // What they did is there to be seen.
    let store = database.open().await;
    let events = store.read_all(None, 100).await.unwrap().events;
    assert_eq!(events.len(), 5, "{events:?}");
    let felt = events.iter().rev().find(|event| event.stream.aggregate_type == "emotion").unwrap();
    let [(_, emotion)] = store.emotions(&[felt.stream.aggregate_id]).await.unwrap().try_into().unwrap();
    assert_eq!(emotion.points, 30, "the projector's event and the rebuild's are the same");
    let told: Vec<_> = posted.lock().unwrap().iter().map(|(_, message)| message.clone()).collect();
    assert_eq!(told, [json!({ "type": "connection_ack" })]);
}

#[tokio::test]
async fn an_error_of_a_function_is_one_to_the_emulator() {
    let variables = BTreeMap::from([("DATABASE_URL".to_owned(), fresh_postgres_database().await)]);
    let admin = Emulator::start("admin", limits("admin"), &variables).await;
    let error = admin.invoke(&json!({ "command": "drop" })).await.unwrap_err();
    assert!(error["errorMessage"].as_str().is_some_and(|text| text.contains("migrate")), "{error}");
    assert!(admin.invoke(&sample("admin-migrate")).await.is_ok(), "and the next invocation is answered");
}

#[test]
fn each_function_has_samples_and_each_sample_a_function() {
    let files: BTreeSet<String> =
        names("events").filter_map(|name| Some(name.strip_suffix(".json")?.to_owned())).collect();
    let judged: BTreeSet<String> = SAMPLES.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(files, judged, "events/ has other files than are sent here");
    let strangers: Vec<_> = files.iter().filter(|name| function_of(name).is_none()).collect();
    assert!(strangers.is_empty(), "named after no function: {strangers:?}");
    let sent: BTreeSet<String> = files.iter().filter_map(|name| function_of(name)).collect();
    assert_eq!(functions().collect::<BTreeSet<_>>(), sent, "functions without a sample");
}

/// The folders of `functions/`, without the one that is not deployed.
fn functions() -> impl Iterator<Item = String> {
    names("functions").filter(|name| name != "local")
}

/// The function that a sample is named after: `NAME` or `NAME-WHAT`.
fn function_of(sample: &str) -> Option<String> {
    functions().find(|function| {
        sample.strip_prefix(function.as_str()).is_some_and(|what| what.is_empty() || what.starts_with('-'))
    })
}

fn names(folder: &str) -> impl Iterator<Item = String> {
    let folder = root().join(folder);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap())
}

/// What `[package.metadata.lambda]` says.
fn limits(function: &str) -> Limits {
    let function = &drift::functions()[function];
    Limits { memory: function.memory, timeout: function.timeout }
}

pub(super) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}
