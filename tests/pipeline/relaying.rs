//! The relay: order, completeness, many at once, and a bus that fails.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use mcp_core::bus::event_message::from_record;
use mcp_core::bus::{BusError, Message, Publisher, Record, Topics};
use mcp_core::domain::StreamId;
use mcp_core::platform::BoxFuture;
use mcp_core::platform::clock::SystemClock;
use mcp_core::services::Error;
use mcp_core::services::relay::Relay;
use mcp_core::store::Expected::Any;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::{Deployment, emotion_events};
use crate::contracts::Fixture;
use crate::contracts::build::{part, together};

/// The versions of each stream in the order in which they first came.
pub(super) fn first_occurrences(records: &[Record]) -> BTreeMap<Uuid, Vec<i32>> {
    let mut seen: BTreeMap<Uuid, Vec<i32>> = BTreeMap::new();
    for event in records.iter().map(|record| from_record(record).unwrap()) {
        let versions = seen.entry(event.stream.aggregate_id).or_default();
        if !versions.contains(&event.event_version) {
            versions.push(event.event_version);
        }
    }
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_relays_under_many_writers_neither_reorder_nor_lose_nor_starve() {
    let deployment = Arc::new(Deployment::new().await);
    let mut tasks = JoinSet::new();
    for writer in 0..6 {
        let deployment = deployment.clone();
        tasks.spawn(async move {
            for round in 0..20 {
                // Streams that all write to, and one of their own.
                deployment.feel(&format!("shared {}", (writer + round) % 4), 2).await;
                deployment.feel(&format!("own {writer}"), 1).await;
            }
        });
    }
    for _ in 0..5 {
        let deployment = deployment.clone();
        tasks.spawn(async move {
            for _ in 0..15 {
                deployment.relay().run(Utc::now() + TimeDelta::seconds(60)).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    deployment.relay_all().await;
    let seen = first_occurrences(&deployment.records(&deployment.topic("emotion")).await);
    assert_eq!(seen.len(), 10);
    for (stream, versions) in seen {
        assert!(versions.is_sorted(), "{stream}: {versions:?}");
        let last = i32::try_from(versions.len()).unwrap();
        assert_eq!(versions.last(), Some(&last), "{stream} has a hole");
    }
    let total = deployment.count("SELECT count(*) FROM events").await;
    assert_eq!(total, 6 * 20 * 3);
    assert_eq!(deployment.count("SELECT count(*) FROM stream_heads WHERE lease_until IS NOT NULL").await, 0);
}

/// Takes a number of messages, and no more until it is told.
struct Limited {
    left: AtomicUsize,
    taken: std::sync::Mutex<Vec<Message>>,
}

impl Publisher for Limited {
    fn publish(&self, messages: Vec<Message>, _: Duration) -> BoxFuture<'_, Vec<Result<(), BusError>>> {
        Box::pin(async move {
            let take = |message: Message| {
                let left = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
                left.map(|_| self.taken.lock().unwrap().push(message))
                    .map_err(|_| BusError::Unavailable("full".to_owned()))
            };
            messages.into_iter().map(take).collect()
        })
    }
}

#[tokio::test]
async fn a_bus_that_takes_only_a_part_is_gone_on_with_where_it_ended() {
    for fixture in [Fixture::sqlite().await, Fixture::postgres().await] {
        let streams: Vec<_> = (0..3).map(|n| StreamId::of("emotion", &format!("user {n}"))).collect();
        for stream in &streams {
            fixture.store.append(&together(vec![part(stream, Any, emotion_events(0..5))])).await.unwrap();
        }
        let bus = Arc::new(Limited { left: AtomicUsize::new(7), taken: std::sync::Mutex::default() });
        let relay = Relay {
            store: fixture.store.clone(),
            bus: bus.clone(),
            topics: Topics::default(),
            clock: Arc::new(SystemClock),
            meter: Arc::default(),
        };
        let deadline = Utc::now() + TimeDelta::seconds(120);
        assert!(matches!(relay.run(deadline).await, Err(Error::Unavailable { service, .. }) if service == "kafka"));
        assert_eq!(fixture.store.backlog().await.unwrap().events, 8);
        bus.left.store(100, Ordering::SeqCst);
        let summary = relay.run(deadline).await.unwrap();
        assert_eq!((summary.published, summary.backlog_events, summary.backlog_age_ms), (8, Some(0), Some(0)));
        let taken = bus.taken.lock().unwrap();
        assert_eq!(taken.len(), 15, "nothing came twice");
        for stream in &streams {
            let own = taken
                .iter()
                .filter(|message| message.key.as_deref() == Some(stream.aggregate_id.to_string().as_bytes()));
            assert_eq!(own.count(), 5);
        }
    }
}

#[tokio::test]
async fn a_run_without_time_for_a_round_says_so() {
    let fixture = Fixture::sqlite().await;
    fixture
        .store
        .append(&together(vec![part(&StreamId::of("emotion", "ada"), Any, emotion_events(0..1))]))
        .await
        .unwrap();
    let bus = Arc::new(Limited { left: AtomicUsize::new(9), taken: std::sync::Mutex::default() });
    let (topics, clock) = (Topics::default(), Arc::new(SystemClock));
    let relay = Relay { store: fixture.store.clone(), bus, topics, clock, meter: Arc::default() };
    assert!(
        matches!(relay.run(Utc::now() + TimeDelta::seconds(5)).await, Err(Error::TooShort(_))),
        "that is too little"
    );
    assert_eq!(fixture.store.backlog().await.unwrap().events, 1);
}

/// Takes everything but what is of one stream.
struct Refusing {
    stream: Uuid,
    taken: AtomicUsize,
}

impl Publisher for Refusing {
    fn publish(&self, messages: Vec<Message>, _: Duration) -> BoxFuture<'_, Vec<Result<(), BusError>>> {
        Box::pin(async move {
            let take = |message: Message| {
                if message.key.as_deref() == Some(self.stream.to_string().as_bytes()) {
                    return Err(BusError::Refused("too large".to_owned()));
                }
                self.taken.fetch_add(1, Ordering::SeqCst);
                Ok(())
            };
            messages.into_iter().map(take).collect()
        })
    }
}

/// One stream has a hole, another is refused: neither holds back the rest, and neither is tried without end.
#[tokio::test]
async fn a_stream_that_does_not_move_holds_back_no_other() {
    let fixture = Fixture::sqlite().await;
    let stream = |name: &str| StreamId::of("emotion", name);
    for name in ["torn", "refused", "good"] {
        for _ in 0..30 {
            let append = together(vec![part(&stream(name), Any, emotion_events(0..90))]);
            fixture.store.append(&append).await.unwrap();
        }
    }
    let torn = format!(
        "DELETE FROM events WHERE event_version = 100 AND hex(aggregate_id) = '{:X}'",
        stream("torn").aggregate_id.simple()
    );
    fixture.database.tamper(&torn, "", |_| {}).await;
    let bus = Arc::new(Refusing { stream: stream("refused").aggregate_id, taken: AtomicUsize::new(0) });
    let relay = Relay {
        store: fixture.store.clone(),
        bus: bus.clone(),
        topics: Topics::default(),
        clock: Arc::new(SystemClock),
        meter: Arc::default(),
    };
    let summary = relay.run(Utc::now() + TimeDelta::seconds(300)).await.unwrap();
    assert_eq!(bus.taken.load(Ordering::SeqCst), 2700 + 99);
    assert_eq!((summary.published, summary.backlog_events), (2799, Some(2700 + 2601)));
    assert!(summary.rounds < 20, "{summary:?}");
    let again = relay.run(Utc::now() + TimeDelta::seconds(300)).await.unwrap();
    assert_eq!((again.published, again.rounds), (0, 1));
}
