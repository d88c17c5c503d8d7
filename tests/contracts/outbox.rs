//! What the outbox promises to relays. Time is handed in, so nothing waits.

use std::collections::BTreeSet;
use std::time::Duration;

use mcp_core::domain::StreamId;
use mcp_core::platform::clock::Timestamp;
use mcp_core::store::{LaggingStream, Published, Store};
use tokio::task::JoinSet;

use crate::contracts::build::{a_stream, at, given};
use crate::contracts::{Fixture, contract};

contract!(
    a_lagging_stream_is_leased_with_its_versions,
    a_leased_stream_is_leased_by_nobody_else,
    an_expired_lease_can_be_taken,
    what_is_published_is_no_longer_lagging,
    what_was_appended_meanwhile_is_left,
    a_relay_that_was_overtaken_moves_nothing_back,
    a_lease_is_given_back_without_progress,
    who_waited_longest_comes_first,
    many_relays_at_once_never_claim_the_same,
    the_backlog_is_counted,
);

const TTL: Duration = Duration::from_secs(60);

async fn lease(store: &dyn Store, now: i64) -> Vec<LaggingStream> {
    store.lease_lagging(100, at(now), TTL).await.unwrap()
}

fn up_to(leased: &LaggingStream, to: i32) -> Published {
    Published { stream: leased.stream.clone(), from: leased.published_version, to, lease_until: leased.lease_until }
}

async fn published_version(store: &dyn Store, stream: &StreamId) -> i32 {
    store.head(stream).await.unwrap().unwrap().published_version
}

async fn a_lagging_stream_is_leased_with_its_versions(fixture: Fixture) {
    let (store, stream) = (fixture.store.as_ref(), a_stream());
    assert_eq!(lease(store, 0).await, []);
    given(store, &stream, 3).await;
    let leased = LaggingStream { stream, published_version: 0, version: 3, lease_until: at(60) };
    assert_eq!(lease(store, 0).await, [leased]);
}

pub(crate) async fn a_leased_stream_is_leased_by_nobody_else(fixture: Fixture) {
    let (store, stream) = (fixture.store.as_ref(), a_stream());
    given(store, &stream, 1).await;
    assert_eq!(lease(store, 0).await.len(), 1);
    given(store, &stream, 1).await;
    assert_eq!(lease(store, 59).await, []);
}

async fn an_expired_lease_can_be_taken(fixture: Fixture) {
    let (store, stream) = (fixture.store.as_ref(), a_stream());
    given(store, &stream, 1).await;
    assert_eq!(lease(store, 0).await.len(), 1);
    assert_eq!(lease(store, 60).await.len(), 1);
    assert_eq!(lease(store, 61).await, []);
}

async fn what_is_published_is_no_longer_lagging(fixture: Fixture) {
    let (store, stream) = (fixture.store.as_ref(), a_stream());
    given(store, &stream, 2).await;
    let leased = lease(store, 0).await.remove(0);
    store.advance(&[up_to(&leased, 2)]).await.unwrap();
    assert_eq!(lease(store, 1).await, []);
    let head = store.head(&stream).await.unwrap().unwrap();
    assert_eq!((head.version, head.published_version, head.lease_until), (2, 2, None));
    given(store, &stream, 1).await;
    assert_eq!(lease(store, 1).await[0].published_version, 2);
}

pub(crate) async fn what_was_appended_meanwhile_is_left(fixture: Fixture) {
    let (store, stream) = (fixture.store.as_ref(), a_stream());
    given(store, &stream, 2).await;
    let leased = lease(store, 0).await.remove(0);
    given(store, &stream, 1).await;
    store.advance(&[up_to(&leased, 2)]).await.unwrap();
    let again = lease(store, 1).await.remove(0);
    assert_eq!((again.published_version, again.version), (2, 3));
}

