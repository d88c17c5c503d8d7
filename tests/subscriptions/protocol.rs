//! What a client that keeps to the protocol can do.

use serde_json::json;
use support::eventually::eventually;

use super::client::{PROTOCOL, handshake};
use super::{Client, Live, PRICES};
use crate::graphql::token;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscriber_is_told_of_what_happens_until_it_has_enough() {
    let live = Live::start().await;
    let mut client = Client::user(&live).await;
    client.listens(&live, "1", PRICES).await;
    for (version, usd) in [(1, 100), (2, 200)] {
        live.tell(&[live.quoted("bitcoin", usd).await]).await;
        let update = client.hears_next("1").await;
        let expected = json!({ "coin": "bitcoin", "usd": usd.to_string(), "version": version });
        assert_eq!(update, json!({ "priceUpdates": expected }));
    }
    live.tell(&[live.quoted("ethereum", 1).await]).await;
    client.hears_nothing().await;
    client.says(json!({ "type": "complete", "id": "1" })).await;
    client.has_nothing_open(&live).await;
    live.tell(&[live.quoted("bitcoin", 300).await]).await;
    client.hears_nothing().await;
    assert!(live.front.failures().is_empty(), "{}", live.output());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_may_come_with_the_handshake() {
    let live = Live::start().await;
    let authorization = format!("Bearer {}", token("ada", "USER"));
    let mut client = Client::with(&live, &[PROTOCOL, ("authorization", &authorization)]).await;
    client.introduces(json!(null)).await;
    client.listens(&live, "1", PRICES).await;
    live.tell(&[live.quoted("bitcoin", 100).await]).await;
    assert_eq!(client.hears_next("1").await["priceUpdates"]["version"], 1);
    let (_socket, response) = handshake(&live, &[PROTOCOL]).await.unwrap();
    assert_eq!(response.headers()[PROTOCOL.0], PROTOCOL.1, "the client is told that this is spoken");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_and_mutations_are_answered_and_complete() {
    let live = Live::start().await;
    let mut client = Client::user(&live).await;
    for (id, query, data) in [
        ("q", "{ emotion { points version } }", json!({ "emotion": { "points": 0, "version": 0 } })),
        ("m", "mutation { updateEmotion(feedback: 30) { points } }", json!({ "updateEmotion": { "points": 30 } })),
        ("q", r#"{ cryptoPrices(coins: ["bitcoin"]) { usd } }"#, json!({ "cryptoPrices": [{ "usd": "65000.5" }] })),
    ] {
        client.asks(id, query).await;
        assert_eq!(client.hears_next(id).await, data, "{query}");
        assert_eq!(client.hears().await, json!({ "type": "complete", "id": id }));
    }
    client.asks("e", "mutation { updateEmotion(feedback: 1000) { points } }").await;
    let answer = client.hears().await;
    assert_eq!((&answer["type"], &answer["id"]), (&json!("next"), &json!("e")));
    assert_eq!(answer["payload"]["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{answer}");
    assert_eq!(client.hears().await, json!({ "type": "complete", "id": "e" }));
    client.has_nothing_open(&live).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pings_are_answered_with_what_came_with_them_before_and_after_the_introduction() {
    let live = Live::start().await;
    let mut client = Client::silent(&live).await;
    client.hears_nothing().await;
    client.introduces(json!(null)).await;
    client.says(json!({ "type": "ping" })).await;
    assert_eq!(client.hears().await, json!({ "type": "pong" }));
    client.says(json!({ "type": "pong" })).await;
    client.hears_nothing().await;
}

/// The frame with `subscribe` is held back, that with `complete` is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_completion_that_overtakes_its_subscription_ends_it() {
    let live = Live::start().await;
    let mut client = Client::user(&live).await;
    let mut held = live.front.hold(|body| body.contains("priceUpdates"));
    client.asks("1", PRICES).await;
    held.caught().await;
    client.says(json!({ "type": "complete", "id": "1" })).await;
    client.hears_nothing().await;
    eventually("it is completed", || async { live.items("C").await == 2 }).await;
    held.release();
    // The connection is left, and no note that the operation was completed before it was opened.
    eventually("what was held back is handled", || async { live.items("C").await == 1 }).await;
    client.has_nothing_open(&live).await;
    live.tell(&[live.quoted("bitcoin", 100).await]).await;
    client.hears_nothing().await;
    // The id is free for another.
    client.listens(&live, "1", PRICES).await;
    live.tell(&[live.quoted("bitcoin", 200).await]).await;
    assert_eq!(client.hears_next("1").await["priceUpdates"]["version"], 2);
}

/// With two sandboxes, it is chance which frame is handled by which.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_sandbox_opened_another_ends() {
    let live = Live::start().await;
    let mut client = Client::user(&live).await;
    for round in 0..10 {
        client.listens(&live, "1", PRICES).await;
        if round % 2 == 0 {
            // Takes a turn, so that the other one is next.
            client.hears_nothing().await;
        }
        client.says(json!({ "type": "complete", "id": "1" })).await;
        client.has_nothing_open(&live).await;
    }
    assert_eq!(live.items("T").await, 0, "no listener is left over");
    client.hears_nothing().await;
}
