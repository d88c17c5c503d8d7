//! Clients that are away, slow, or too many at once.

use std::time::Duration;

use serde_json::json;
use support::eventually::eventually;
use support::websocket_api::Limits;
use tokio::time::Instant;

use super::{Client, EMOTIONS, Live, PRICES};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_is_gone_without_a_word_is_forgotten_by_the_first_update_that_does_not_reach_it() {
    let live = Live::start().await;
    let (mut gone, mut other) = (Client::user(&live).await, Client::user(&live).await);
    for client in [&mut gone, &mut other] {
        client.listens(&live, "1", PRICES).await;
    }
    live.front.send_disconnects(false);
    live.front.cut(gone.id.as_str()).await;
    live.front.connected(1).await;
    assert!(live.registry.connection(&gone.id).await.unwrap().is_some(), "nobody has said that it is gone");
    live.tell(&[live.quoted("bitcoin", 100).await]).await;
    assert_eq!(other.hears_next("1").await["priceUpdates"]["version"], 1);
    gone.is_forgotten(&live).await;
    assert_eq!(live.items("T").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_says_goodbye_is_forgotten() {
    let live = Live::start().await;
    let mut client = Client::user(&live).await;
    client.listens(&live, "1", PRICES).await;
    live.front.cut(client.id.as_str()).await;
    client.is_forgotten(&live).await;
    assert_eq!((live.items("C").await, live.items("T").await), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_has_lived_as_long_as_api_gateway_lets_it_is_forgotten() {
    let live = Live::with(Limits { lifetime: Duration::from_secs(20), ..Limits::default() }).await;
    let mut client = Client::user(&live).await;
    client.listens(&live, "1", PRICES).await;
    assert_eq!(client.hears().await, json!({ "closed": 1001 }));
    client.is_forgotten(&live).await;
    assert_eq!((live.items("C").await, live.items("T").await), (0, 0));
}

/// Frames that were sent before the end are handled after it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_frame_brings_nobody_back() {
    let live = Live::start().await;
    let (mut subscribes, mut introduces) = (Client::user(&live).await, Client::silent(&live).await);
    let subscription = live.front.hold(|body| body.contains("priceUpdates"));
    let introduction = live.front.hold(|body| body.contains("connection_init"));
    subscribes.asks("1", PRICES).await;
    introduces.says(json!({ "type": "connection_init" })).await;
    for (client, mut held) in [(subscribes, subscription), (introduces, introduction)] {
        held.caught().await;
        live.front.cut(client.id.as_str()).await;
        client.is_forgotten(&live).await;
        let deleted = live.front.events().len();
        held.release();
        eventually("it is handled", || async { live.front.events().len() > deleted }).await;
        // One more frame in each sandbox: the late one is over, as each takes one at a time.
        for sandbox in &live.sandboxes {
            sandbox.invoke(json!({ "task": "sweep" })).await.unwrap();
        }
        assert!(live.registry.connection(&client.id).await.unwrap().is_none());
    }
    assert_eq!((live.items("C").await, live.items("T").await), (0, 0));
    live.tell(&[live.quoted("bitcoin", 100).await]).await;
    assert!(live.front.failures().is_empty(), "{}", live.output());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_are_throttled_arrive() {
    let live = Live::start().await;
    let mut client = Client::admin(&live).await;
    client.listens(&live, "1", EMOTIONS).await;
    live.front.throttle_next(3);
    live.tell(&live.felt("ada", 0..5).await).await;
    for version in 1..=5 {
        assert_eq!(client.hears_next("1").await["emotionChanges"]["version"], version);
    }
    assert_eq!(live.front.throttled(), 3);
    client.hears_nothing().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rate_that_is_exceeded_for_a_second_loses_nothing() {
    let live = Live::start().await;
    let mut clients = vec![];
    for _ in 0..10 {
        let mut client = Client::admin(&live).await;
        client.listens(&live, "1", EMOTIONS).await;
        clients.push(client);
    }
    live.front.limit_rate(Some(8));
    live.tell(&live.felt("ada", 0..1).await).await;
    assert!(live.front.throttled() > 0);
    live.front.limit_rate(None);
    for client in &mut clients {
        assert_eq!(client.hears_next("1").await["emotionChanges"]["version"], 1);
        client.hears_nothing().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_client_holds_up_neither_others_nor_the_batch() {
    let limits = Limits { stalled: Duration::from_mins(1), ..Limits::default() };
    let live = Live::with(limits).await;
    let (mut slow, mut quick) = (Client::user(&live).await, Client::user(&live).await);
    for client in [&mut slow, &mut quick] {
        client.listens(&live, "1", PRICES).await;
    }
    live.front.delay(slow.id.as_str(), Duration::from_mins(1));
    let batch = [live.quoted("bitcoin", 100).await];
    let (started, telling) = (Instant::now(), live.tell(&batch));
    let hearing = async {
        assert_eq!(quick.hears_next("1").await["priceUpdates"]["version"], 1);
        started.elapsed()
    };
    let ((), heard) = tokio::join!(telling, hearing);
    assert!(heard < Duration::from_secs(30), "the other one waited {heard:?}");
    assert!(started.elapsed() < Duration::from_secs(30), "the batch took {:?}", started.elapsed());
    // It missed a price, of which a newer one comes: it is still there.
    live.front.delay(slow.id.as_str(), Duration::ZERO);
    live.tell(&[live.quoted("bitcoin", 200).await]).await;
    assert_eq!(quick.hears_next("1").await["priceUpdates"]["version"], 2);
    assert_eq!(slow.hears_next("1").await["priceUpdates"]["version"], 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_would_miss_what_no_newer_update_replaces_is_disconnected() {
    let live = Live::start().await;
    let (mut slow, mut quick) = (Client::admin(&live).await, Client::admin(&live).await);
    for client in [&mut slow, &mut quick] {
        client.listens(&live, "1", EMOTIONS).await;
    }
    live.front.delay(slow.id.as_str(), Duration::from_mins(1));
    live.tell(&live.felt("ada", 0..2).await).await;
    for version in 1..=2 {
        assert_eq!(quick.hears_next("1").await["emotionChanges"]["version"], version);
    }
    slow.is_cut_off(&live).await;
    live.tell(&live.felt("ada", 2..3).await).await;
    assert_eq!(quick.hears_next("1").await["emotionChanges"]["version"], 3);
}

/// Nothing goes through for as long as the fan-out tries: the batch does not come again for that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_ends_in_time_where_every_post_is_throttled() {
    let live = Live::start().await;
    let (mut prices, mut emotions) = (Client::user(&live).await, Client::admin(&live).await);
    prices.listens(&live, "1", PRICES).await;
    emotions.listens(&live, "1", EMOTIONS).await;
    live.front.limit_rate(Some(0));
    let batch = [live.felt("ada", 0..3).await, vec![live.quoted("bitcoin", 100).await]].concat();
    let started = Instant::now();
    live.tell(&batch).await;
    assert!(started.elapsed() < Duration::from_secs(27), "{:?}", started.elapsed());
    // Who would miss something is disconnected; who missed a price is told the next one.
    emotions.is_cut_off(&live).await;
    live.front.limit_rate(None);
    live.tell(&[live.quoted("bitcoin", 200).await]).await;
    assert_eq!(prices.hears_next("1").await["priceUpdates"]["version"], 2);
    prices.hears_nothing().await;
}
