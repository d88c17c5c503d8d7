//! What ten thousand connections cost: calls and capacity units of everything that a registry does. The figures are in
//! `docs/`; this prints them (`--nocapture`) and holds their bounds.

use std::collections::HashMap;
use std::time::Instant;

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::{StreamExt, stream};
use mcp_core::platform::clock::ManualClock;
use mcp_core::push::dynamodb::DynamoDbRegistry;
use mcp_core::push::{Due, Registry};
use uuid::Uuid;

use super::build::{a_connection, a_query, ada, an_operation, claimed, live, named, pages_of, waiting};
use super::dynamodb::{Meter, Reading, Table};
use crate::contracts::build::at;

const CONNECTIONS: usize = 10_000;
const TOPICS: usize = 50;
/// A name as API Gateway gives it, and an id as clients choose it.
const ID: &str = "1f0e6a5c-9d5b-4f0b-8a35-6d6c2f0f4c11";

fn connection_name(n: usize) -> String {
    format!("L0SM9cOF{n:07}=")
}

fn show(what: &str, reading: &Reading) {
    let Reading { calls, read_units, write_units } = reading;
    println!("{what}: {} calls {calls:?}, {read_units} read units, {write_units} write units", reading.total());
}

/// Connects `numbers`, each with one subscription that listens to one of the topics and to the hot one.
async fn load(registry: &DynamoDbRegistry, numbers: std::ops::Range<usize>, topics: &[Uuid], hot: Uuid) {
    let loading = numbers.map(|n| async move {
        let connection = a_connection(&connection_name(n));
        registry.connect(&connection).await.unwrap();
        let subscription = live(&connection.id, ID, &[topics[n % TOPICS], hot]);
        registry.keep_operation(&an_operation("a"), connection.ends_at).await.unwrap();
        claimed(registry, &subscription).await;
    });
    stream::iter(loading).buffer_unordered(24).for_each(|()| async {}).await;
}

