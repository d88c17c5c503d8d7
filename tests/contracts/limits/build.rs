//! What the promises are told with: limiters, quotas, and a caller with a clock of their own.

use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use mcp_core::limits::{Charge, Decision, MemoryLimiter, Quota, RateLimiter, RedisLimiter};
use mcp_core::platform::clock::Timestamp;
use mcp_core::platform::config::RedisEndpoint;
use mcp_core::platform::redis::{RedisClient, RedisOptions};
use uuid::Uuid;

pub(super) fn memory() -> Arc<dyn RateLimiter> {
    Arc::new(MemoryLimiter::default())
}

/// Redis, with the time that is passed in.
pub(super) fn redis() -> Arc<dyn RateLimiter> {
    Arc::new(RedisLimiter::timed_by_caller(client()))
}

/// A connection with patience: a busy machine is no reason to fail a test.
pub(super) fn client() -> Arc<RedisClient> {
    let url = support::services::redis_url();
    let endpoint = RedisEndpoint::parse("TEST_REDIS_URL", &url).unwrap();
    let patience = RedisOptions { deadline: Duration::from_secs(10), connect_timeout: Duration::from_secs(10) };
    Arc::new(RedisClient::new(&endpoint, patience).unwrap())
}

/// Microseconds after an arbitrary point in time that is not the start of anything.
pub(super) fn at_micros(micros: i64) -> Timestamp {
    DateTime::from_timestamp_micros(1_800_000_123_456_789 + micros).unwrap()
}

pub(super) fn quota(name: &str, limit: u32, seconds: u64) -> Quota {
    Quota { name: name.to_owned(), limit, window: Duration::from_secs(seconds) }
}

pub(super) trait Charged {
    fn charge(&self, cost: u32) -> Charge;
}

impl Charged for Quota {
    fn charge(&self, cost: u32) -> Charge {
        Charge { quota: self.clone(), cost }
    }
}

/// Someone who was never seen before.
pub(super) struct Caller {
    limiter: Arc<dyn RateLimiter>,
    principal: String,
    /// Microseconds since they came.
    pub(super) now: i64,
}

impl Caller {
    pub(super) fn of(limiter: Arc<dyn RateLimiter>) -> Self {
        Self { limiter, principal: format!("user:{}", Uuid::now_v7().simple()), now: 0 }
    }

    pub(super) fn advance(&mut self, micros: i64) {
        self.now += micros;
    }

    pub(super) async fn check(&self, charges: &[Charge]) -> Decision {
        self.limiter.check(&self.principal, charges, at_micros(self.now)).await.unwrap()
    }

    pub(super) async fn remaining(&self, quota: &Quota) -> u32 {
        self.check(&[quota.charge(0)]).await.remaining
    }
}
