//! Schemas, reopening, and what happens when the database is not there.

use std::sync::Arc;
use std::time::Duration;

use mcp_core::platform::secret::Secret;
use mcp_core::store::Expected::Exact;
use mcp_core::store::postgres::PostgresStore;
use mcp_core::store::sqlite::SqliteStore;
use mcp_core::store::{EventStore, Maintenance, StoreError};
use support::proxy::{Network, Proxy};
use tokio::time::timeout;

use super::build::{a_stream, given, to, versions};
use super::fixture::Database;
use super::{Fixture, contract};

contract!(
    a_migrated_database_needs_no_migration,
    what_was_appended_is_there_for_another_store,
    a_store_that_is_there_answers
);

async fn a_migrated_database_needs_no_migration(fixture: Fixture) {
    assert_eq!(fixture.store.migrate().await.unwrap(), [""; 0]);
}

async fn what_was_appended_is_there_for_another_store(fixture: Fixture) {
    let stream = a_stream();
    given(fixture.store.as_ref(), &stream, 3).await;
    let other = fixture.database.open().await;
    assert_eq!(versions(other.as_ref(), &stream).await, [1, 2, 3]);
    other.append(&to(&stream, Exact(3), 1)).await.unwrap();
    assert_eq!(versions(fixture.store.as_ref(), &stream).await, [1, 2, 3, 4]);
}

async fn a_store_that_is_there_answers(fixture: Fixture) {
    fixture.store.ping().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_can_be_migrated_by_several_at_once() {
    migrated_by_several_at_once(Database::new_sqlite()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_can_be_migrated_by_several_at_once() {
    migrated_by_several_at_once(Database::new_postgres().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dynamodb_can_be_migrated_by_several_at_once() {
    migrated_by_several_at_once(Database::new_dynamodb()).await;
}

async fn migrated_by_several_at_once(database: Database) {
    let database = Arc::new(database);
    let runs: Vec<_> = (0..4)
        .map(|_| {
            let database = database.clone();
            tokio::spawn(async move { database.open().await.migrate().await.unwrap() })
        })
        .collect();
    let mut applied = Vec::new();
    for run in runs {
        applied.extend(run.await.unwrap());
    }
    let is_first = |name: &&String| *name == "0001_event_store" || name.starts_with("table ");
    assert_eq!(applied.iter().filter(is_first).count(), 1);
    let mut once = applied.clone();
    once.dedup();
    assert_eq!(once, applied);
    given(database.open().await.as_ref(), &a_stream(), 1).await;
}

#[tokio::test]
async fn sqlite_in_memory_is_a_store_too() {
    let store = SqliteStore::open(":memory:").await.unwrap();
    store.migrate().await.unwrap();
    let stream = a_stream();
    given(&store, &stream, 2).await;
    assert_eq!(versions(&store, &stream).await, [1, 2]);
}

#[tokio::test]
async fn sqlite_data_survives_reopening() {
    let database = Database::new_sqlite();
    let stream = a_stream();
    let first = database.open().await;
    first.migrate().await.unwrap();
    given(first.as_ref(), &stream, 2).await;
    drop(first);
    assert_eq!(versions(database.open().await.as_ref(), &stream).await, [1, 2]);
}

#[tokio::test]
async fn a_file_that_cannot_be_opened_is_a_clear_error() {
    let result = SqliteStore::open("/dev/null/mcp.db").await;
    assert!(matches!(result, Err(StoreError::Unavailable(_))));
}

#[test]
fn a_url_that_is_none_is_refused_without_being_shown() {
    let error = PostgresStore::connect(&Secret::new("postgres://u:hunter2@[bad/x"), 1).err().unwrap();
    assert!(matches!(error, StoreError::Invalid(_)) && !error.to_string().contains("hunter2"), "{error}");
}

/// As after a deployment that went back.
#[tokio::test]
async fn migrations_of_a_newer_deployment_are_left_alone() {
    for fixture in [Fixture::sqlite().await, Fixture::postgres().await] {
        let newer = "
            INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
            VALUES (9999, 'of tomorrow', true, '', 0)";
        fixture.database.tamper(newer, newer, |_| {}).await;
        assert_eq!(fixture.store.migrate().await.unwrap(), [""; 0]);
    }
}

/// What is not there may come, and what was there may go and come back: no store is built anew for that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgres_that_comes_goes_and_comes_back_is_used_again() {
    let fixture = Fixture::postgres().await;
    let (proxy, url) = Proxy::to_postgres(&fixture.database.address()).await;
    let store = PostgresStore::connect(&Secret::new(url), 2).unwrap();
    let stream = a_stream();

    proxy.set(Network::Refuses).await;
    assert_unavailable(&store).await;
    proxy.set(Network::Good).await;
    given(&store, &stream, 1).await;
    // Cut while idle: a call may notice only when it uses the connection, the next one has another.
    proxy.set(Network::Resets).await;
    proxy.set(Network::Good).await;
    let first = store.load(&stream, None).await;
    assert!(matches!(first, Ok(_) | Err(StoreError::Unavailable(_))), "{first:?}");
    assert_eq!(versions(&store, &stream).await, [1]);
    // Silent, as a host that is gone is: the calls that hold a connection or want a new one end at their deadlines.
    proxy.set(Network::BlackHole).await;
    assert_unavailable(&store).await;
    assert_unavailable(&store).await;
    proxy.set(Network::Resets).await;
    proxy.set(Network::Good).await;
    store.append(&to(&stream, Exact(1), 1)).await.unwrap();
    assert_eq!(versions(fixture.store.as_ref(), &stream).await, [1, 2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgres_an_append_and_a_load_are_one_round_trip_each() {
    let fixture = Fixture::postgres().await;
    let (proxy, url) = Proxy::to_postgres(&fixture.database.address()).await;
    let store = PostgresStore::connect(&Secret::new(url), 1).unwrap();
    let stream = a_stream();
    let (mut appends, mut loads) = (Vec::new(), Vec::new());
    // The first connects and prepares; one that comes late on a busy machine may be preceded by a ping.
    for _ in 0..6 {
        let before = proxy.requests();
        given(&store, &stream, 3).await;
        let between = proxy.requests();
        store.load(&stream, Some(1)).await.unwrap();
        appends.push(between - before);
        loads.push(proxy.requests() - between);
    }
    assert_eq!((appends.iter().min(), loads.iter().min()), (Some(&1), Some(&1)), "{appends:?} {loads:?}");
}

async fn assert_unavailable(store: &PostgresStore) {
    let stream = a_stream();
    // A generous bound on what must end by itself.
    let result = timeout(Duration::from_secs(30), store.append(&to(&stream, Exact(0), 1))).await.expect("a deadline");
    let error = result.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)) && error.is_transient(), "{error}");
}
