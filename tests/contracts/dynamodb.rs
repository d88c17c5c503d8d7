//! DynamoDB alone: what a call costs, what is too large, throttling, more than one sandbox on a table.

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use mcp_core::platform::clock::SystemClock;
use mcp_core::store::Expected::{Any, Exact};
use mcp_core::store::dynamodb::DynamoDbStore;
use mcp_core::store::{Maintenance, Published, Snapshot, StoreError};
use serde_json::json;
use support::dynamodb_gateway::DynamoDbGateway;
use tokio::task::JoinSet;

use super::Fixture;
use super::build::{a_stream, at, event_of, given, keyed, part, tail, to, together, versions};
use super::fixture::{Database, dynamodb_config};

/// A store whose calls go through the gateway, on a fresh table.
async fn through_a_gateway() -> (DynamoDbGateway, Fixture) {
    let (gateway, fixture) = (DynamoDbGateway::start().await, Fixture::dynamodb().await);
    let config = dynamodb_config().to_builder().endpoint_url(gateway.url()).build();
    let clock = Arc::new(SystemClock);
    let store = DynamoDbStore::with_client(&fixture.database.address(), clock, Client::from_conf(config));
    (gateway, fixture.behind(Arc::new(store)))
}

#[tokio::test]
async fn an_append_is_one_call_and_so_are_its_refusal_and_a_load() {
    let (gateway, fixture) = through_a_gateway().await;
    let (store, stream) = (fixture.store.as_ref(), a_stream());
    let transaction = [("TransactWriteItems".to_owned(), 1)].into();
    store.append(&keyed(to(&stream, Exact(0), 3), "k", "f")).await.unwrap();
    assert_eq!(gateway.calls(), transaction);
    store.append(&to(&stream, Exact(1), 1)).await.unwrap_err();
    assert_eq!(gateway.calls(), transaction);
    for _ in 0..60 {
        given(store, &stream, 2).await;
    }
    let snapshot = Snapshot { version: 100, schema_version: 1, state: json!({}) };
    store.save_snapshot(&stream, &snapshot).await.unwrap();
    gateway.calls();
    let loaded = store.load(&stream, Some(1)).await.unwrap();
    assert_eq!((loaded.snapshot, loaded.events.len()), (Some(snapshot), 23));
    assert_eq!(gateway.calls(), [("Query".to_owned(), 1)].into());
}

#[tokio::test]
async fn what_is_throttled_is_tried_again() {
    let (gateway, fixture) = through_a_gateway().await;
    let (store, stream) = (fixture.store.as_ref(), a_stream());
    gateway.throttle(4);
    store.append(&keyed(to(&stream, Exact(0), 2), "k", "f")).await.unwrap();
    assert_eq!(given(store, &stream, 1).await.events[0].event_version, 3);
    assert_eq!(versions(store, &stream).await, [1, 2, 3]);
    assert!(store.acquire("work", "me", at(0), std::time::Duration::from_secs(60)).await.unwrap());
    assert_eq!(tail(&fixture, &mut None, 3).await.len(), 3);
}

#[tokio::test]
async fn who_is_always_throttled_is_told_so_and_nothing_is_written() {
    let (gateway, fixture) = through_a_gateway().await;
    let stream = a_stream();
    gateway.throttle(usize::MAX);
    let result = fixture.store.append(&to(&stream, Exact(0), 1)).await;
    assert!(matches!(result, Err(StoreError::Unavailable(_))), "{result:?}");
    let result = fixture.store.lease_lagging(10, at(0), std::time::Duration::from_secs(60)).await;
    assert!(matches!(result, Err(StoreError::Unavailable(_))), "{result:?}");
    gateway.throttle(0);
    assert_eq!(fixture.store.head(&stream).await.unwrap(), None);
}

