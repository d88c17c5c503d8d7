//! Poison of every kind among ten thousand good messages: all good ones are applied, all poison is kept byte for byte.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use mcp_core::bus::event_message::to_message;
use mcp_core::bus::{Header, Message, Publisher, Record};
use mcp_core::domain::memory::{MemoryAdded, MemoryEvent};
use mcp_core::domain::{Metadata, NewEvent, RecordedEvent, StreamId};
use mcp_core::store::Expected::Any;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Deployment, Mapping, emotion_events};
use crate::contracts::build::{metadata, part, together};

/// One message of each kind, by the kind that its dead letter should name.
pub(super) fn poisons(deployment: &Deployment) -> Vec<(&'static str, Message)> {
    let topic = deployment.topic("emotion");
    let good = |version: i32| {
        let event = RecordedEvent {
            id: Uuid::now_v7(),
            stream: StreamId::of("emotion", &Uuid::now_v7().to_string()),
            event_version: version,
            event_type: "EmotionUpdated".to_owned(),
            schema_version: 1,
            data: emotion_events(3..4)[0].data.clone(),
            metadata: Metadata { correlation_id: "poison".to_owned(), ..metadata() },
        };
        to_message(&event, &deployment.topics).unwrap()
    };
    let raw = |value: Option<&[u8]>| Message {
        topic: topic.clone(),
        key: Some(Bytes::from(Uuid::now_v7().to_string())),
        value: value.map(Bytes::copy_from_slice),
        headers: vec![("their-own".to_owned(), Some(Bytes::from_static(b"\x00\xff\xfe")))],
    };
    // A good message with something in its value changed; its headers go with it where they say the same.
    let changed = |version: i32, change: &dyn Fn(&mut Value)| {
        let mut message = good(version);
        let mut value: Value = serde_json::from_slice(message.value.as_ref().unwrap()).unwrap();
        change(&mut value);
        message.headers.retain(|(name, _)| name == "correlation-id");
        Message { value: Some(Bytes::from(value.to_string())), ..message }
    };
    let with_header = |name: &str, value: Option<&'static [u8]>| {
        let mut message = good(1);
        message.headers.retain(|(header, _)| header != name);
        message.headers.push((name.to_owned(), value.map(Bytes::from_static)));
        message
    };
    let nul = MemoryEvent::Added(MemoryAdded { memory_id: Uuid::now_v7(), content: "a\0b".to_owned() });
    let nul = NewEvent::from_domain(&nul).unwrap();
    vec![
        ("MalformedEvent", raw(Some(b"not JSON at all"))),
        ("MalformedEvent", raw(Some(&[0xff; 64]))),
        ("MalformedEvent", raw(Some(b""))),
        ("MalformedEvent", raw(Some(&vec![b'x'; 1_000_000]))),
        ("NoValue", raw(None)),
        ("MalformedEvent", changed(1, &|event| event["eventVersion"] = json!("one"))),
        ("MalformedEvent", changed(1, &|event| event["eventVersion"] = json!(0))),
        ("MalformedEvent", changed(1, &|event| event["metadata"] = json!([]))),
        ("UnknownEventType", changed(1, &|event| event["eventType"] = json!("EmotionLost"))),
        ("UnknownEventType", changed(1, &|event| event["aggregateType"] = json!("horoscope"))),
        ("NewerSchema", changed(1, &|event| event["schemaVersion"] = json!(99))),
        ("NoUpcaster", changed(1, &|event| event["schemaVersion"] = json!(0))),
        ("MalformedPayload", changed(1, &|event| event["data"]["points"] = json!("many"))),
        ("InvalidHeader", with_header("correlation-id", Some(b"\xc3\x28"))),
        ("InvalidHeader", with_header("event-type", None)),
        ("HeaderMismatch", with_header("event-id", Some(b"another"))),
        ("MissingHistory", good(7)),
        (
            "Unstorable",
            changed(1, &|event| {
                event["aggregateType"] = json!("memory");
                event["eventType"] = json!(nul.event_type);
                event["data"] = nul.data.clone();
            }),
        ),
    ]
}

