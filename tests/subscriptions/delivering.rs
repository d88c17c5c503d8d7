//! What subscribers are told, in which order and how often.

use serde_json::json;
use support::eventually::eventually;

use super::live::short_token;
use super::{Client, EMOTIONS, Live, PRICES};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_comes_again_is_told_once_and_an_older_price_never_after_a_newer_one() {
    let live = Live::start().await;
    let mut client = Client::user(&live).await;
    client.listens(&live, "1", PRICES).await;
    let (first, second) = (live.quoted("bitcoin", 100).await, live.quoted("bitcoin", 200).await);
    let batch = [second];
    live.tell(&batch).await;
    assert_eq!(client.hears_next("1").await["priceUpdates"]["version"], 2);
    live.tell(&batch).await;
    live.tell(std::slice::from_ref(&first)).await;
    live.tell(&[first, batch[0].clone()]).await;
    client.hears_nothing().await;
    live.tell(&[live.quoted("bitcoin", 300).await]).await;
    assert_eq!(client.hears_next("1").await["priceUpdates"]["version"], 3);
    client.hears_nothing().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_coins_prices_in_a_batch_only_the_newest_is_told() {
    let live = Live::start().await;
    let mut client = Client::user(&live).await;
    client
        .listens(&live, "b", r#"subscription { priceUpdates(coins: ["bitcoin", "ethereum"]) { coin version } }"#)
        .await;
    let mut batch = vec![];
    for usd in 1..=5 {
        batch.push(live.quoted("bitcoin", usd).await);
        batch.push(live.quoted("ethereum", usd).await);
    }
    live.tell(&batch).await;
    let mut told = vec![client.hears_next("b").await, client.hears_next("b").await];
    told.sort_by_key(|update| update["priceUpdates"]["coin"].to_string());
    let update = |coin| json!({ "priceUpdates": { "coin": coin, "version": 5 } });
    assert_eq!(told, [update("bitcoin"), update("ethereum")]);
    client.hears_nothing().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_administrator_is_told_of_every_emotion_in_order() {
    let live = Live::start().await;
    let mut client = Client::admin(&live).await;
    client.listens(&live, "1", EMOTIONS).await;
    let (mut events, others) = (live.felt("ada", 0..30).await, live.felt("grace", 0..5).await);
    let rest = events.split_off(20);
    live.tell(&[&events[..], &others[..]].concat()).await;
    // Half of it is known.
    live.tell(&[&events[10..], &rest[..]].concat()).await;
    for version in 1..=30 {
        let update = client.hears_next("1").await;
        assert_eq!(update, json!({ "emotionChanges": { "points": version - 1, "version": version } }));
    }
    client.hears_nothing().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operation_that_many_sent_is_kept_once_and_told_to_each() {
    let live = Live::start().await;
    let mut clients = vec![];
    for _ in 0..20 {
        let mut client = Client::user(&live).await;
        client.listens(&live, "1", PRICES).await;
        clients.push(client);
    }
    assert_eq!(live.items("Q").await, 1);
    assert_eq!(live.items("T").await, 20);
    live.tell(&[live.quoted("bitcoin", 100).await]).await;
    for client in &mut clients {
        assert_eq!(client.hears_next("1").await["priceUpdates"]["usd"], "100");
        client.hears_nothing().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_ends_ends_what_it_opened() {
    let live = Live::start().await;
    let mut client = Client::bearing(&live, &short_token("ada", "USER", 20)).await;
    let mut other = Client::user(&live).await;
    for client in [&mut client, &mut other] {
        client.listens(&live, "1", PRICES).await;
    }
    let connection = live.registry.connection(&client.id).await.unwrap().unwrap();
    let end = connection.principal.unwrap().expires_at.unwrap();
    eventually("the token has ended", || async { chrono::Utc::now() >= end }).await;
    live.tell(&[live.quoted("bitcoin", 100).await]).await;
    assert_eq!(client.hears_error("1").await, "UNAUTHENTICATED");
    assert_eq!(other.hears_next("1").await["priceUpdates"]["version"], 1);
    live.tell(&[live.quoted("bitcoin", 200).await]).await;
    client.hears_nothing().await;
    assert_eq!(live.registry.open(&client.id).await.unwrap().len(), 0);
    client.asks("2", PRICES).await;
    assert_eq!(client.hears_error("2").await, "UNAUTHENTICATED");
}

/// A variable makes a document of 2 KB an answer of 150 KB.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_too_large_ends_its_operation_with_an_error() {
    let live = Live::start().await;
    let mut client = Client::admin(&live).await;
    let user = "u".repeat(1024);
    let fields: String = (0..150).map(|n| format!("a{n}: userId ")).collect();
    let query = format!("subscription($user: ID!) {{ emotionChanges(userId: $user) {{ {fields} }} }}");
    let payload = json!({ "query": query, "variables": { "user": user } });
    client.says(json!({ "id": "1", "type": "subscribe", "payload": payload })).await;
    client.has_open(&live, "1").await;
    live.tell(&live.felt(&user, 0..1).await).await;
    assert_eq!(client.hears_error("1").await, "QUERY_TOO_COMPLEX");
    client.hears_nothing().await;
    client.has_nothing_open(&live).await;
}
