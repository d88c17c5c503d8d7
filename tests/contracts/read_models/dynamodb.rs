//! DynamoDB alone: what reading costs, rows that are too large, answers that are lost, and that old rows are gone.

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::interceptors::BeforeSerializationInterceptorContextRef;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::operation::put_item::PutItemInput;
use chrono::TimeDelta;
use mcp_core::domain::emotion::Emotion;
use mcp_core::domain::price::Quote;
use mcp_core::domain::projection::{Changes, EmotionChange, MemoryChange};
use mcp_core::platform::clock::SystemClock;
use mcp_core::store::dynamodb::DynamoDbStore;
use mcp_core::store::{Cursor, HistoryQuery, MemoryQuery, Projections, ReadModels, Rebuild, Store, StoreError};
use uuid::Uuid;

use crate::contracts::Fixture;
use crate::contracts::build::at;
use crate::contracts::fixture::dynamodb_config;
use crate::contracts::projections::swept;
use crate::contracts::registry::{EveryFirstAnswer, Meter};

/// Another store on the fixture's table, whose calls are watched, or tampered with.
fn watched(fixture: &Fixture, by: impl Intercept + 'static) -> DynamoDbStore {
    let client = Client::from_conf(dynamodb_config().to_builder().interceptor(by).build());
    DynamoDbStore::with_client(&fixture.database.address(), Arc::new(SystemClock), client)
}

/// As many memories as `count`, from the version after `after`.
fn memories(owner: Uuid, after: i32, count: i32, content: impl Fn(i32) -> String) -> Changes {
    let mut changes = Changes::default();
    for version in after + 1..=after + count {
        let live = Some((content(version), at(i64::from(version))));
        changes.memories.insert((owner, Uuid::now_v7()), MemoryChange { version, live });
    }
    changes.streams.insert(owner, after + count);
    changes
}

fn all_of(owner: Uuid) -> MemoryQuery {
    MemoryQuery { owner, words: vec![], before_version: None, limit: 20 }
}

fn quotes(coin: &str, points: impl Iterator<Item = (i32, i64)>) -> Changes {
    let mut changes = Changes::default();
    for (version, seconds) in points {
        let quote = Quote {
            coin: coin.parse().unwrap(),
            usd: version.into(),
            change24h: None,
            market_cap: None,
            updated_at: at(seconds),
            source: "test".to_owned(),
        };
        changes.price_history.insert((quote.coin.clone(), version), quote);
    }
    changes
}

/// How many rows of that generation are in the table.
async fn rows_of(fixture: &Fixture, generation: i32) -> usize {
    let client = Client::from_conf(dynamodb_config());
    let scan = client.scan().table_name(fixture.database.address()).into_paginator().items().send();
    let items = Box::pin(scan.collect::<Result<Vec<_>, _>>()).await.unwrap();
    let prefix = format!("V#{generation}#");
    items.iter().filter(|item| item["pk"].as_s().unwrap().starts_with(&prefix)).count()
}

/// Others have much that would match, and it is neither read nor scanned for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_reads_what_the_caller_has_and_no_more() {
    let fixture = Fixture::dynamodb().await;
    let (ada, bob) = (Uuid::now_v7(), Uuid::now_v7());
    let long = |version: i32| format!("{version} of bob {}", "x".repeat(9_000));
    fixture.store.apply_changes(&memories(bob, 0, 100, long)).await.unwrap();
    fixture.store.apply_changes(&memories(ada, 0, 50, |version| format!("{version} of ada"))).await.unwrap();
    let meter = Meter::default();
    let store = watched(&fixture, meter.clone());

    let query = MemoryQuery { words: vec!["OF".to_owned(), "7".to_owned()], ..all_of(ada) };
    let found: Vec<_> = store.memories(&query).await.unwrap().into_iter().map(|memory| memory.version).collect();
    assert_eq!(found, [47, 37, 27, 17, 7]);
    let reading = meter.take();
    assert_eq!((reading.calls["query"], reading.calls["get_item"], reading.total()), (1, 1, 2), "{reading:?}");
    assert!(reading.read_units <= 4.0, "{reading:?}");

    // A megabyte, which is a page, holds about a hundred of bob's; the newest alone are fewer.
    let newest = MemoryQuery { limit: 3, ..all_of(bob) };
    assert_eq!(store.memories(&newest).await.unwrap().len(), 3);
    let reading = meter.take();
    assert!(reading.total() == 2 && reading.read_units <= 9.0, "{reading:?}");
}

