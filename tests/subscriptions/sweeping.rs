//! The schedule that looks at connections whose time has come.

use chrono::{TimeDelta, Utc};
use serde_json::json;
use support::eventually::eventually;

use super::live::short_token;
use super::{Client, Live, PRICES};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_never_says_who_it_is_and_whose_token_has_ended_is_disconnected() {
    let live = Live::start().await;
    let begun = Utc::now();
    let mut silent = Client::silent(&live).await;
    let mut expired = Client::bearing(&live, &short_token("ada", "USER", 20)).await;
    let mut user = Client::user(&live).await;
    for client in [&mut expired, &mut user] {
        client.listens(&live, "1", PRICES).await;
    }
    let sweep = async || live.sandboxes[0].invoke(json!({ "task": "sweep" })).await.unwrap();
    assert_eq!(sweep().await, json!({ "lookedAt": 0, "ended": 0 }), "it is too early for any");
    let due = async || live.registry.due(Utc::now(), 50).await.unwrap().len();
    eventually("all three have been connected for ten seconds", || async { due().await == 4 }).await;
    assert!(Utc::now() - begun >= TimeDelta::seconds(10));
    let swept = sweep().await;
    assert_eq!(swept["lookedAt"], 4, "{swept}: the one with the short token twice");
    assert!(swept["ended"].as_u64().is_some_and(|ended| (2..=3).contains(&ended)), "{swept}");
    silent.is_cut_off(&live).await;
    assert_eq!(expired.hears_error("1").await, "UNAUTHENTICATED");
    expired.is_cut_off(&live).await;
    user.hears_nothing().await;
    assert_eq!(sweep().await, json!({ "lookedAt": 0, "ended": 0 }));
    live.tell(&[live.quoted("bitcoin", 100).await]).await;
    assert_eq!(user.hears_next("1").await["priceUpdates"]["version"], 1);
}