/// Two sandboxes know nothing of each other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_of_several_sandboxes_at_any_version_all_succeed() {
    let (fixture, stream) = (Fixture::dynamodb().await, a_stream());
    let mut writers = JoinSet::new();
    for _ in 0..4 {
        let (store, stream) = (fixture.database.open().await, stream.clone());
        writers.spawn(async move {
            for _ in 0..5 {
                store.append(&to(&stream, Any, 1)).await.unwrap();
            }
        });
    }
    writers.join_all().await;
    assert_eq!(versions(fixture.store.as_ref(), &stream).await, (1..=20).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_no_item_and_no_transaction_can_hold_is_refused() {
    let (fixture, stream) = (Fixture::dynamodb().await, a_stream());
    let said = |bytes: usize| event_of("Said", json!({ "text": "x".repeat(bytes) }));
    let one = together(vec![part(&stream, Exact(0), vec![said(400 * 1024)])]);
    let many = together(vec![part(&stream, Exact(0), (0..12).map(|_| said(390 * 1024)).collect())]);
    for append in [one, many] {
        let result = fixture.store.append(&append).await;
        assert!(matches!(result, Err(StoreError::Invalid(_))), "{result:?}");
    }
    let most = together(vec![part(&stream, Exact(0), (0..10).map(|_| said(390 * 1024)).collect())]);
    let appended = fixture.store.append(&most).await.unwrap();
    // Several pages long.
    assert_eq!(fixture.store.load(&stream, Some(1)).await.unwrap().events, appended.events);
    assert_eq!(fixture.store.load(&stream, None).await.unwrap().events, appended.events);
    assert_eq!(tail(&fixture, &mut None, 10).await, appended.events);
}

#[tokio::test]
async fn a_snapshot_that_is_no_json_is_passed_over() {
    let fixture = Fixture::dynamodb().await;
    let (store, stream) = (fixture.store.as_ref(), a_stream());
    given(store, &stream, 3).await;
    store.save_snapshot(&stream, &Snapshot { version: 2, schema_version: 1, state: json!({}) }).await.unwrap();
    let cut = |item: &mut super::fixture::Item| {
        if item.get("sk").is_some_and(|sk| sk.as_s().is_ok_and(|sk| sk.contains("#S"))) {
            item.insert("d".to_owned(), aws_sdk_dynamodb::types::AttributeValue::S("{\"cut".to_owned()));
        }
    };
    fixture.database.tamper("", "", cut).await;
    let loaded = store.load(&stream, Some(1)).await.unwrap();
    assert_eq!((loaded.snapshot, loaded.events.len()), (None, 3));
}

/// The index is read a little late: it shows what is published by now, and what another relay has just claimed.
#[tokio::test]
async fn of_what_the_index_shows_the_head_has_the_last_word() {
    let fixture = Fixture::dynamodb().await;
    let (store, stream) = (fixture.store.as_ref(), a_stream());
    given(store, &stream, 2).await;
    let leased = store.lease_lagging(10, at(0), std::time::Duration::from_secs(60)).await.unwrap().remove(0);
    let done = Published { stream: leased.stream, from: 0, to: 2, lease_until: leased.lease_until };
    store.advance(&[done]).await.unwrap();
    let back_in = |item: &mut super::fixture::Item| {
        if item.get("sk").is_some_and(|sk| sk.as_s().is_ok_and(|sk| sk == "@")) {
            for (name, value) in [("lp", "F#0"), ("ls", "0")] {
                item.insert(name.to_owned(), aws_sdk_dynamodb::types::AttributeValue::S(value.to_owned()));
            }
        }
    };
    fixture.database.tamper("", "", back_in).await;
    assert_eq!(store.lease_lagging(10, at(0), std::time::Duration::from_secs(60)).await.unwrap(), []);
    assert_eq!(store.backlog().await.unwrap().streams, 0);
}

#[tokio::test]
async fn a_table_of_another_shape_is_refused_and_so_is_one_that_is_not_there() {
    let other = super::Table::fresh().await;
    let open =
        |name: &str| DynamoDbStore::with_client(name, Arc::new(SystemClock), Client::from_conf(dynamodb_config()));
    let migrated = open(&other.name).migrate().await;
    assert!(matches!(&migrated, Err(StoreError::Failed(reason)) if reason.contains("lagging")), "{migrated:?}");
    let nowhere = Database::new_dynamodb().address();
    let pinged = open(&nowhere).ping().await;
    assert!(matches!(pinged, Err(StoreError::Failed(_))), "{pinged:?}");
}
