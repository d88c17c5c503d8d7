//! The projector: whatever comes, however often and in whatever order, the read models end as those of a clean run.

use std::collections::BTreeMap;
use std::sync::Arc;

use mcp_core::bus::event_message::to_message;
use mcp_core::bus::{Message, Record, Topics};
use mcp_core::domain::memory::{MemoryAdded, MemoryDeleted, MemoryEvent};
use mcp_core::domain::price::{PriceEvent, Quote};
use mcp_core::domain::{NewEvent, RecordedEvent, StreamId};
use mcp_core::services::consume::{Handler, Outcome};
use mcp_core::services::project::Projector;
use mcp_core::store::Expected::Any;
use mcp_core::store::{HistoryQuery, MemoryQuery, Store};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::json;
use tokio::runtime::Runtime;
use uuid::Uuid;

use super::emotion_events;
use crate::contracts::Fixture;
use crate::contracts::build::{at, changes, event_of, part, together};

fn records(events: &[RecordedEvent]) -> Vec<Record> {
    let record = |(event, offset): (&RecordedEvent, i64)| {
        let Message { topic, key, value, headers } = to_message(event, &Topics::default()).unwrap();
        Record { topic, partition: 0, offset, timestamp: None, key, value, headers }
    };
    events.iter().zip(0..).map(record).collect()
}

async fn project(store: &Arc<dyn Store>, events: &[RecordedEvent]) -> Vec<Outcome> {
    Projector { store: store.clone() }.handle(&records(events)).await
}

async fn append(store: &dyn Store, stream: &StreamId, events: Vec<NewEvent>) -> Vec<RecordedEvent> {
    let mut appended = vec![];
    for events in events.chunks(50) {
        let append = together(vec![part(stream, Any, events.to_vec())]);
        appended.extend(store.append(&append).await.unwrap().events);
    }
    appended
}

/// A life: emotions, memories that come and go, prices.
async fn life(store: &dyn Store) -> Vec<RecordedEvent> {
    let ids: Vec<_> = (0..6).map(|n| Uuid::from_u128(n + 1)).collect();
    let added = |n: usize, text: &str| {
        NewEvent::from_domain(&MemoryEvent::Added(MemoryAdded { memory_id: ids[n], content: text.to_owned() })).unwrap()
    };
    let deleted = |n: usize| NewEvent::from_domain(&MemoryEvent::Deleted(MemoryDeleted { memory_id: ids[n] })).unwrap();
    let quoted = |usd: i64| {
        let coin = "bitcoin".parse().unwrap();
        let quote =
            Quote { coin, usd: usd.into(), change24h: None, market_cap: None, updated_at: at(usd), source: "s".into() };
        NewEvent::from_domain(&PriceEvent::Updated(quote)).unwrap()
    };
    let memories =
        vec![added(0, "a"), added(1, "b"), deleted(0), added(2, "c"), added(0, "again"), deleted(1), added(3, "d")];
    let mut events = append(store, &StreamId::of("emotion", "ada"), emotion_events(0..8)).await;
    events.extend(append(store, &StreamId::of("memory", "ada"), memories).await);
    events.extend(append(store, &StreamId::of("price", "bitcoin"), (1..8).map(quoted).collect()).await);
    events
}

/// Everything that can be read.
async fn read(store: &dyn Store) -> String {
    let (emotion, memory) = (StreamId::of("emotion", "ada").aggregate_id, StreamId::of("memory", "ada").aggregate_id);
    let query = MemoryQuery { owner: memory, words: vec![], before_version: None, limit: 99 };
    let coin: mcp_core::domain::coin::Coin = "bitcoin".parse().unwrap();
    let history = HistoryQuery { coin: coin.clone(), from: None, to: None, before_version: None, limit: 99 };
    let streams = [emotion, memory, StreamId::of("price", "bitcoin").aggregate_id];
    let projected: BTreeMap<_, _> = store.projected_versions(&streams).await.unwrap().into_iter().collect();
    format!(
        "{:?}\n{:?}\n{:?}\n{:?}\n{projected:?}",
        store.emotions(&[emotion]).await.unwrap(),
        store.memories(&query).await.unwrap(),
        store.latest_prices(&[coin]).await.unwrap(),
        store.price_history(&history).await.unwrap(),
    )
}

/// Batches of events, shuffled, repeated, some left out at first; then all of them once more.
fn in_any_order<F: Future<Output = Fixture>>(cases: u32, fixture: impl Fn() -> F) {
    let runtime = Runtime::new().unwrap();
    let batches = prop::collection::vec(prop::collection::vec(0..22_usize, 1..12), 1..8);
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 100, ..Config::default() };
    let outcome = TestRunner::new(config).run(&batches, |batches| {
        runtime.block_on(async {
            let fixture = fixture().await;
            let events = life(fixture.store.as_ref()).await;
            let clean = Fixture::sqlite().await;
            let same = life(clean.store.as_ref()).await;
            clean.store.apply_changes(&changes(&same)).await.unwrap();
            for batch in &batches {
                let batch: Vec<_> = batch.iter().map(|place| events[*place].clone()).collect();
                let outcomes = project(&fixture.store, &batch).await;
                prop_assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Done), "{:?}", outcomes);
            }
            // The newest of each stream alone: what is missing below comes from the store.
            let newest: Vec<_> = [7, 14, 21].map(|place| events[place].clone()).into();
            let outcomes = project(&fixture.store, &newest).await;
            prop_assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Done), "{:?}", outcomes);
            let (found, wanted) = (read(fixture.store.as_ref()).await, read(clean.store.as_ref()).await);
            prop_assert_eq!(found, wanted);
            Ok::<(), TestCaseError>(())
        })
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn in_any_order_and_number_sqlite_ends_as_a_clean_run() {
    in_any_order(40, Fixture::sqlite);
}

