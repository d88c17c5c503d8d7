//! Many writers at once.

use mcp_core::store::Expected::{Any, Exact};
use mcp_core::store::StoreError;
use tokio::task::JoinSet;

use crate::contracts::build::{a_stream, events, keyed, part, to, together, versions};
use crate::contracts::{Fixture, contract};

contract!(
    of_two_hundred_writers_each_is_acknowledged_or_gets_a_conflict,
    of_writers_at_the_same_version_one_wins,
    appends_at_any_version_all_succeed,
    appends_over_the_same_streams_never_deadlock,
);

async fn of_two_hundred_writers_each_is_acknowledged_or_gets_a_conflict(fixture: Fixture) {
    let stream = a_stream();
    let mut writers = JoinSet::new();
    for _ in 0..fixture.crowd(200) {
        let (store, stream) = (fixture.store.clone(), stream.clone());
        writers.spawn(async move {
            let known = store.load(&stream, None).await?.events.len();
            store.append(&to(&stream, Exact(i32::try_from(known).unwrap()), 1)).await
        });
    }
    let mut acknowledged = 0;
    for result in writers.join_all().await {
        match result {
            Ok(_) => acknowledged += 1,
            Err(StoreError::Conflict { stream: on, .. }) => assert_eq!(on, stream),
            Err(other) => panic!("{other}"),
        }
    }
    assert!(acknowledged > 0);
    assert_eq!(versions(fixture.store.as_ref(), &stream).await, (1..=acknowledged).collect::<Vec<_>>());
    assert_eq!(fixture.store.head(&stream).await.unwrap().unwrap().version, acknowledged);
}

async fn of_writers_at_the_same_version_one_wins(fixture: Fixture) {
    for version in 0..5 {
        let stream = a_stream();
        if version > 0 {
            fixture.store.append(&to(&stream, Exact(0), usize::try_from(version).unwrap())).await.unwrap();
        }
        let mut writers = JoinSet::new();
        for _ in 0..12 {
            let (store, append) = (fixture.store.clone(), to(&stream, Exact(version), 1));
            writers.spawn(async move { store.append(&append).await });
        }
        let results = writers.join_all().await;
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
        assert!(results.iter().all(|result| matches!(result, Ok(_) | Err(StoreError::Conflict { .. }))));
    }
}

async fn appends_at_any_version_all_succeed(fixture: Fixture) {
    let stream = a_stream();
    let mut writers = JoinSet::new();
    for _ in 0..40 {
        let (store, append) = (fixture.store.clone(), to(&stream, Any, 2));
        writers.spawn(async move { store.append(&append).await.unwrap() });
    }
    let mut given: Vec<_> = writers
        .join_all()
        .await
        .iter()
        .flat_map(|done| done.events.iter().map(|event| event.event_version).collect::<Vec<_>>())
        .collect();
    given.sort_unstable();
    assert_eq!(given, (1..=80).collect::<Vec<_>>());
    assert_eq!(versions(fixture.store.as_ref(), &stream).await, given);
}

async fn appends_over_the_same_streams_never_deadlock(fixture: Fixture) {
    let streams: Vec<_> = (0..4).map(|_| a_stream()).collect();
    let mut writers = JoinSet::new();
    for turn in 0..fixture.crowd(60) {
        let (store, mut order) = (fixture.store.clone(), streams.clone());
        order.rotate_left(turn % 4);
        if turn % 2 == 0 {
            order.reverse();
        }
        writers.spawn(async move {
            let append = together(order.iter().map(|stream| part(stream, Any, events(1))).collect());
            // Every third pair shares a key, so that keys and heads are waited for together.
            let append = if turn % 3 == 0 { keyed(append, &format!("k{}", turn / 6), "f") } else { append };
            store.append(&append).await.unwrap()
        });
    }
    let done = writers.join_all().await.iter().filter(|result| !result.replayed).count();
    for stream in &streams {
        assert_eq!(versions(fixture.store.as_ref(), stream).await.len(), done);
    }
}
