//! Loading from a snapshot on.

use mcp_core::store::Snapshot;
use serde_json::json;

use crate::contracts::build::{a_stream, given, versions};
use crate::contracts::{Fixture, contract};

contract!(
    a_load_is_the_snapshot_and_what_came_after,
    a_newer_snapshot_is_kept,
    a_snapshot_of_another_schema_is_ignored,
    an_unknown_stream_is_empty,
);

fn snapshot(version: i32, schema_version: i32) -> Snapshot {
    Snapshot { version, schema_version, state: json!({"folded": version}) }
}

async fn a_load_is_the_snapshot_and_what_came_after(fixture: Fixture) {
    let (store, stream) = (fixture.store.as_ref(), a_stream());
    let appended = given(store, &stream, 6).await;
    store.save_snapshot(&stream, &snapshot(4, 1)).await.unwrap();
    let loaded = store.load(&stream, Some(1)).await.unwrap();
    assert_eq!(loaded.snapshot, Some(snapshot(4, 1)));
    assert_eq!(loaded.events, appended.events[4..]);
    store.save_snapshot(&stream, &snapshot(6, 1)).await.unwrap();
    let loaded = store.load(&stream, Some(1)).await.unwrap();
    assert_eq!((loaded.snapshot, loaded.events), (Some(snapshot(6, 1)), vec![]));
    assert_eq!(versions(store, &stream).await, [1, 2, 3, 4, 5, 6]);
}

async fn a_newer_snapshot_is_kept(fixture: Fixture) {
    let (store, stream) = (fixture.store.as_ref(), a_stream());
    given(store, &stream, 3).await;
    for version in [2, 3, 1] {
        store.save_snapshot(&stream, &snapshot(version, 1)).await.unwrap();
    }
    assert_eq!(store.load(&stream, Some(1)).await.unwrap().snapshot, Some(snapshot(3, 1)));
}

async fn a_snapshot_of_another_schema_is_ignored(fixture: Fixture) {
    let (store, stream) = (fixture.store.as_ref(), a_stream());
    given(store, &stream, 3).await;
    store.save_snapshot(&stream, &snapshot(2, 1)).await.unwrap();
    let loaded = store.load(&stream, Some(2)).await.unwrap();
    assert_eq!((loaded.snapshot, loaded.events.len()), (None, 3));
    // Two deployments keep theirs side by side.
    store.save_snapshot(&stream, &snapshot(1, 2)).await.unwrap();
    assert_eq!(store.load(&stream, Some(1)).await.unwrap().snapshot, Some(snapshot(2, 1)));
    assert_eq!(store.load(&stream, Some(2)).await.unwrap().snapshot, Some(snapshot(1, 2)));
}

async fn an_unknown_stream_is_empty(fixture: Fixture) {
    let loaded = fixture.store.load(&a_stream(), Some(1)).await.unwrap();
    assert_eq!((loaded.snapshot, loaded.events), (None, vec![]));
}

#[tokio::test]
async fn a_snapshot_that_is_no_json_is_ignored() {
    let fixture = Fixture::sqlite().await;
    let (store, stream) = (fixture.store.as_ref(), a_stream());
    given(store, &stream, 3).await;
    store.save_snapshot(&stream, &snapshot(2, 1)).await.unwrap();
    fixture.database.tamper("UPDATE snapshots SET state = '{\"cut'", "", |_| {}).await;
    let loaded = store.load(&stream, Some(1)).await.unwrap();
    assert_eq!((loaded.snapshot, loaded.events.len()), (None, 3));
}
