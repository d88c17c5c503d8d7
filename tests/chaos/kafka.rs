//! Kafka dies, the network forgets, processes are frozen or killed: nothing is lost, and nothing comes late.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mcp_core::bus::event_message::from_record;
use mcp_core::bus::kafka::KafkaBus;
use mcp_core::bus::{Bus, BusError, Message, Publisher, Record, TopicSpec, Topics};
use mcp_core::domain::emotion::{Emotion, EmotionEvent, EmotionUpdated};
use mcp_core::domain::{Metadata, NewEvent, StreamId};
use mcp_core::platform::clock::{Clock, ManualClock, SystemClock};
use mcp_core::platform::config::{KafkaConfig, Vars};
use mcp_core::platform::secret::Secret;
use mcp_core::store::postgres::PostgresStore;
use mcp_core::store::sqlite::SqliteStore;
use mcp_core::store::{Append, EventStore, Expected, Maintenance, Outbox, Projections, ReadModels, StreamAppend};
use serde_json::json;
use support::eventually::{eventually, within};
use support::kafka_server::{KafkaServer, Security};
use support::lambda::Lambda;
use support::local::Local;
use support::proxy::Network;
use support::services::fresh_postgres_database;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use uuid::Uuid;

use super::{SECRET, ask};

fn bus_at(brokers: &str) -> KafkaBus {
    bus_of(&[("KAFKA_BROKERS", brokers)], Arc::new(SystemClock))
}

fn bus_of(variables: &[(&str, &str)], clock: Arc<dyn Clock>) -> KafkaBus {
    let vars: Vars = variables.iter().copied().collect();
    KafkaBus::new(KafkaConfig::from_vars(&vars).unwrap().unwrap(), clock).unwrap()
}

async fn records(bus: &KafkaBus, topic: &str) -> Vec<Record> {
    let mut records = vec![];
    for state in bus.partitions("test", topic).await.unwrap() {
        let mut next = state.first;
        while next < state.end {
            let read = bus.read(topic, state.partition, next, 1000).await.unwrap();
            next = read.last().map_or(state.end, |record| record.offset + 1);
            records.extend(read);
        }
    }
    records
}

fn message(topic: &str, value: &'static str) -> Message {
    let (key, value) = (Some(Bytes::from_static(b"k")), Some(Bytes::from_static(value.as_bytes())));
    Message { topic: topic.to_owned(), key, value, headers: vec![] }
}

async fn topic(bus: &KafkaBus) -> String {
    let spec = TopicSpec { name: "t".to_owned(), partitions: 1, retention: None, max_message_bytes: 1_000_000 };
    bus.create_topics(std::slice::from_ref(&spec)).await.unwrap();
    spec.name
}