/// One relay is slow, its lease ends, another publishes more. The first one must not move the version back, nor end the
/// other's lease.
async fn a_relay_that_was_overtaken_moves_nothing_back(fixture: Fixture) {
    let (store, stream) = (fixture.store.as_ref(), a_stream());
    given(store, &stream, 3).await;
    let slow = lease(store, 0).await.remove(0);
    let fast = lease(store, 100).await.remove(0);
    store.advance(&[up_to(&slow, 1)]).await.unwrap();
    assert_eq!(published_version(store, &stream).await, 1, "it did publish that");
    assert_eq!(lease(store, 101).await, [], "the other's lease holds");
    store.advance(&[up_to(&fast, 2)]).await.unwrap();
    store.advance(&[up_to(&slow, 1)]).await.unwrap();
    assert_eq!(published_version(store, &stream).await, 2);
    // A claim that knows more than the store has published is of another history.
    let ahead = Published { from: 3, to: 3, ..up_to(&slow, 1) };
    store.advance(&[ahead]).await.unwrap();
    assert_eq!(published_version(store, &stream).await, 2);
}

async fn a_lease_is_given_back_without_progress(fixture: Fixture) {
    let (store, stream) = (fixture.store.as_ref(), a_stream());
    given(store, &stream, 1).await;
    let leased = lease(store, 0).await.remove(0);
    store.advance(&[up_to(&leased, 0)]).await.unwrap();
    assert_eq!(lease(store, 1).await.len(), 1);
    assert_eq!(published_version(store, &stream).await, 0);
}

async fn who_waited_longest_comes_first(fixture: Fixture) {
    let store = fixture.store.as_ref();
    let (busy, quiet) = (a_stream(), a_stream());
    given(store, &busy, 5).await;
    given(store, &quiet, 1).await;
    // The clock of the store orders the two; that of the relay is far ahead of it here.
    let later = 4_000_000_000;
    for turn in 0..3 {
        let first = store.lease_lagging(1, at(later + turn), TTL).await.unwrap().remove(0);
        let wanted = if turn % 2 == 0 { &busy } else { &quiet };
        assert_eq!(&first.stream, wanted, "turn {turn}");
        store.advance(&[up_to(&first, first.published_version)]).await.unwrap();
    }
}

async fn many_relays_at_once_never_claim_the_same(fixture: Fixture) {
    let streams: BTreeSet<_> = (0..40).map(|_| a_stream()).collect();
    for stream in &streams {
        given(fixture.store.as_ref(), stream, 1).await;
    }
    let now: Timestamp = at(0);
    let mut relays = JoinSet::new();
    for _ in 0..12 {
        let store = fixture.store.clone();
        relays.spawn(async move {
            let mut claimed = vec![];
            while let Some(leased) =
                store.lease_lagging(3, now, TTL).await.unwrap().into_iter().reduce(|first, other| {
                    claimed.push(other.stream);
                    first
                })
            {
                claimed.push(leased.stream);
            }
            claimed
        });
    }
    let claimed: Vec<_> = relays.join_all().await.into_iter().flatten().collect();
    assert_eq!(claimed.len(), streams.len(), "one twice, or one never");
    assert_eq!(claimed.into_iter().collect::<BTreeSet<_>>(), streams);
}

async fn the_backlog_is_counted(fixture: Fixture) {
    let store = fixture.store.as_ref();
    let empty = store.backlog().await.unwrap();
    assert_eq!((empty.events, empty.streams, empty.oldest), (0, 0, None));
    let (one, other) = (a_stream(), a_stream());
    given(store, &one, 3).await;
    let first = store.backlog().await.unwrap().oldest.unwrap();
    given(store, &other, 2).await;
    let backlog = store.backlog().await.unwrap();
    assert_eq!((backlog.events, backlog.streams, backlog.oldest), (5, 2, Some(first)));
    let leased = lease(store, 0).await;
    let of_one = leased.iter().find(|leased| leased.stream == one).unwrap();
    store.advance(&[up_to(of_one, 3)]).await.unwrap();
    let backlog = store.backlog().await.unwrap();
    assert_eq!((backlog.events, backlog.streams), (2, 1));
    assert!(backlog.oldest.unwrap() >= first);
}
