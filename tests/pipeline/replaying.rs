//! Replays: filters, limits, dry runs, parking; killed half-way, and on a log in the process itself.

use std::collections::BTreeMap;

use chrono::{TimeDelta, Utc};
use mcp_core::bus::dead_letter::{Poison, dead_letter};
use mcp_core::bus::{Message, Record};
use serde_json::{Value, json};
use support::folder::Folder;
use support::process::command;

use super::Deployment;
use super::dead_letters::{original, poisons};

/// Puts letters on a topic of dead letters: of kinds `Even` and `Odd` in turn.
async fn letters(deployment: &Deployment, count: i64, replays: u32) -> String {
    let topic = deployment.topic("emotion");
    let letter = |n: i64| {
        let record = Record {
            topic: topic.clone(),
            partition: 0,
            offset: n,
            timestamp: None,
            key: Some(format!("key {n}").into()),
            value: Some(format!("value {n}").into()),
            headers: vec![("mcp-replay-count".to_owned(), Some(replays.to_string().into()))],
        };
        let kind = if n % 2 == 0 { "Even" } else { "Odd" };
        dead_letter(&record, &Poison { kind, message: format!("number {n}") }, "group")
    };
    let letters: Vec<Message> = (0..count).map(letter).collect();
    deployment.publish(letters).await;
    topic
}

fn values(records: &[Record]) -> BTreeMap<String, usize> {
    let mut values = BTreeMap::new();
    for record in records {
        *values
            .entry(String::from_utf8_lossy(record.value.as_deref().unwrap_or_default()).into_owned())
            .or_default() += 1;
    }
    values
}