/// Fifty mutations a second, and twenty seconds without a broker.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_gone_for_twenty_seconds_costs_no_mutation_and_no_event() {
    const USERS: usize = 10;
    let mut kafka = KafkaServer::start().await;
    let (brokers, database) = (kafka.brokers(), fresh_postgres_database().await);
    let local = Arc::new(
        Local::start(&[
            ("KAFKA_BROKERS", brokers.as_str()),
            ("DATABASE_URL", database.as_str()),
            ("JWT_SECRET", SECRET),
            ("PRICE_SOURCES", "simulated"),
            ("RATE_LIMITS", "off"),
        ])
        .await,
    );
    let ends = Instant::now() + Duration::from_secs(30);
    let mut writers = JoinSet::new();
    for writer in 0..USERS {
        let local = local.clone();
        writers.spawn(async move {
            let (client, user) = (reqwest::Client::new(), format!("writer-{writer}"));
            let mut turns = interval(Duration::from_millis(200));
            turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut acknowledged = 0;
            while Instant::now() < ends {
                turns.tick().await;
                let feedback = if acknowledged % 3 == 0 { -1 } else { 1 };
                let mutation = format!("mutation {{ updateEmotion(feedback: {feedback}) {{ version }} }}");
                let (code, answer) = ask(&client, &local, &user, &mutation).await;
                assert_eq!(code, None, "{answer}");
                acknowledged += 1;
            }
            (user, acknowledged)
        });
    }
    sleep(Duration::from_secs(4)).await;
    kafka.kill().await;
    sleep(Duration::from_secs(20)).await;
    kafka.restart().await;
    let acknowledged: BTreeMap<String, i32> = writers.join_all().await.into_iter().collect();
    let total: i32 = acknowledged.values().sum();
    assert!(total > 500, "too few mutations to say anything: {total}");

    let store = PostgresStore::connect(&Secret::new(&database), 2).unwrap();
    within(Duration::from_secs(120), "the backlog is gone", || async {
        let backlog = store.backlog().await.unwrap();
        if backlog.events == 0 { Ok(()) } else { Err(backlog) }
    })
    .await;
    // First occurrences in order, and none missing.
    let mut seen: BTreeMap<Uuid, Vec<i32>> = BTreeMap::new();
    for record in records(&bus_at(&brokers), &Topics::default().of("emotion")).await {
        let event = from_record(&record).unwrap();
        let versions = seen.entry(event.stream.aggregate_id).or_default();
        if !versions.contains(&event.event_version) {
            versions.push(event.event_version);
        }
    }
    for (user, count) in &acknowledged {
        let stream = StreamId::of("emotion", user);
        assert!(seen[&stream.aggregate_id].iter().copied().eq(1..=*count), "{user}: {:?}", seen[&stream.aggregate_id]);
        // Applied, and applied once: the read model is what the stream amounts to.
        let client = reqwest::Client::new();
        let (_, answer) = ask(&client, &local, user, "{ emotion { points version } }").await;
        let truth = &answer["data"]["emotion"];
        within(Duration::from_secs(60), "the read model is up to date", || async {
            let projected = store.emotions(&[stream.aggregate_id]).await.unwrap();
            let projected =
                projected.first().map(|(_, emotion)| json!({ "points": emotion.points, "version": emotion.version }));
            if projected.as_ref() == Some(truth) { Ok(()) } else { Err((projected, truth)) }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_given_up_is_not_sent_later() {
    let kafka = KafkaServer::start().await;
    let bus = bus_at(&kafka.brokers());
    let topic = topic(&bus).await;
    assert!(bus.publish(vec![message(&topic, "before")], Duration::from_secs(20)).await[0].is_ok());
    kafka.network.set(Network::Refuses).await;
    let given_up = bus.publish(vec![message(&topic, "given up")], Duration::from_millis(1500)).await;
    assert!(matches!(given_up[0], Err(BusError::Unavailable(_))), "{given_up:?}");
    kafka.network.set(Network::Good).await;
    let after = bus.publish(vec![message(&topic, "after")], Duration::from_secs(30)).await;
    assert!(after[0].is_ok(), "{after:?}");
    let values: Vec<_> = records(&bus, &topic).await.into_iter().map(|record| record.value.unwrap()).collect();
    assert_eq!(values, ["before", "after"]);
}

async fn append(store: &dyn EventStore, user: &str) {
    let event = EmotionEvent::Updated(EmotionUpdated {
        old_emotion: Emotion::Curious,
        new_emotion: Emotion::Curious,
        points: 1,
        feedback: 1,
    });
    let metadata = Metadata {
        user_id: Some(user.to_owned()),
        correlation_id: "chaos".to_owned(),
        causation_id: None,
        traceparent: None,
        idempotency_key: None,
        occurred_at: chrono::Utc::now(),
    };
    let events = vec![NewEvent::from_domain(&event).unwrap()];
    let streams = vec![StreamAppend { stream: StreamId::of("emotion", user), expected: Expected::Any, events }];
    store.append(&Append { streams, metadata, idempotency: None }).await.unwrap();
}

/// A sandbox is frozen between two invocations; when it thaws, its connections are dead and nobody has told it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_thaws_publishes_on_new_connections() {
    let kafka = KafkaServer::start().await;
    let (brokers, database) = (kafka.brokers(), fresh_postgres_database().await);
    let store = PostgresStore::connect(&Secret::new(&database), 2).unwrap();
    store.migrate().await.unwrap();
    let bus = bus_at(&brokers);
    bus.create_topics(&Topics::default().specs()).await.unwrap();
    let variables = [("DATABASE_URL", database.as_str()), ("KAFKA_BROKERS", brokers.as_str())];
    let relay = Lambda::start("outbox-relay", &variables).await;
    append(&store, "ada").await;
    assert_eq!(relay.invoke(json!({})).await.unwrap()["published"], 1);
    for round in 0..2 {
        relay.signal("STOP").await;
        kafka.network.forget();
        append(&store, "ada").await;
        sleep(Duration::from_secs(1)).await;
        relay.signal("CONT").await;
        // The first try may be given up at its deadline; the schedule comes again.
        eventually("it is published", || async {
            match relay.invoke(json!({})).await {
                Ok(summary) if summary["backlogEvents"] == 0 => Ok(()),
                other => {
                    // As if the time of its lease had passed.
                    sleep(Duration::from_millis(200)).await;
                    Err(other)
                }
            }
        })
        .await;
        assert_eq!(records(&bus_at(&brokers), &Topics::default().of("emotion")).await.len(), round + 2);
    }
}

/// After minutes without use the old connections are not even tried: the first publish does not wait for them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_producer_that_lay_unused_for_minutes_is_not_used_again() {
    let kafka = KafkaServer::start().await;
    let (brokers, clock) = (kafka.brokers(), ManualClock::at(chrono::Utc::now()));
    let bus = bus_of(&[("KAFKA_BROKERS", &brokers)], Arc::new(clock.clone()));
    let topic = topic(&bus).await;
    assert!(bus.publish(vec![message(&topic, "before")], Duration::from_secs(20)).await[0].is_ok());
    kafka.network.forget();
    clock.advance(chrono::TimeDelta::minutes(4));
    // Less than a request on a dead socket takes to be given up.
    let after = bus.publish(vec![message(&topic, "after")], Duration::from_secs(4)).await;
    assert!(after[0].is_ok(), "{after:?}");
    let values: Vec<_> = records(&bus, &topic).await.into_iter().map(|record| record.value.unwrap()).collect();
    assert_eq!(values, ["before", "after"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_tls_only_who_is_trusted_is_talked_to() {
    let kafka = KafkaServer::start_secured(Security::Tls).await;
    let brokers = kafka.brokers();
    let bus = |auth: &str, ca: &str| {
        let variables = [("KAFKA_BROKERS", brokers.as_str()), ("KAFKA_AUTH", auth), ("KAFKA_CA_FILE", ca)];
        bus_of(&variables, Arc::new(SystemClock))
    };
    let good = bus("tls", &kafka.ca_file());
    let topic = topic(&good).await;
    assert!(good.publish(vec![message(&topic, "in")], Duration::from_secs(20)).await[0].is_ok());
    for refused in [bus("tls", &kafka.other_ca_file()), bus("none", &kafka.ca_file())] {
        let results = refused.publish(vec![message(&topic, "out")], Duration::from_secs(3)).await;
        assert!(matches!(results[0], Err(BusError::Unavailable(_))), "{results:?}");
    }
    assert_eq!(records(&good, &topic).await.len(), 1);
}

/// A broker that checks tokens as MSK's do, all but the signature: every function that speaks to Kafka gets in with the
/// credentials of its role, and without a token nobody does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_iam_the_functions_role_gets_in() {
    let kafka = KafkaServer::start_secured(Security::Iam).await;
    let (brokers, ca, database) = (kafka.brokers(), kafka.ca_file(), fresh_postgres_database().await);
    let store = PostgresStore::connect(&Secret::new(&database), 2).unwrap();
    store.migrate().await.unwrap();
    append(&store, "ada").await;
    let start = async |function: &str, auth: &str| {
        let variables = [
            ("DATABASE_URL", database.as_str()),
            ("KAFKA_BROKERS", brokers.as_str()),
            ("KAFKA_AUTH", auth),
            ("KAFKA_CA_FILE", ca.as_str()),
        ];
        Lambda::start(function, &variables).await
    };
    let admin = start("admin", "iam").await;
    let made = admin
        .invoke(json!({ "command": "topics" }))
        .await
        .unwrap_or_else(|error| panic!("{error}: {}", admin.output()));
    assert_eq!(made["created"].as_array().map(Vec::len), Some(9), "{made}");
    assert!(start("outbox-relay", "tls").await.invoke(json!({})).await.is_err(), "without a token");
    let relay = start("outbox-relay", "iam").await;
    let summary = relay.invoke(json!({})).await.unwrap_or_else(|error| panic!("{error}: {}", relay.output()));
    assert_eq!((&summary["published"], &summary["backlogEvents"]), (&json!(1), &json!(0)), "{}", relay.output());
    let replayer = start("dlq-replay", "iam").await;
    let replayed = replayer.invoke(json!({ "topic": "mcp.events" })).await;
    let replayed = replayed.unwrap_or_else(|error| panic!("{error}: {}", replayer.output()));
    assert_eq!(replayed["remaining"], 0, "{replayed}");
    for function in [admin, relay, replayer] {
        assert!(!function.output().contains("X-Amz-Signature"), "a token is a secret");
    }
}

/// Without Kafka: killed at any moment, what was committed reaches the read models after the next start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_local_process_that_is_killed_projects_the_rest_when_it_is_back() {
    let variables = [("PRICE_SOURCES", "simulated"), ("JWT_SECRET", SECRET), ("RATE_LIMITS", "off")];
    let mut folder = None;
    let client = reqwest::Client::new();
    for _ in 0..3 {
        let local = match folder {
            None => Local::start(&variables).await,
            Some(folder) => Local::start_in(folder, &variables).await,
        };
        for _ in 0..40 {
            let (code, answer) =
                ask(&client, &local, "ada", "mutation { updateEmotion(feedback: 1) { version } }").await;
            assert_eq!(code, None, "{answer}");
        }
        folder = Some(local.kill().await);
    }
    let local = Local::start_in(folder.unwrap(), &variables).await;
    let store = SqliteStore::open(local.folder().join(".local/mcp.db").to_str().unwrap()).await.unwrap();
    let stream = StreamId::of("emotion", "ada").aggregate_id;
    // A relay that was killed has claimed the stream for half a minute.
    within(Duration::from_secs(90), "all is projected", || async {
        let projected = store.projected_versions(&[stream]).await.unwrap();
        if projected.get(&stream) == Some(&120) { Ok(()) } else { Err(projected) }
    })
    .await;
    assert_eq!(store.emotions(&[stream]).await.unwrap()[0].1.points, 100);
}
