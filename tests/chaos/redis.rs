//! Redis and what stands on it, while it fails: a cluster whose primary dies under load, connections that died unseen.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use support::eventually::eventually;
use support::local::Local;
use support::proxy::{Network, Proxy};
use support::redis_cluster::RedisCluster;
use support::redis_server::RedisServer;
use tokio::time::sleep;

use crate::{SECRET, load};

/// Whether the local process has done with a circuit being open.
async fn circuit_closes(local: &Local, service: &str) {
    let closed = format!("mcp_circuit_breaker_open{{service=\"{service}\",group=\"{service}\"}} 0\n");
    eventually("the circuit is closed", || async {
        let metrics = reqwest::get(local.url("/metrics")).await.unwrap().text().await.unwrap();
        let line = metrics.lines().find(|line| line.contains(service) && line.contains("_open{")).map(str::to_owned);
        if metrics.contains(&closed) { Ok(()) } else { Err(line) }
    })
    .await;
}

#[tokio::test]
async fn a_cluster_that_fails_over_under_load_costs_no_request_and_is_used_again() {
    let mut cluster = RedisCluster::start().await;
    let (url, ca) = (cluster.url(), cluster.ca().to_str().unwrap().to_owned());
    let variables = [
        ("PRICE_SOURCES", "simulated"),
        ("JWT_SECRET", SECRET),
        ("REDIS_URL", url.as_str()),
        ("REDIS_CA_FILE", ca.as_str()),
    ];
    let local = Arc::new(Local::start(&variables).await);
    let stop = Arc::new(AtomicBool::new(false));
    let query = r#"{ cryptoPrices(coins: ["bitcoin", "ethereum"]) { usd } emotion { points } }"#;
    let asked = tokio::spawn(load(local.clone(), stop.clone(), query));
    let key = "cache:price:2:bitcoin";
    eventually("a price is in the cluster", || async {
        let primary = cluster.primary_of(key).await;
        if cluster.cli(primary, &["EXISTS", key]).await.trim() == "1" { Ok(()) } else { Err("it is not") }
    })
    .await;
    let primary = cluster.primary_of(key).await;
    cluster.kill(primary).await;
    cluster.failed_over(key, primary).await;
    sleep(Duration::from_secs(1)).await;
    circuit_closes(&local, "redis").await;
    // Whoever serves the key now gets what is put there.
    let next = cluster.primary_of(key).await;
    cluster.cli(next, &["DEL", key]).await;
    eventually("a price is in the cluster again", || async {
        if cluster.cli(next, &["EXISTS", key]).await.trim() == "1" { Ok(()) } else { Err("it is not") }
    })
    .await;
    stop.store(true, Ordering::SeqCst);
    let codes = asked.await.unwrap();
    assert!(codes["ok"] > 100 && codes.len() == 1, "{codes:?}");
}

#[tokio::test]
async fn after_a_thaw_and_after_a_hang_the_cache_comes_back() {
    let redis = RedisServer::start().await;
    let proxy = Proxy::to(&redis.address()).await;
    let url = format!("redis://{}", proxy.address());
    let variables = [("PRICE_SOURCES", "simulated"), ("JWT_SECRET", SECRET), ("REDIS_URL", url.as_str())];
    let local = Arc::new(Local::start(&variables).await);
    let stop = Arc::new(AtomicBool::new(false));
    let asked = tokio::spawn(load(local.clone(), stop.clone(), r#"{ cryptoPrices(coins: ["bitcoin"]) { usd } }"#));
    sleep(Duration::from_secs(1)).await;
    // What lay between forgot the connections while the process was frozen.
    proxy.forget();
    sleep(Duration::from_secs(1)).await;
    circuit_closes(&local, "redis").await;
    proxy.set(Network::BlackHole).await;
    sleep(Duration::from_secs(2)).await;
    proxy.set(Network::Good).await;
    circuit_closes(&local, "redis").await;
    stop.store(true, Ordering::SeqCst);
    let codes = asked.await.unwrap();
    assert!(codes["ok"] > 100 && codes.len() == 1, "{codes:?}");
}
