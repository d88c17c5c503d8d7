//! Connections in time, and what a subscriber missed.

use std::sync::Arc;

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{Request, Since};
use crate::domain::RecordedEvent;
use crate::platform::auth::Role;
use crate::push::{Claimed, ConnectionId};
use crate::services::Error;
use crate::services::fan_out::testing::{FakePoster, Fixture, ada, at, bitcoin, emotion, price};

impl Fixture {
    fn stores(&self, events: impl IntoIterator<Item = RecordedEvent>) {
        self.store.events.lock().unwrap().extend(events);
    }

    async fn sweep(&self) -> usize {
        self.subscriptions.sweep(at(1_000_000)).await.unwrap().ended
    }
}

fn versions(versions: impl IntoIterator<Item = i32>) -> Vec<Value> {
    versions.into_iter().map(|version| json!(version)).collect()
}

#[tokio::test]
async fn who_never_introduces_itself_is_disconnected_and_who_did_is_not() {
    let it = Fixture::new();
    let silent = ConnectionId::new("silent");
    it.subscriptions.connect(&silent, None, [127, 0, 0, 1].into()).await.unwrap();
    it.client("a", Role::User, None).await;
    it.clock.advance(TimeDelta::seconds(9));
    assert_eq!(it.sweep().await, 0);
    it.clock.advance(TimeDelta::seconds(1));
    assert_eq!(it.sweep().await, 1);
    assert_eq!(it.closed(), [("silent".to_owned(), 4408)]);
    assert_eq!(it.subscriptions.connection(&silent).await.unwrap(), None);
    assert_eq!(it.sweep().await, 0);
}

#[tokio::test]
async fn when_a_token_ends_its_operations_end_and_so_does_the_connection() {
    let it = Fixture::new();
    let client = it.client("a", Role::User, Some(at(60))).await;
    it.subscribe(&client, "q", &[bitcoin()]).await;
    it.clock.advance(TimeDelta::seconds(59));
    assert_eq!(it.sweep().await, 0);
    it.clock.advance(TimeDelta::seconds(1));
    assert_eq!(it.sweep().await, 1);
    assert_eq!(it.heard("a"), [json!("the token has expired")]);
    assert_eq!(it.closed(), [("a".to_owned(), 4403)]);
}

#[tokio::test]
async fn what_was_completed_before_it_was_opened_is_never_opened_where_frames_overtake() {
    for overtakes in [true, false] {
        let it = Fixture::with(FakePoster::that_overtakes(overtakes));
        let client = it.client("a", Role::User, None).await;
        it.subscriptions.complete(&client.id, "1").await.unwrap();
        let open =
            async || it.subscriptions.open(&client, Request { id: "1".into(), subscription: None }).await.unwrap().0;
        assert_eq!(open().await, if overtakes { Claimed::Completed } else { Claimed::Open });
        if overtakes {
            assert_eq!(open().await, Claimed::Open, "once");
        }
    }
}

#[tokio::test]
async fn a_subscriber_is_told_what_it_missed_and_then_what_is_new() {
    let it = Fixture::new();
    it.stores((1..=5).map(emotion));
    let client = it.client("a", Role::Admin, None).await;
    it.subscribe_since(&client, "q", &[ada()], Some(Since::Version(2))).await.unwrap();
    assert_eq!(it.heard("a"), versions(3..=5));
    // The bus is behind the store.
    it.batch(&[emotion(4), emotion(5), emotion(6)]).await;
    assert_eq!(it.heard("a"), versions(3..=6));
}

#[tokio::test]
async fn a_time_is_as_good_as_a_version() {
    for time in (0..=70).step_by(10) {
        let it = Fixture::new();
        it.stores((1..=5).map(emotion));
        let client = it.client("a", Role::Admin, None).await;
        it.subscribe_since(&client, "q", &[ada()], Some(Since::Time(at(time + 2)))).await.unwrap();
        let first = i32::try_from(time / 10).unwrap() + 1;
        assert_eq!(it.heard("a"), versions(first..=5), "since {time}");
    }
}

#[tokio::test]
async fn of_prices_only_the_newest_was_missed() {
    for (since, missed) in [
        (Since::Version(0), vec![5]),
        (Since::Version(4), vec![5]),
        (Since::Version(5), vec![]),
        (Since::Time(at(42)), vec![5]),
        (Since::Time(at(52)), vec![]),
    ] {
        let it = Fixture::new();
        it.stores((1..=5).map(price));
        let known = it.client("before", Role::User, None).await;
        it.subscribe(&known, "q", &[bitcoin()]).await;
        it.batch(&[price(5)]).await;
        let client = it.client("a", Role::User, None).await;
        it.subscribe_since(&client, "q", &[bitcoin()], Some(since)).await.unwrap();
        assert_eq!(it.heard("a"), versions(missed.iter().copied()), "since {since:?}");
        it.batch(&[price(6)]).await;
        assert_eq!(it.heard("a"), versions(missed.into_iter().chain([6])), "since {since:?}");
    }
}

#[tokio::test]
async fn who_missed_too_much_is_told_so() {
    let it = Fixture::new();
    it.stores((1..=1001).map(emotion));
    let client = it.client("a", Role::Admin, None).await;
    let error = it.subscribe_since(&client, "q", &[ada()], Some(Since::Version(0))).await.err().unwrap();
    assert!(matches!(error, Error::Invalid(_)), "{error}");
}

#[tokio::test]
async fn a_version_is_of_one_topic_and_topics_are_few() {
    let it = Fixture::new();
    let client = it.client("a", Role::User, None).await;
    let two = [bitcoin(), ada()];
    let error = it.subscribe_since(&client, "q", &two, Some(Since::Version(1))).await.err().unwrap();
    assert!(matches!(error, Error::Invalid(_)), "{error}");
    let many: Vec<_> = (0..51).map(|n| crate::domain::StreamId::of("price", &n.to_string())).collect();
    assert!(it.subscribe_since(&client, "q", &many, None).await.is_err());
}

/// Whenever a subscriber comes while events are stored and told: nothing is left out, twice, or out of order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn between_what_was_missed_and_what_is_new_nothing_is_lost_or_doubled() {
    const EVENTS: i32 = 60;
    for round in 0..60 {
        let it = Arc::new(Fixture::new());
        // So that the topic is told from the beginning.
        let other = it.client("other", Role::Admin, None).await;
        it.subscribe(&other, "q", &[ada()]).await;
        let telling = tokio::spawn({
            let it = it.clone();
            async move {
                for version in 1..=EVENTS {
                    it.stores([emotion(version)]);
                    // The bus is now and then a batch behind.
                    if version % 3 == 0 {
                        it.batch(&[emotion(version - 2), emotion(version - 1), emotion(version)]).await;
                    }
                    tokio::task::yield_now().await;
                }
            }
        });
        let since = round % 7;
        while it.store.events.lock().unwrap().len() < round {
            tokio::task::yield_now().await;
        }
        let client = it.client("a", Role::Admin, None).await;
        let since = i32::try_from(since).unwrap();
        it.subscribe_since(&client, "q", &[ada()], Some(Since::Version(since))).await.unwrap();
        telling.await.unwrap();
        assert_eq!(it.heard("a"), versions(since + 1..=EVENTS), "round {round}");
    }
}