/// However much there is before it and after it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stretch_of_history_costs_what_it_holds() {
    const DAY: i64 = 86_400;
    let fixture = Fixture::dynamodb().await;
    // A point every half hour of two months; one came late, with a time of the first day.
    let points = (1..=2_880).map(|version| (version, i64::from(version) * 1_800)).chain([(2_881, 60)]);
    fixture.store.apply_changes(&quotes("bitcoin", points)).await.unwrap();
    let meter = Meter::default();
    let store = watched(&fixture, meter.clone());
    let query = HistoryQuery {
        coin: "bitcoin".parse().unwrap(),
        from: Some(at(10 * DAY)),
        to: Some(at(11 * DAY)),
        before_version: None,
        limit: 1000,
    };
    let found: Vec<_> = store.price_history(&query).await.unwrap().into_iter().map(|point| point.version).collect();
    assert_eq!(found, (480..528).rev().collect::<Vec<_>>());
    let reading = meter.take();
    assert_eq!((reading.calls["query"], reading.total()), (2, 3), "{reading:?}");
    assert!(reading.read_units <= 5.0, "{reading:?}");
    let first = HistoryQuery { from: None, to: Some(at(90)), ..query };
    let found = store.price_history(&first).await.unwrap();
    assert_eq!(found.iter().map(|point| point.version).collect::<Vec<_>>(), [2_881]);
}

