//! Redis alone: what is foreign is a miss, and what expires there is gone there.

use mcp_core::cache::RedisTier;
use mcp_core::platform::config::RedisEndpoint;
use mcp_core::platform::ids::new_id;
use mcp_core::platform::redis::{RedisClient, RedisOptions};

use super::*;

/// A client of the test server.
pub(super) fn client() -> Arc<RedisClient> {
    let url = support::services::redis_url();
    let endpoint = RedisEndpoint::parse("TEST_REDIS_URL", &url).unwrap();
    // Patient: tests share the machine with a build.
    let options = RedisOptions { deadline: std::time::Duration::from_secs(5), ..RedisOptions::default() };
    Arc::new(RedisClient::new(&endpoint, options).unwrap())
}

/// A tier with keys of its own.
pub(super) fn tier() -> RedisTier {
    RedisTier::new(client(), None, format!("test:{}:", new_id()))
}

#[tokio::test]
async fn what_is_foreign_is_a_miss() {
    let prefix = format!("test:{}:", new_id());
    let (client, tier) = (client(), RedisTier::new(client(), None, prefix.clone()));
    for (number, foreign) in [&b""[..], b"text", b"\x01aaaaaaaabbbbbbbbv"].into_iter().enumerate() {
        let key = format!("k{number}");
        client
            .query::<()>(::redis::cmd("SET").arg(format!("{prefix}{key}")).arg(foreign).arg("EX").arg(60))
            .await
            .unwrap();
        assert_eq!(get(&tier, &[&key]).await, [None]);
    }
    // A key that holds no string at all is a miss as well.
    client.query::<()>(::redis::cmd("LPUSH").arg(format!("{prefix}list")).arg("x")).await.unwrap();
    assert_eq!(get(&tier, &["list"]).await, [None]);
    client.query::<()>(::redis::cmd("DEL").arg(format!("{prefix}list"))).await.unwrap();
}

#[tokio::test]
async fn a_key_lives_in_redis_no_longer_than_its_entry() {
    let prefix = format!("test:{}:", new_id());
    let (client, tier) = (client(), RedisTier::new(client(), None, prefix.clone()));
    let it = entry("1");
    put(&tier, &[("a", &it)]).await;
    let expires_at: i64 = client.query(::redis::cmd("PEXPIRETIME").arg(format!("{prefix}a"))).await.unwrap();
    assert_eq!(expires_at, it.expires_at.timestamp_millis());
}
