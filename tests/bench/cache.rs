//! The cache beside what it is made of.
//!
//! | part | ours | beside | budget |
//! | --- | --- | --- | --- |
//! | `hits` | a hit in memory | moka alone | at most twice its time |
//! | `many_keys` | ten keys from Redis | redis-rs alone | |
//! | `round_trips` | any number of keys from Redis, behind a proxy that counts | | one round trip |
//! | `bounded` | the hit rate where little fits | moka alone, and the best there can be | at least 0.95 of moka's |
//!
//! Each side has the same keys, values and bounds, in the same process and against the same Redis (`TEST_REDIS_URL`).

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use mcp_core::cache::RedisTier;
use mcp_core::platform::config::RedisEndpoint;
use mcp_core::platform::redis::{RedisClient, RedisOptions};
use support::budget::Report;

#[path = "cache/bounded.rs"]
mod bounded;
#[path = "cache/hits.rs"]
mod hits;
#[path = "cache/many_keys.rs"]
mod many_keys;
#[path = "cache/round_trips.rs"]
mod round_trips;

const DAY: Duration = Duration::from_secs(24 * 3600);

#[tokio::main]
async fn main() -> ExitCode {
    let mut report = Report::default();
    hits::measure(&mut report).await;
    many_keys::measure().await;
    round_trips::measure(&mut report).await;
    bounded::measure(&mut report).await;
    report.exit_code()
}

/// The tier in the shared Redis whose keys begin with `prefix`.
fn redis_tier(prefix: &str) -> Arc<RedisTier> {
    redis_tier_at(&support::services::redis_url(), prefix)
}

/// The same in any Redis.
fn redis_tier_at(url: &str, prefix: &str) -> Arc<RedisTier> {
    let endpoint = RedisEndpoint::parse("TEST_REDIS_URL", url).unwrap();
    // Patient: a round that the machine delays is slow, not broken.
    let options = RedisOptions { deadline: Duration::from_secs(5), ..RedisOptions::default() };
    Arc::new(RedisTier::new(Arc::new(RedisClient::new(&endpoint, options).unwrap()), None, prefix))
}