fn counts(summary: &Value) -> [i64; 4] {
    ["replayed", "skipped", "parked", "remaining"]
        .map(|name| summary[name].as_i64().unwrap_or_else(|| panic!("{summary}")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_poison_comes_back_byte_for_byte() {
    let deployment = Deployment::new().await;
    let (topic, poisons) = (deployment.topic("emotion"), poisons(&deployment));
    let record = |(n, message): (usize, &Message)| Record {
        topic: message.topic.clone(),
        partition: 0,
        offset: i64::try_from(n).unwrap(),
        timestamp: None,
        key: message.key.clone(),
        value: message.value.clone(),
        headers: message.headers.clone(),
    };
    let reason = Poison { kind: "Test", message: "a test".to_owned() };
    let records: Vec<_> = poisons.iter().map(|(_, message)| message).enumerate().map(record).collect();
    deployment.publish(records.iter().map(|record| dead_letter(record, &reason, "group")).collect()).await;
    let replayer = deployment.start("dlq-replay").await;
    let summary = replayer.invoke(json!({ "topic": topic })).await.unwrap();
    assert_eq!(counts(&summary), [i64::try_from(poisons.len()).unwrap(), 0, 0, 0]);
    let back: BTreeMap<_, _> =
        deployment.records(&topic).await.into_iter().map(|record| (record.key.clone(), record)).collect();
    for (kind, message) in poisons {
        let record = &back[&message.key];
        assert_eq!(original(record), (message.key, message.value, message.headers.clone()), "{kind}");
        assert_eq!(record.headers.len(), message.headers.len() + 1, "nothing of its death is left: {kind}");
        assert_eq!(record.header_text("mcp-replay-count"), Some("1"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_filter_leaves_out_stays_a_dead_letter() {
    let deployment = Deployment::new().await;
    let topic = letters(&deployment, 40, 0).await;
    let replayer = deployment.start("dlq-replay").await;
    let odd = json!({ "topic": topic, "filter": { "error": "Odd" } });
    assert_eq!(counts(&replayer.invoke(odd.clone()).await.unwrap()), [20, 20, 0, 0]);
    let replayed = values(&deployment.records(&topic).await);
    assert!(replayed.len() == 20 && replayed.keys().all(|value| value[6..].parse::<i64>().unwrap() % 2 == 1));
    assert_eq!(counts(&replayer.invoke(odd).await.unwrap()), [0, 20, 0, 0], "the others are there again");
    // Their reasons are as they were.
    let number_six = json!({ "topic": format!("{topic}.dlq"), "filter": { "error": "number 6", "key": "key 6" } });
    assert_eq!(counts(&replayer.invoke(number_six).await.unwrap()), [1, 19, 0, 0]);
    let future = json!({ "topic": topic, "filter": { "from": Utc::now() + TimeDelta::hours(1) } });
    assert_eq!(counts(&replayer.invoke(future).await.unwrap()), [0, 19, 0, 0]);
    let by_type = json!({ "topic": topic, "filter": { "eventType": "EmotionUpdated" } });
    assert_eq!(counts(&replayer.invoke(by_type).await.unwrap()), [0, 19, 0, 0]);
    let past = json!({ "topic": topic, "filter": { "until": Utc::now() + TimeDelta::hours(1) } });
    assert_eq!(counts(&replayer.invoke(past).await.unwrap()), [19, 0, 0, 0]);
    assert_eq!(values(&deployment.records(&topic).await).len(), 40);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_maximum_and_a_dry_run_leave_the_rest() {
    let deployment = Deployment::new().await;
    let topic = letters(&deployment, 30, 0).await;
    let replayer = deployment.start("dlq-replay").await;
    let dry = json!({ "topic": topic, "dryRun": true });
    for _ in 0..2 {
        assert_eq!(counts(&replayer.invoke(dry.clone()).await.unwrap()), [30, 0, 0, 0]);
    }
    assert!(deployment.records(&topic).await.is_empty(), "nothing was changed");
    assert_eq!(counts(&replayer.invoke(json!({ "topic": topic, "max": 12 })).await.unwrap()), [12, 0, 0, 18]);
    assert_eq!(counts(&replayer.invoke(json!({ "topic": topic, "max": 0 })).await.unwrap()), [0, 0, 0, 18]);
    assert_eq!(counts(&replayer.invoke(json!({ "topic": topic })).await.unwrap()), [18, 0, 0, 0]);
    let replayed = values(&deployment.records(&topic).await);
    assert!(replayed.len() == 30 && replayed.values().all(|times| *times == 1), "{replayed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_replayed_too_often_is_parked() {
    let deployment = Deployment::new().await;
    let topic = letters(&deployment, 4, 5).await;
    let replayer = deployment.start("dlq-replay").await;
    assert_eq!(counts(&replayer.invoke(json!({ "topic": topic })).await.unwrap()), [0, 0, 4, 0]);
    let parked = deployment.records(&format!("{topic}.parked")).await;
    assert_eq!(values(&parked).len(), 4);
    assert!(parked.iter().all(|record| record.header_text("mcp-replay-count") == Some("5")));
    assert!(deployment.records(&topic).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn letters_can_go_elsewhere_and_nonsense_is_refused() {
    let deployment = Deployment::new().await;
    let topic = letters(&deployment, 3, 0).await;
    let elsewhere = deployment.topic("price");
    let replayer = deployment.start("dlq-replay").await;
    for nonsense in [
        json!({}),
        json!({ "topic": format!("{}nowhere", deployment.prefix) }),
        json!({ "topic": topic, "to": format!("{topic}.dlq") }),
        json!({ "topic": topic, "maximum": 3 }),
        json!({ "topic": topic, "filter": { "colour": "red" } }),
        json!({ "topic": topic, "to": "no such topic!" }),
        json!([]),
    ] {
        let error = replayer.invoke(nonsense.clone()).await.unwrap_err();
        assert!(error["errorMessage"].as_str().is_some_and(|text| !text.is_empty()), "{nonsense}: {error}");
    }
    let summary = replayer.invoke(json!({ "topic": topic, "to": elsewhere })).await.unwrap();
    assert_eq!(counts(&summary), [3, 0, 0, 0]);
    assert_eq!(values(&deployment.records(&elsewhere).await).len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_that_died_loses_nothing_and_repeats_a_slice_at_most() {
    for (point, repeats) in [("replay.acknowledged", true), ("replay.committed", false)] {
        let deployment = Deployment::new().await;
        let topic = letters(&deployment, 30, 0).await;
        let request = json!({ "topic": topic, "filter": { "error": "Even" } });
        let died = deployment.start_with("dlq-replay", &[("CRASH_AT", point)]).await;
        assert!(died.dies_of(request.clone()).await, "{}", died.output());
        let replayer = deployment.start("dlq-replay").await;
        let early = replayer.invoke(request.clone()).await.unwrap_err();
        assert!(early.to_string().contains("another replay"), "{early}");
        deployment.let_leases_run_out().await;
        replayer.invoke(request).await.unwrap();
        replayer.invoke(json!({ "topic": topic })).await.unwrap();
        let replayed = values(&deployment.records(&topic).await);
        assert_eq!(replayed.len(), 30, "{point}: {replayed:?}");
        assert_eq!(replayed.values().any(|times| *times > 1), repeats, "{point}: {replayed:?}");
        assert!(replayed.values().all(|times| *times <= 2), "{point}: {replayed:?}");
    }
}

/// A letter that was as large as its topic takes: with one more header it cannot go back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_letter_that_its_topic_refuses_is_parked_and_blocks_none() {
    let deployment = Deployment::new().await;
    let topic = letters(&deployment, 10, 0).await;
    let large = Message {
        topic: format!("{topic}.dlq"),
        key: Some("k".into()),
        value: Some(vec![b'x'; 1_048_510].into()),
        headers: vec![],
    };
    let behind_it = crate::contracts::message(&format!("{topic}.dlq"), "k", "behind it");
    deployment.publish(vec![large, behind_it]).await;
    let replayer = deployment.start("dlq-replay").await;
    assert_eq!(counts(&replayer.invoke(json!({ "topic": topic })).await.unwrap()), [11, 0, 1, 0]);
    assert_eq!(
        deployment.records(&format!("{topic}.parked")).await[0].value.as_ref().map(bytes::Bytes::len),
        Some(1_048_510)
    );
    assert_eq!(values(&deployment.records(&topic).await).len(), 11);
}

/// The log in the process has dead letters too, and the command line lists and replays them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_lists_and_replays_without_kafka() {
    use mcp_core::bus::in_process::InProcessBus;
    use mcp_core::bus::{Bus, Publisher, Topics};

    let folder = Folder::new("dlq");
    let database = format!("sqlite:{}/mcp.db", folder.path().display());
    let run = async |arguments: &[&str]| {
        let mut command = command(support::process::compiled("mcp-local"));
        let output = command.args(arguments).env("DATABASE_URL", &database).current_dir(folder.path()).output().await;
        let output = output.expect("the binary starts");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    run(&["admin", "migrate"]).await;
    assert!(run(&["admin", "topics"]).await.contains("mcp.events.dlq"));
    let bus = InProcessBus::open(folder.path().join("mcp-bus.db").to_str().unwrap()).await.unwrap();
    let record = Record {
        topic: Topics::default().of("emotion"),
        partition: 0,
        offset: 7,
        timestamp: None,
        key: Some("the key".into()),
        value: Some("no event".into()),
        headers: vec![],
    };
    let reason = Poison { kind: "MalformedEvent", message: "it is no event".to_owned() };
    bus.publish(vec![dead_letter(&record, &reason, "g")], std::time::Duration::from_secs(5)).await.remove(0).unwrap();
    let listed = run(&["dlq", "list", "mcp.events"]).await;
    assert!(listed.contains("the key") && listed.contains("MalformedEvent: it is no event"), "{listed}");
    let as_json: Value = serde_json::from_str(&run(&["dlq", "list", "mcp.events", "--json"]).await).unwrap();
    assert_eq!(as_json["key"], "the key");
    assert!(run(&["dlq", "replay", "mcp.events", "--dry-run"]).await.contains("it would be: 1 replayed"));
    assert!(run(&["dlq", "replay", "mcp.events"]).await.contains("1 replayed"));
    assert!(run(&["dlq", "list", "mcp.events"]).await.contains("0 dead letters"));
    let states = bus.partitions("g", "mcp.events").await.unwrap();
    assert_eq!(states.iter().map(|state| state.end).sum::<i64>(), 1);
}
