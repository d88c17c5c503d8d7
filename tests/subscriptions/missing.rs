//! What a subscriber missed while it was away, and that nothing is lost between that and what is new.

use chrono::{TimeDelta, Utc};
use mcp_core::domain::RecordedEvent;
use serde_json::{Value, json};
use support::eventually::eventually;

use super::{Client, EMOTIONS, Live, PRICES};

impl Client {
    async fn asks_since(&mut self, id: &str, query: &str, since: Value) {
        let payload = json!({ "query": query, "extensions": { "since": since } });
        self.says(json!({ "id": id, "type": "subscribe", "payload": payload })).await;
    }

    async fn hears_versions(&mut self, field: &str, versions: impl IntoIterator<Item = i32>) {
        for version in versions {
            assert_eq!(self.hears_next("1").await[field]["version"], version);
        }
    }
}

/// Until so many listen.
async fn listeners(live: &Live, count: usize) {
    eventually("it listens", || async {
        let listening = live.items("T").await;
        if listening == count { Ok(()) } else { Err((listening, live.output())) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_knows_a_version_is_told_of_those_after_it_and_then_of_what_is_new() {
    let live = Live::start().await;
    let mut client = Client::admin(&live).await;
    let missed = live.felt("ada", 0..6).await;
    client.asks_since("1", EMOTIONS, json!({ "version": 2 })).await;
    client.hears_versions("emotionChanges", 3..=6).await;
    listeners(&live, 1).await;
    client.hears_nothing().await;
    // Kafka tells of what the store has told already, and of more.
    let new = live.felt("ada", 6..8).await;
    live.tell(&[&missed[..], &new[..]].concat()).await;
    client.hears_versions("emotionChanges", 7..=8).await;
    client.hears_nothing().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_away_for_a_time_is_told_of_every_emotion_since() {
    let live = Live::start().await;
    let mut client = Client::admin(&live).await;
    let mut times = vec![];
    for points in 0..7 {
        times.push(live.felt("ada", points..points + 1).await[0].metadata.occurred_at);
    }
    client.asks_since("1", EMOTIONS, json!({ "time": times[4] })).await;
    client.hears_versions("emotionChanges", 6..=7).await;
    listeners(&live, 1).await;
    live.tell(&live.felt("ada", 7..8).await).await;
    client.hears_versions("emotionChanges", [8]).await;
    client.hears_nothing().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_prices_that_were_missed_only_the_newest_is_told() {
    let live = Live::start().await;
    let long_ago = Utc::now() - TimeDelta::days(1);
    for usd in 1..=3 {
        live.quoted("bitcoin", usd).await;
    }
    for (since, told) in [
        (json!({ "time": long_ago }), vec![3]),
        (json!({ "version": 1 }), vec![3]),
        (json!({ "time": Utc::now() }), vec![]),
        (json!({ "version": 3 }), vec![]),
    ] {
        let mut client = Client::user(&live).await;
        client.asks_since("1", PRICES, since.clone()).await;
        listeners(&live, 1).await;
        client.hears_versions("priceUpdates", told).await;
        client.hears_nothing().await;
        client.says(json!({ "type": "complete", "id": "1" })).await;
        listeners(&live, 0).await;
    }
    let mut client = Client::user(&live).await;
    client.asks_since("1", PRICES, json!({ "time": long_ago })).await;
    listeners(&live, 1).await;
    live.tell(&[live.quoted("bitcoin", 4).await]).await;
    client.hears_versions("priceUpdates", 3..=4).await;
    client.hears_nothing().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_is_of_one_coin() {
    let live = Live::start().await;
    let mut client = Client::user(&live).await;
    let query = r#"subscription { priceUpdates(coins: ["bitcoin", "ethereum"]) { version } }"#;
    client.asks_since("1", query, json!({ "version": 1 })).await;
    assert_eq!(client.hears_error("1").await, "BAD_USER_INPUT");
    client.hears_nothing().await;
}

/// Clients come while updates happen and are told: whatever the fan-out has begun when a client begins to listen, the
/// client gets each version once, and in order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_repeated_between_what_was_missed_and_what_is_new() {
    const UPDATES: i32 = 40;
    let live = Live::start().await;
    let happening = async {
        let mut untold: Vec<RecordedEvent> = vec![];
        for points in 0..UPDATES {
            untold.extend(live.felt("ada", points..points + 1).await);
            // Kafka is behind the store, now more and now less.
            if points % 3 != 1 {
                live.tell(&std::mem::take(&mut untold)).await;
            }
        }
        live.tell(&untold).await;
    };
    let coming = async {
        let mut clients = vec![];
        for _ in 0..6 {
            let mut client = Client::admin(&live).await;
            client.asks_since("1", EMOTIONS, json!({ "version": 0 })).await;
            clients.push(client);
        }
        clients
    };
    let ((), mut clients) = tokio::join!(happening, coming);
    for client in &mut clients {
        client.hears_versions("emotionChanges", 1..=UPDATES).await;
    }
    listeners(&live, 6).await;
    for client in &mut clients {
        client.hears_nothing().await;
    }
}