/// It is of the data, and nothing beside it is written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_no_item_can_hold_is_invalid() {
    let fixture = Fixture::dynamodb().await;
    let owner = Uuid::now_v7();
    let mut changes = memories(owner, 0, 2, |version| "x".repeat(if version == 2 { 410_000 } else { 400_000 }));
    let refused = fixture.store.apply_changes(&changes).await;
    assert!(matches!(refused, Err(StoreError::Invalid(_))), "{refused:?}");
    assert_eq!(fixture.store.memories(&all_of(owner)).await.unwrap(), []);
    changes.memories.retain(|_, memory| memory.version == 1);
    fixture.store.apply_changes(&changes).await.unwrap();
    assert_eq!(fixture.store.memories(&all_of(owner)).await.unwrap()[0].content.len(), 400_000);

    let user_id = Some("x".repeat(410_000));
    let emotion = EmotionChange { version: 1, user_id, emotion: Emotion::Happy, points: 60, updated_at: at(0) };
    let changes = Changes { emotions: [(owner, emotion)].into(), streams: [(owner, 1)].into(), ..Changes::default() };
    let refused = fixture.store.apply_changes(&changes).await;
    assert!(matches!(refused, Err(StoreError::Invalid(_))), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_lost_changes_nothing() {
    let fixture = Fixture::dynamodb().await;
    let store = watched(&fixture, EveryFirstAnswer::default());
    let owner = Uuid::now_v7();
    let changes = memories(owner, 0, 3, |version| version.to_string());
    store.apply_changes(&changes).await.unwrap();
    let contents = async || {
        let memories = store.memories(&all_of(owner)).await.unwrap();
        memories.into_iter().map(|memory| memory.content).collect::<Vec<_>>()
    };
    assert_eq!(contents().await, ["3", "2", "1"]);
    let rebuild = store.begin_rebuild().await.unwrap();
    assert_eq!((rebuild.generation, rebuild.done, rebuild.total), (2, 0, None));
    assert_eq!(store.begin_rebuild().await.unwrap(), rebuild);
    let cursor = Cursor::from_text("there");
    assert!(store.rebuild_step(&rebuild, &changes, &cursor, 3).await.unwrap());
    let stepped = Rebuild { cursor: Some(cursor.clone()), done: 3, ..rebuild.clone() };
    assert_eq!(store.begin_rebuild().await.unwrap(), stepped);
    assert!(!store.rebuild_step(&rebuild, &changes, &cursor, 3).await.unwrap());
    assert!(store.finish_rebuild(&stepped).await.unwrap());
    assert!(!store.finish_rebuild(&stepped).await.unwrap());
    assert_eq!(contents().await, ["3", "2", "1"]);
    assert_eq!(store.projected_versions(&[owner]).await.unwrap(), [(owner, 3)].into());
}

/// Refuses to say how far a stream is projected, as if the process had died before that.
#[derive(Debug)]
struct DiesBeforeTheStreams;

impl Intercept for DiesBeforeTheStreams {
    fn name(&self) -> &'static str {
        "DiesBeforeTheStreams"
    }

    fn read_before_serialization(
        &self,
        context: &BeforeSerializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let item = context.input().downcast_ref::<PutItemInput>().and_then(PutItemInput::item);
        match item.and_then(|item| item["pk"].as_s().ok()) {
            Some(pk) if pk.contains("#S#") => Err("dead".into()),
            _ => Ok(()),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_broke_off_is_made_whole_by_the_repetition() {
    let fixture = Fixture::dynamodb().await;
    let (store, dying) = (fixture.store.as_ref(), watched(&fixture, DiesBeforeTheStreams));
    let owner = Uuid::now_v7();
    let changes = memories(owner, 0, 3, |version| version.to_string());
    let rebuild = store.begin_rebuild().await.unwrap();
    assert!(dying.apply_changes(&changes).await.is_err());
    assert!(store.projected_versions(&[owner]).await.unwrap().is_empty());
    assert_eq!(store.memories(&all_of(owner)).await.unwrap().len(), 3, "rows come first");
    store.apply_changes(&changes).await.unwrap();
    assert_eq!(store.projected_versions(&[owner]).await.unwrap(), [(owner, 3)].into());
    assert_eq!(store.memories(&all_of(owner)).await.unwrap().len(), 3);

    let cursor = Cursor::from_text("there");
    let more = memories(owner, 3, 1, |version| version.to_string());
    assert!(dying.rebuild_step(&rebuild, &more, &cursor, 1).await.is_err());
    assert_eq!(store.begin_rebuild().await.unwrap(), rebuild, "the step is to be made again");
    assert!(store.rebuild_step(&rebuild, &more, &cursor, 1).await.unwrap());
    assert!(store.finish_rebuild(&rebuild).await.unwrap());
    assert_eq!(store.projected_versions(&[owner]).await.unwrap(), [(owner, 4)].into());
    assert_eq!(store.memories(&all_of(owner)).await.unwrap().len(), 4);
}

/// However often there is a rebuild, and whoever sweeps; and a sandbox that has not heard of a swap reads what is live.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_old_generations_nothing_is_left() {
    let fixture = Fixture::dynamodb().await;
    let (store, other) = (fixture.store.as_ref(), fixture.database.open().await);
    let owner = Uuid::now_v7();
    let changes = memories(owner, 0, 40, |version| version.to_string());
    store.apply_changes(&changes).await.unwrap();
    assert_eq!(rows_of(&fixture, 1).await, 81);
    for generation in 2..4 {
        let rebuild = store.begin_rebuild().await.unwrap();
        assert_eq!(rebuild.generation, generation);
        let cursor = Cursor::from_text("there");
        assert!(store.rebuild_step(&rebuild, &changes, &cursor, 40).await.unwrap());
        assert!(store.finish_rebuild(&Rebuild { cursor: Some(cursor), ..rebuild }).await.unwrap());
        // Broken off, and gone on with by another.
        assert!(store.sweep_generations(10).await.unwrap().rows <= 10);
        swept(other.as_ref(), 30).await;
        assert_eq!((rows_of(&fixture, generation - 1).await, rows_of(&fixture, generation).await), (0, 81));
        assert_eq!(other.memories(&all_of(owner)).await.unwrap().len(), 20);
    }
    let calls = Meter::default();
    assert_eq!(swept(&watched(&fixture, calls.clone()), 30).await, [0]);
    assert!(!calls.take().calls.contains_key("scan"), "what is known to be clean is not looked through");
}

/// Two projectors with the same news.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn projectors_that_write_the_same_memory_at_once_leave_one_row() {
    let fixture = Fixture::dynamodb().await;
    let (owner, id) = (Uuid::now_v7(), Uuid::now_v7());
    let mut projectors = tokio::task::JoinSet::new();
    for version in 1..=8 {
        let store: Arc<dyn Store> = fixture.database.open().await;
        projectors.spawn(async move {
            let created_at = at(0) + TimeDelta::seconds(version.into());
            let live = (version != 5).then(|| (version.to_string(), created_at));
            let memories = [((owner, id), MemoryChange { version, live })].into();
            let changes = Changes { memories, streams: [(owner, version)].into(), ..Changes::default() };
            store.apply_changes(&changes).await.unwrap();
        });
    }
    projectors.join_all().await;
    let left = fixture.store.memories(&all_of(owner)).await.unwrap();
    assert_eq!(left.iter().map(|memory| (memory.version, memory.content.as_str())).collect::<Vec<_>>(), [(8, "8")]);
    // Its row, the item by its id, and the stream.
    assert_eq!(rows_of(&fixture, 1).await, 3);
}
