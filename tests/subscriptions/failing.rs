//! What fails, and what becomes of what was to be told.

use mcp_core::bus::Record;
use serde_json::json;

use super::live::failed_partitions;
use super::{Client, EMOTIONS, Live, PRICES};
use crate::functions::sample;
use crate::pipeline::event;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_that_is_away_loses_nothing_of_a_batch() {
    let live = Live::start().await;
    let mut client = Client::admin(&live).await;
    client.listens(&live, "p", PRICES).await;
    client.listens(&live, "e", EMOTIONS).await;
    let batch = [live.felt("ada", 0..3).await, vec![live.quoted("bitcoin", 100).await]].concat();
    let astray = live.start_with("subscription-fanout", &[("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:9")]).await;
    let answer = astray.invoke(event(&live.records(&batch))).await.unwrap();
    assert_eq!(failed_partitions(&answer), 2, "{answer}");
    client.hears_nothing().await;
    live.tell(&batch).await;
    let mut told = vec![];
    for _ in 0..4 {
        let message = client.hears().await;
        let version = message["payload"]["data"].as_object().and_then(|data| data.values().next()?["version"].as_i64());
        told.push((message["id"].as_str().unwrap().to_owned(), version.unwrap()));
    }
    told.sort();
    assert_eq!(told, [("e", 1), ("e", 2), ("e", 3), ("p", 1)].map(|(id, version)| (id.to_owned(), version)));
    client.hears_nothing().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_registry_nobody_is_let_in_and_who_asks_is_disconnected() {
    let live = Live::start().await;
    let mut client = Client::user(&live).await;
    let astray = live.start_with("subscriptions", &[("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:9")]).await;
    let refused = astray.invoke(sample("subscriptions-connect")).await.unwrap();
    assert_eq!(refused["statusCode"], 503, "{refused}");
    let mut message = sample("subscriptions-message");
    message["requestContext"]["connectionId"] = json!(client.id.as_str());
    message["body"] = json!(json!({ "id": "1", "type": "subscribe", "payload": { "query": PRICES } }).to_string());
    assert_eq!(astray.invoke(message).await.unwrap(), json!({ "statusCode": 200 }));
    // What it opens elsewhere is at the registry that works: `$disconnect` tells it.
    client.is_cut_off(&live).await;
    assert!(!astray.output().contains("panicked"), "{}", astray.output());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_that_cannot_be_read_are_logged_and_hold_up_nothing() {
    let live = Live::start().await;
    let mut client = Client::user(&live).await;
    client.listens(&live, "1", PRICES).await;
    let good = live.records(&[live.quoted("bitcoin", 100).await]).remove(0);
    let bad = |offset, value: Option<&str>| Record {
        offset,
        value: value.map(|value| value.to_owned().into()),
        ..good.clone()
    };
    let text = String::from_utf8(good.value.clone().unwrap().to_vec()).unwrap();
    let batch = [
        bad(1, None),
        bad(2, Some("a secret that is no event")),
        bad(3, Some("{}")),
        bad(4, Some(&text.replace("\"100\"", "\"a lot\""))),
        good.clone(),
        bad(200, Some("[]")),
    ];
    let answer = live.fan_out.invoke(event(&batch)).await.unwrap();
    assert_eq!(failed_partitions(&answer), 0, "{}", live.fan_out.output());
    assert_eq!(client.hears_next("1").await["priceUpdates"]["usd"], "100");
    let output = live.fan_out.output();
    assert_eq!(output.matches("subscribers are not told of a record that cannot be read").count(), 5, "{output}");
    assert!(!output.contains("a secret"), "{output}");
}

/// What is known of clients is in the table; of the frames that a dead process had, API Gateway tells the client.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sandbox_that_is_killed_takes_no_client_with_it() {
    let live = Live::start().await;
    let mut client = Client::user(&live).await;
    client.listens(&live, "1", PRICES).await;
    live.sandboxes[0].signal("KILL").await;
    live.tell(&[live.quoted("bitcoin", 100).await]).await;
    assert_eq!(client.hears_next("1").await["priceUpdates"]["version"], 1);
    let mut failed = 0;
    for _ in 0..4 {
        client.says(json!({ "type": "ping" })).await;
        let answer = client.hears().await;
        failed += usize::from(answer["message"] == "Internal server error");
    }
    assert_eq!(failed, 1, "the dead one is asked once: {:?}", live.front.failures());
    client.listens(&live, "2", PRICES).await;
    live.tell(&[live.quoted("bitcoin", 200).await]).await;
    let mut told = [client.hears().await["id"].clone(), client.hears().await["id"].clone()];
    told.sort_by_key(ToString::to_string);
    assert_eq!(told, ["1", "2"]);
}

/// At least once: a client may be told twice, and never not at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fan_out_that_dies_after_it_has_told_tells_again() {
    let live = Live::start().await;
    let mut client = Client::admin(&live).await;
    client.listens(&live, "1", EMOTIONS).await;
    let batch = live.felt("ada", 0..2).await;
    let dies = live.start_with("subscription-fanout", &[("CRASH_AT", "fanout.told")]).await;
    assert!(dies.dies_of(event(&live.records(&batch))).await, "{}", dies.output());
    for _ in 0..2 {
        live.tell(&batch).await;
    }
    for version in [1, 2, 1, 2] {
        assert_eq!(client.hears_next("1").await["emotionChanges"]["version"], version);
    }
    client.hears_nothing().await;
}

/// Two invocations at once: a time-out, and the same batch again while the first still runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_that_tell_the_same_at_once_tell_it_once_or_twice_and_in_order() {
    let live = Live::start().await;
    let mut client = Client::admin(&live).await;
    client.listens(&live, "1", EMOTIONS).await;
    let other = live.start_with("subscription-fanout", &[]).await;
    let batch = live.felt("ada", 0..10).await;
    let again = async {
        let answer = other.invoke(event(&live.records(&batch))).await.unwrap();
        assert_eq!(answer, json!({ "batchItemFailures": [] }));
    };
    tokio::join!(live.tell(&batch), again);
    let heard = live.front.posts(client.id.as_str()) - 1;
    let mut versions = vec![];
    for _ in 0..heard {
        versions.push(client.hears_next("1").await["emotionChanges"]["version"].as_i64().unwrap());
    }
    client.hears_nothing().await;
    let mut firsts = vec![];
    for version in versions {
        if !firsts.contains(&version) {
            firsts.push(version);
        }
    }
    assert!(firsts.iter().copied().eq(1..=10), "{firsts:?}");
}
