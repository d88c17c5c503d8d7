//! What only the shared limiter has to show: the server's clock, keys that go away, and a Redis that is not there.

use std::sync::Arc;
use std::time::Duration;

use mcp_core::breaker::Breakers;
use mcp_core::limits::{FallbackLimiter, MemoryLimiter, RateLimiter, RedisLimiter};
use mcp_core::platform::clock::SystemClock;
use mcp_core::platform::config::RedisEndpoint;
use mcp_core::platform::redis::{RedisClient, RedisOptions};
use tokio::time::Instant;

use super::build::{Caller, Charged, at_micros, client, quota};

#[tokio::test]
async fn time_is_the_servers() {
    let mut caller = Caller::of(Arc::new(RedisLimiter::new(client())));
    let quota = quota("request", 3, 1);
    assert!(caller.check(&[quota.charge(3)]).await.allowed);
    // A caller whose clock is a day ahead has waited for nothing.
    caller.advance(86_400_000_000);
    let refused = caller.check(&[quota.charge(1)]).await;
    let wait = refused.retry_after.unwrap();
    assert!(!refused.allowed && wait <= Duration::from_millis(1_020), "{refused:?}");
    tokio::time::sleep(wait).await;
    assert!(caller.check(&[quota.charge(3)]).await.allowed);
}

#[tokio::test]
async fn keys_share_the_callers_hash_tag_and_go_away() {
    let client = client();
    let principal = format!("user:{}", uuid::Uuid::now_v7().simple());
    let charges = [quota("one", 3, 60).charge(1), quota("other", 3, 600).charge(1)];
    RedisLimiter::new(client.clone()).check(&principal, &charges, at_micros(0)).await.unwrap();
    let pattern = format!("*{principal}*");
    let keys: Vec<String> = client.query(redis::cmd("KEYS").arg(pattern)).await.unwrap();
    assert_eq!(keys.len(), 2);
    for key in keys {
        assert!(key.contains(&format!("{{{principal}}}")), "{key}");
        let window = if key.contains("one") { 60_000 } else { 600_000 };
        let lifetime: i64 = client.query(redis::cmd("PTTL").arg(&key)).await.unwrap();
        assert!(lifetime > window && lifetime <= window + window / 60, "{key} lives {lifetime} ms");
    }
}

#[tokio::test]
async fn without_redis_this_process_counts() {
    let endpoint = RedisEndpoint::parse("REDIS_URL", "redis://127.0.0.1:1").unwrap();
    let nowhere = Arc::new(RedisClient::new(&endpoint, RedisOptions::default()).unwrap());
    let shared = RedisLimiter::new(nowhere);
    let charges = [quota("request", 3, 60).charge(1)];
    assert!(shared.check("user:1", &charges, at_micros(0)).await.is_err());

    let limiter =
        FallbackLimiter::new(Arc::new(shared), MemoryLimiter::default(), &Breakers::new(Arc::new(SystemClock)));
    let caller = Caller::of(Arc::new(limiter));
    let started = Instant::now();
    let mut admitted = 0;
    for _ in 0..100 {
        admitted += u32::from(caller.check(&charges).await.allowed);
    }
    assert_eq!(admitted, 3);
    // One attempt, not a hundred.
    assert!(started.elapsed() < Duration::from_secs(5));
}