/// Tells an event as the fan-out does: to how many, and what it took.
async fn event(registry: &DynamoDbRegistry, meter: &Meter, topic: Uuid, version: i32) -> (usize, Reading) {
    meter.take();
    let Some(begun) = registry.begin(topic, version, true).await.unwrap() else { return (0, meter.take()) };
    let (listeners, _) = pages_of(registry, topic, begun.shards).await;
    registry.finish(topic, version, listeners.len() as u64).await.unwrap();
    (listeners.len(), meter.take())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_costs_as_many_calls_as_it_has_pages_of_listeners() {
    let (table, clock, meter) = (Table::fresh().await, ManualClock::at(at(0)), Meter::default());
    let registry = table.watched(&clock, meter.clone());
    let topics: Vec<_> = (0..TOPICS).map(|_| Uuid::now_v7()).collect();
    let (hot, started) = (Uuid::now_v7(), Instant::now());

    load(&registry, 0..CONNECTIONS / 2, &topics, hot).await;
    let (told, reading) = event(&registry, &meter, hot, 1).await;
    show("an event with 5,000 listeners in one part, which makes 8", &reading);
    assert_eq!((told, reading.calls["query"], reading.total()), (5_000, 6, 9));
    clock.advance(chrono::TimeDelta::seconds(61));
    load(&registry, CONNECTIONS / 2..CONNECTIONS, &topics, hot).await;
    let loaded = meter.take();
    show("connecting the second 5,000, each with one subscription to two topics", &loaded);
    println!("loaded {CONNECTIONS} connections in {:?}", started.elapsed());
    assert_eq!(loaded.calls["put_item"], CONNECTIONS / 2, "an operation is written once, a topic that is known never");
    assert!(loaded.calls["batch_get_item"] <= 24 * (TOPICS + 1), "{loaded:?}");

    let (told, reading) = event(&registry, &meter, Uuid::now_v7(), 1).await;
    show("an event that nobody listens to", &reading);
    assert_eq!((told, reading.total()), (0, 1));

    let (told, reading) = event(&registry, &meter, topics[0], 1).await;
    show("an event with 200 listeners", &reading);
    assert_eq!((told, reading.total()), (200, 3));

    let (told, reading) = event(&registry, &meter, hot, 2).await;
    show("an event with 10,000 listeners in 8 parts, which makes 16", &reading);
    // Those who came before there were parts are all in the first.
    assert_eq!(told, CONNECTIONS);
    assert!((8..=16).contains(&reading.calls["query"]), "{reading:?}");
    assert_eq!(reading.total(), reading.calls["query"] + 3);

    let (_, reading) = event(&registry, &meter, hot, 2).await;
    show("the same event again", &reading);
    assert_eq!(reading.total(), 1);
}

/// One connection's life, each step from a sandbox that knows nothing.
#[tokio::test]
async fn what_a_client_does_costs_a_few_calls() {
    let (table, clock, meter) = (Table::fresh().await, ManualClock::at(at(0)), Meter::default());
    let fresh = || table.watched(&clock, meter.clone());
    let topics: Vec<_> = (0..50).map(|_| Uuid::now_v7()).collect();
    let mut connection = a_connection(&connection_name(1));
    connection.address = "203.0.113.77".parse().unwrap();
    let id = named(&connection_name(1));
    let taken = |what: &str, calls: usize| {
        let reading = meter.take();
        show(what, &reading);
        assert_eq!(reading.total(), calls, "{what}");
    };

    fresh().connect(&connection).await.unwrap();
    taken("connect", 1);
    fresh().connection(&id).await.unwrap();
    taken("look up a connection", 1);
    fresh().initialise(&id, Some(&ada())).await.unwrap();
    taken("initialise", 1);
    fresh().keep_operation(&an_operation("a"), at(7_200)).await.unwrap();
    taken("keep an operation", 1);
    claimed(&fresh(), &a_query(&id, "q")).await;
    taken("claim a query", 1);
    fresh().release(&id, "q", None).await.unwrap();
    taken("release a query", 2);
    for (count, written) in [(1, 1), (10, 9), (50, 40)] {
        let slot = live(&id, ID, &topics[..count]);
        claimed(&fresh(), &slot).await;
        taken(&format!("subscribe to {count} topics, {written} of them new"), 2 + written);
        fresh().release(&id, ID, None).await.unwrap();
        taken("complete", 2);
        let sandbox = fresh();
        claimed(&sandbox, &slot).await;
        taken("subscribe to the same again, elsewhere", 2);
        sandbox.release(&id, ID, None).await.unwrap();
        meter.take();
        claimed(&sandbox, &slot).await;
        taken("subscribe to the same again, there", 1);
        sandbox.release(&id, ID, None).await.unwrap();
        meter.take();
        let slot = waiting(&id, ID, &topics[..count]);
        claimed(&sandbox, &slot).await;
        taken("the same, to listen later", 1);
        assert!(sandbox.listen(&slot, topics[0], 0).await.unwrap());
        taken("listen to one of them", 1);
        sizes(&table).await;
        sandbox.release(&id, ID, None).await.unwrap();
        meter.take();
    }
    let due = Due { at: at(10), connection: id.clone() };
    fresh().look_at(&due).await.unwrap();
    taken("put on the list of those due", 1);
    assert_eq!(fresh().due(at(0), 100).await.unwrap(), []);
    let first = meter.take();
    show("the first look at an empty list, three hours back", &first);
    clock.advance(chrono::TimeDelta::seconds(60));
    assert_eq!(fresh().due(at(60), 100).await.unwrap(), std::slice::from_ref(&due));
    taken("a look at the list a minute later", 1 + 3 * 8 + 1);
    fresh().looked_at(&due).await.unwrap();
    taken("strike one off", 1);
    sizes(&table).await;

    claimed(&fresh(), &live(&id, "1", &topics[..1])).await;
    claimed(&fresh(), &live(&id, "2", &topics[..10])).await;
    meter.take();
    fresh().disconnect(&id).await.unwrap();
    taken("disconnect with two subscriptions to eleven topics", 4);
    fresh().disconnect(&id).await.unwrap();
    taken("disconnect with nothing open", 2);
}

/// Prints the largest item of each kind.
async fn sizes(table: &Table) {
    let mut largest: HashMap<String, usize> = HashMap::new();
    let all = Box::pin(table.client().scan().table_name(&table.name).send()).await.unwrap();
    for item in all.items() {
        let text = |name: &str| item[name].as_s().unwrap();
        let kind = format!("{}/{}", &text("pk")[..1], &text("sk")[..1]);
        let size: usize = item.iter().map(|(name, value)| name.len() + value_size(value)).sum();
        let known = largest.entry(kind).or_default();
        *known = size.max(*known);
    }
    println!("  bytes an item: {largest:?}");
}

/// As DynamoDB counts it.
fn value_size(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(digits) => digits.len().div_ceil(2) + 1,
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        _ => 1,
    }
}