/// What a letter was, without what was added to it.
pub(super) fn original(letter: &Record) -> (Option<Bytes>, Option<Bytes>, Vec<Header>) {
    let added = |name: &str| {
        name.starts_with("__connect.errors.") || name.starts_with("kafka_dlt-") || name == "mcp-replay-count"
    };
    let headers = letter.headers.iter().filter(|(name, _)| !added(name)).cloned().collect();
    (letter.key.clone(), letter.value.clone(), headers)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn poison_among_ten_thousand_good_messages_is_kept_and_blocks_nothing() {
    const USERS: i32 = 100;
    let deployment = Deployment::new().await;
    let topic = deployment.topic("emotion");
    let mut poisons = poisons(&deployment);
    let all: Vec<_> = poisons.iter().map(|(kind, message)| (*kind, message.clone())).collect();
    let relay = deployment.relay();
    for round in 0..20 {
        for user in 0..USERS {
            let stream = StreamId::of("emotion", &format!("user {user}"));
            let append = together(vec![part(&stream, Any, emotion_events(round * 5..round * 5 + 5))]);
            deployment.store.append(&append).await.unwrap();
        }
        relay.run(chrono::Utc::now() + chrono::TimeDelta::seconds(60)).await.unwrap();
        if let Some((_, message)) = poisons.pop() {
            let results = deployment.bus.publish(vec![message], Duration::from_secs(20)).await;
            assert!(results[0].is_ok(), "{results:?}");
        }
    }
    assert!(poisons.is_empty());
    let projector = deployment.start("event-projector").await;
    Mapping::of(&deployment, &topic).drain(&projector).await;

    for user in 0..USERS {
        assert_eq!(deployment.points(&format!("user {user}")).await, Some((99, 100)), "user {user}");
    }
    assert!(projector.output().len() < 100_000, "the log does not repeat what was sent");
    for content in ["not JSON at all", "xxxx", "many"] {
        assert!(!projector.output().contains(content), "{content}");
    }
    let letters = deployment.records(&format!("{topic}.dlq")).await;
    assert_eq!(letters.len(), all.len());
    let mut by_key: BTreeMap<_, _> = letters.iter().map(|letter| (letter.key.clone(), letter)).collect();
    for (kind, message) in all {
        let letter = by_key.remove(&message.key).unwrap_or_else(|| panic!("{kind}: {:?} is not there", message.key));
        assert_eq!(original(letter), (message.key, message.value, message.headers), "{kind}");
        assert_eq!(letter.header_text("__connect.errors.exception.class.name"), Some(kind));
        assert_eq!(letter.header_text("__connect.errors.topic"), Some(topic.as_str()));
        assert_eq!(letter.header_text("kafka_dlt-original-topic"), Some(topic.as_str()));
        assert!(letter.header_text("kafka_dlt-exception-message").is_some_and(|text| !text.is_empty()), "{kind}");
    }
}

/// A database that cannot take a value today: its letters are replayed once it can.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_fix_a_replay_applies_what_was_poison() {
    let deployment = Deployment::new().await;
    let topic = deployment.topic("emotion");
    // A column that holds nothing above 9.9.
    deployment.sql("ALTER TABLE emotions ALTER COLUMN points TYPE numeric(2, 1)").await;
    for user in 0..10 {
        deployment.feel(&format!("user {user}"), 11).await;
    }
    deployment.feel("lucky", 3).await;
    deployment.relay_all().await;
    let projector = deployment.start("event-projector").await;
    let mut mapping = Mapping::of(&deployment, &topic);
    mapping.drain(&projector).await;
    assert_eq!(deployment.count("SELECT count(*) FROM emotions WHERE points = 2 AND version = 3").await, 1);
    assert_eq!(deployment.count("SELECT count(*) FROM emotions WHERE points = 9 AND version = 10").await, 10);
    assert_eq!(deployment.records(&format!("{topic}.dlq")).await.len(), 10);

    deployment.sql("ALTER TABLE emotions ALTER COLUMN points TYPE integer").await;
    let replayer = deployment.start("dlq-replay").await;
    let summary = replayer.invoke(json!({ "topic": topic })).await.unwrap();
    assert_eq!((&summary["replayed"], &summary["remaining"]), (&json!(10), &json!(0)), "{summary}");
    mapping.drain(&projector).await;
    for user in 0..10 {
        assert_eq!(deployment.points(&format!("user {user}")).await, Some((10, 11)));
    }
    assert!(
        deployment.records(&format!("{topic}.dlq")).await.is_empty(),
        "none died again, and what was replayed is gone"
    );
    let again = replayer.invoke(json!({ "topic": topic })).await.unwrap();
    assert_eq!(again["replayed"], 0, "safe to run twice: {again}");
}

/// The topic of dead letters cannot be written: the record waits, and is not lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_place_for_dead_letters_poison_waits() {
    let deployment = Deployment::new().await;
    let topic = format!("{}elsewhere", deployment.prefix);
    let spec = |name: String, max_message_bytes| mcp_core::bus::TopicSpec {
        name,
        partitions: 1,
        retention: None,
        max_message_bytes,
    };
    use mcp_core::bus::Bus;
    deployment.bus.create_topics(&[spec(topic.clone(), 1_048_588)]).await.unwrap();
    deployment.feel("ada", 2).await;
    deployment.relay_all().await;
    let mut messages: Vec<_> = deployment.records(&deployment.topic("emotion")).await;
    messages.iter_mut().for_each(|record| record.topic.clone_from(&topic));
    let as_message =
        |record: Record| Message { topic: record.topic, key: record.key, value: record.value, headers: record.headers };
    let mut messages: Vec<_> = messages.into_iter().map(as_message).collect();
    messages.insert(1, crate::contracts::message(&topic, "k", "no event"));
    deployment.publish(messages).await;
    let projector = deployment.start("event-projector").await;
    let mut mapping = Mapping::of(&deployment, &topic);
    assert_eq!(mapping.deliver(&projector, 100).await, Some(1));
    assert_eq!(mapping.read(100).await[0].offset, 1, "it comes again from the poison on");
    deployment.bus.create_topics(&[spec(format!("{topic}.dlq"), 2_000_000)]).await.unwrap();
    mapping.drain(&projector).await;
    assert_eq!(deployment.points("ada").await, Some((1, 2)));
    assert_eq!(deployment.records(&format!("{topic}.dlq")).await.len(), 1);
}
