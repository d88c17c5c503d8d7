//! The limiter that all processes share: one atomic script a check, `sliding_window.lua`.

use std::sync::Arc;

use redis::Script;

use crate::platform::BoxFuture;
use crate::platform::clock::Timestamp;
use crate::platform::redis::{RedisClient, is_answer};

use super::sliding_window::{SLOTS, Window, decide, merged, slot_width};
use super::{Charge, Decision, LimitError, RateLimiter};

/// Counts in Redis.
///
/// A check is one request: a script that makes all charges or none. The keys of a caller share the hash tag
/// `{principal}`, so on a cluster they lie on one node. Time is the server's: sandboxes whose clocks differ still agree on
/// what a window is. A key expires when its last unit stops counting.
///
/// A request whose connection broke is sent again and may be charged twice: a caller can lose units to that, never gain
/// any. What a failed-over primary had not replicated is forgotten.
pub struct RedisLimiter {
    client: Arc<RedisClient>,
    script: Script,
    timed_by_caller: bool,
}

impl RedisLimiter {
    /// Counts by the server's clock.
    pub fn new(client: Arc<RedisClient>) -> Self {
        Self { client, script: Script::new(include_str!("sliding_window.lua")), timed_by_caller: false }
    }

    /// Counts by the time that callers pass in: for tests, which move it.
    pub fn timed_by_caller(client: Arc<RedisClient>) -> Self {
        Self { timed_by_caller: true, ..Self::new(client) }
    }

    async fn charge(&self, principal: &str, charges: &[Charge], now: Timestamp) -> Result<Decision, LimitError> {
        let charges = merged(charges);
        let mut script = self.script.prepare_invoke();
        let now = if self.timed_by_caller { now.timestamp_micros().to_string() } else { String::new() };
        script.arg(now).arg(SLOTS);
        for charge in &charges {
            script.key(key(principal, charge)).arg(slot_width(&charge.quota)).arg(charge.quota.limit).arg(charge.cost);
        }
        let answer = self.client.script(&script).await;
        let (allowed, now, states): (u8, i64, Vec<Vec<i64>>) =
            answer.map_err(|error| LimitError { problem: error.category().to_owned(), answered: is_answer(&error) })?;
        let windows: Vec<_> = charges.iter().zip(states.iter().map(|state| window(state))).collect();
        decide(&windows, allowed == 1, now).ok_or_else(LimitError::no_charges)
    }
}

impl RateLimiter for RedisLimiter {
    fn check<'a>(
        &'a self,
        principal: &'a str,
        charges: &'a [Charge],
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Decision, LimitError>> {
        Box::pin(self.charge(principal, charges, now))
    }
}

/// A quota that is changed starts anew: its slots may have another width.
fn key(principal: &str, charge: &Charge) -> String {
    let quota = &charge.quota;
    format!("limit:{{{principal}}}:{}:{}:{}", quota.name, quota.limit, quota.window.as_millis())
}

/// Slots as the script tells them: slot, units, slot, units, ...
fn window(state: &[i64]) -> Window {
    let (pairs, _) = state.as_chunks();
    Window::from_slots(pairs.iter().map(|[slot, units]| (*slot, u32::try_from(*units).unwrap_or(u32::MAX))).collect())
}
