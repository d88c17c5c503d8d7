//! Limiters that break a promise: the suite must notice.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mcp_core::limits::{Charge, Decision, LimitError, MemoryLimiter, RateLimiter};
use mcp_core::platform::BoxFuture;
use mcp_core::platform::clock::Timestamp;

use super::never_over_quota::examine;

/// Counts by the minute on the clock: two full quotas pass around its turn.
#[derive(Default)]
struct FixedWindow(Mutex<HashMap<String, u32>>);

impl RateLimiter for FixedWindow {
    fn check<'a>(
        &'a self,
        principal: &'a str,
        charges: &'a [Charge],
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Decision, LimitError>> {
        let mut counts = self.0.lock().unwrap();
        let micros = |duration: Duration| i64::try_from(duration.as_micros()).unwrap();
        let key = |charge: &Charge| {
            let window = now.timestamp_micros() / micros(charge.quota.window);
            format!("{principal} {} {window}", charge.quota.name)
        };
        let fits = |charge: &Charge| counts.get(&key(charge)).unwrap_or(&0) + charge.cost <= charge.quota.limit;
        let refusing = charges.iter().filter(|charge| !fits(charge)).max_by_key(|charge| charge.quota.window).cloned();
        let possible = charges.iter().all(|charge| charge.cost <= charge.quota.limit);
        let wait = refusing.as_ref().map(|charge| {
            let window = micros(charge.quota.window);
            Duration::from_micros(u64::try_from(window - now.timestamp_micros() % window).unwrap())
        });
        if refusing.is_none() {
            for charge in charges {
                *counts.entry(key(charge)).or_default() += charge.cost;
            }
        }
        let quota = refusing.as_ref().unwrap_or(&charges[0]).quota.clone();
        let decision = Decision {
            allowed: refusing.is_none(),
            quota,
            remaining: 0,
            reset_after: Duration::ZERO,
            retry_after: wait.filter(|_| possible),
        };
        Box::pin(async move { Ok(decision) })
    }
}

/// Charges one quota after the other: a request that the second refuses has paid the first.
#[derive(Default)]
struct OneByOne(MemoryLimiter);

impl RateLimiter for OneByOne {
    fn check<'a>(
        &'a self,
        principal: &'a str,
        charges: &'a [Charge],
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Decision, LimitError>> {
        Box::pin(async move {
            let mut tightest: Option<Decision> = None;
            for charge in charges {
                let decision = self.0.check(principal, std::slice::from_ref(charge), now).await?;
                if !decision.allowed {
                    return Ok(decision);
                }
                tightest = tightest.filter(|known| known.remaining <= decision.remaining).or(Some(decision));
            }
            tightest.ok_or_else(LimitError::no_charges)
        })
    }
}

#[test]
fn a_fixed_window_is_caught() {
    assert!(examine(2_000, || Arc::<FixedWindow>::default()).is_err());
}

#[test]
fn charging_one_by_one_is_caught() {
    assert!(examine(2_000, || Arc::<OneByOne>::default()).is_err());
}
