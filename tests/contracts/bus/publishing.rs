//! What publishing promises, and topics.

use std::time::Duration;

use bytes::Bytes;
use mcp_core::bus::{BusError, Message, Start};

use super::{BusFixture, WITHIN, bus_contract, message, take, value};

bus_contract!(
    topics_are_made_once,
    what_is_published_is_what_is_read,
    messages_of_a_key_keep_their_order,
    a_topic_that_is_not_there_is_an_error,
    what_is_too_large_is_refused_and_nothing_of_its_key_after_it,
    many_publishers_at_once_lose_nothing,
);

async fn topics_are_made_once(fixture: BusFixture) {
    let specs = [fixture.spec("one", 2), fixture.spec("two", 1)];
    let names: Vec<_> = specs.iter().map(|spec| spec.name.clone()).collect();
    assert_eq!(fixture.bus.create_topics(&specs).await.unwrap(), names);
    assert_eq!(fixture.bus.create_topics(&specs).await.unwrap(), [""; 0]);
    let with_another = [specs[0].clone(), fixture.spec("three", 1), specs[1].clone()];
    assert_eq!(fixture.bus.create_topics(&with_another).await.unwrap(), [fixture.name("three")]);
}

async fn what_is_published_is_what_is_read(fixture: BusFixture) {
    let topic = fixture.topic("whole", 1).await;
    let header = |name: &str, value: Option<&'static [u8]>| (name.to_owned(), value.map(Bytes::from_static));
    let messages = vec![
        Message {
            headers: vec![
                header("a", Some(b"1")),
                header("a", Some(b"\xff\x00")),
                header("b", None),
                header("c", Some(b"")),
            ],
            ..message(&topic, "key", "value")
        },
        Message { key: None, value: None, ..message(&topic, "", "") },
        Message { key: Some(Bytes::new()), value: Some(Bytes::new()), ..message(&topic, "", "") },
        Message { value: Some(Bytes::from_static(&[0, 255, 128])), ..message(&topic, "k", "") },
    ];
    fixture.publish(messages.clone()).await;
    let records = fixture.bus.read(&topic, 0, 0, 10).await.unwrap();
    assert_eq!(records.len(), messages.len());
    for ((record, message), offset) in records.iter().zip(&messages).zip(0..) {
        assert_eq!((&record.topic, record.partition, record.offset), (&topic, 0, offset));
        assert_eq!((&record.key, &record.value, &record.headers), (&message.key, &message.value, &message.headers));
        assert!(record.timestamp.is_some_and(|at| at > 1_700_000_000_000));
    }
    assert_eq!(records[0].header_text("a"), Some("1"));
}

async fn messages_of_a_key_keep_their_order(fixture: BusFixture) {
    let topic = fixture.topic("ordered", 4).await;
    for round in 0..5 {
        let messages = (0..200).map(|n| message(&topic, &format!("key {}", n % 7), &format!("{}", round * 200 + n)));
        fixture.publish(messages.collect()).await;
    }
    let mut consumer = fixture.bus.subscribe(&fixture.name("group"), &topic, Start::Earliest).await.unwrap();
    let records = take(consumer.as_mut(), 1000).await;
    for key in 0..7 {
        let key = Bytes::from(format!("key {key}"));
        let own: Vec<_> = records.iter().filter(|record| record.key.as_ref() == Some(&key)).collect();
        assert!(own.iter().all(|record| record.partition == own[0].partition), "a key has one partition");
        assert!(own.iter().map(|record| value(record).parse::<u32>().unwrap()).is_sorted());
    }
    assert_eq!(records.len(), 1000);
}

async fn a_topic_that_is_not_there_is_an_error(fixture: BusFixture) {
    let there = fixture.topic("there", 1).await;
    let messages = vec![message(&fixture.name("nowhere"), "k", "lost"), message(&there, "k", "kept")];
    let results = fixture.bus.publish(messages, WITHIN).await;
    assert!(results[0].is_err() && results[1].is_ok(), "{results:?}");
    assert_eq!(fixture.bus.read(&there, 0, 0, 10).await.unwrap().len(), 1);
}

async fn what_is_too_large_is_refused_and_nothing_of_its_key_after_it(fixture: BusFixture) {
    let topic = fixture.topic("large", 1).await;
    let large = "x".repeat(1_100_000);
    let messages = vec![
        message(&topic, "a", "before"),
        message(&topic, "a", &large),
        message(&topic, "a", "after"),
        message(&topic, "b", "another"),
    ];
    let results = fixture.bus.publish(messages, WITHIN).await;
    assert!(matches!(results[1], Err(BusError::Refused(_))), "{results:?}");
    assert!(results[0].is_ok() && results[2].is_err() && results[3].is_ok(), "{results:?}");
    let kept: Vec<_> = fixture.bus.read(&topic, 0, 0, 10).await.unwrap().iter().map(value).collect();
    assert_eq!(kept, ["before", "another"]);
    // It works on.
    fixture.publish(vec![message(&topic, "a", "again")]).await;
}

async fn many_publishers_at_once_lose_nothing(fixture: BusFixture) {
    let topic = fixture.topic("many", 3).await;
    let mut publishers = tokio::task::JoinSet::new();
    for publisher in 0..8 {
        let (bus, topic) = (fixture.bus.clone(), topic.clone());
        publishers.spawn(async move {
            for n in 0..20 {
                let results =
                    bus.publish(vec![message(&topic, &format!("{publisher}"), &format!("{n}"))], WITHIN).await;
                assert!(results.iter().all(Result::is_ok), "{results:?}");
            }
        });
    }
    publishers.join_all().await;
    let states = fixture.bus.partitions("nobody", &topic).await.unwrap();
    assert_eq!(states.iter().map(|state| state.end - state.first).sum::<i64>(), 160);
    tokio::time::sleep(Duration::ZERO).await;
}