#[test]
fn in_any_order_and_number_postgres_ends_as_a_clean_run() {
    in_any_order(8, Fixture::postgres);
}

#[test]
fn in_any_order_and_number_dynamodb_ends_as_a_clean_run() {
    in_any_order(8, Fixture::dynamodb);
}

#[tokio::test]
async fn a_long_hole_is_filled_from_the_store() {
    for fixture in [Fixture::sqlite().await, Fixture::postgres().await, Fixture::dynamodb().await] {
        let stream = StreamId::of("emotion", "ada");
        let events = append(fixture.store.as_ref(), &stream, emotion_events(0..5000)).await;
        let outcomes = project(&fixture.store, &events[4999..]).await;
        assert_eq!(outcomes, [Outcome::Done]);
        let projected = fixture.store.projected_versions(&[stream.aggregate_id]).await.unwrap();
        assert_eq!(projected[&stream.aggregate_id], 5000);
    }
}

#[tokio::test]
async fn a_stored_event_that_cannot_be_read_is_passed_over_by_those_after_it() {
    let fixture = Fixture::postgres().await;
    let stream = StreamId::of("emotion", "ada");
    append(fixture.store.as_ref(), &stream, emotion_events(0..1)).await;
    let strange = append(fixture.store.as_ref(), &stream, vec![event_of("EmotionLost", json!({}))]).await;
    let after = append(fixture.store.as_ref(), &stream, emotion_events(5..6)).await;
    let outcomes = project(&fixture.store, &strange).await;
    assert!(matches!(&outcomes[..], [Outcome::Poison(poison)] if poison.kind == "UnknownEventType"), "{outcomes:?}");
    assert_eq!(project(&fixture.store, &after).await, [Outcome::Done]);
    let emotion = fixture.store.emotions(&[stream.aggregate_id]).await.unwrap().remove(0).1;
    assert_eq!((emotion.points, emotion.version), (5, 3));
}

#[tokio::test]
async fn an_event_that_the_store_does_not_have_is_poison_where_it_would_leave_a_hole() {
    let (fixture, elsewhere) = (Fixture::postgres().await, Fixture::sqlite().await);
    let stream = StreamId::of("emotion", "ada");
    let foreign = append(elsewhere.store.as_ref(), &stream, emotion_events(0..3)).await;
    append(fixture.store.as_ref(), &stream, emotion_events(0..1)).await;
    let outcomes = project(&fixture.store, &foreign[2..]).await;
    assert!(matches!(&outcomes[..], [Outcome::Poison(poison)] if poison.kind == "MissingHistory"), "{outcomes:?}");
    let projected = fixture.store.projected_versions(&[stream.aggregate_id]).await.unwrap();
    assert_eq!(projected[&stream.aggregate_id], 1, "what the store has of it is projected");
}

/// Postgres cannot hold a NUL character in a text, and DynamoDB no text of more than 400 KB. One such event among many is
/// found, and only it.
#[tokio::test]
async fn a_value_that_the_store_cannot_take_is_found_among_many() {
    unstorable_is_found(Fixture::postgres().await, "a\0b".to_owned()).await;
    unstorable_is_found(Fixture::dynamodb().await, "x".repeat(410_000)).await;
}

async fn unstorable_is_found(fixture: Fixture, content: String) {
    let elsewhere = Fixture::sqlite().await;
    let mut events = append(fixture.store.as_ref(), &StreamId::of("emotion", "ada"), emotion_events(0..40)).await;
    let id = Uuid::now_v7();
    let unstorable = MemoryEvent::Added(MemoryAdded { memory_id: id, content });
    let strange = StreamId::of("memory", "bob");
    events.extend(append(elsewhere.store.as_ref(), &strange, vec![NewEvent::from_domain(&unstorable).unwrap()]).await);
    events.rotate_right(17);
    let outcomes = project(&fixture.store, &events).await;
    for (event, outcome) in events.iter().zip(&outcomes) {
        let unstorable = matches!(outcome, Outcome::Poison(poison) if poison.kind == "Unstorable");
        assert_eq!(unstorable, event.stream == strange, "{outcome:?}");
    }
    let ada = StreamId::of("emotion", "ada").aggregate_id;
    assert_eq!(fixture.store.projected_versions(&[ada]).await.unwrap()[&ada], 40);
}
