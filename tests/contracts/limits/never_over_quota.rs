//! The property: whatever is asked and whenever, no window ever holds more than the limit; who is refused was really
//! near it, and passes after the time that the refusal names.

use std::sync::Arc;

use mcp_core::limits::{Charge, Quota, RateLimiter};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use super::build::{Caller, Charged, memory, quota, redis};

/// A step of a history: time passes, then someone asks.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) pause: i64,
    pub(super) costs: [u32; 2],
}

pub(super) fn quotas() -> [Quota; 2] {
    [quota("minute", 6, 60), quota("odd", 15, 131)]
}

pub(super) fn history() -> impl Strategy<Value = Vec<Step>> {
    let pause = prop_oneof![
        3 => Just(0_i64),
        3 => 0..2_000_000_i64,
        3 => 0..30_000_000_i64,
        // To the edges of slots and windows.
        2 => (0..=62_i64, -1..=1_i64).prop_map(|(slots, off)| (slots * 1_000_000 + off).max(0)),
        1 => 0..200_000_000_i64,
    ];
    let costs = [prop_oneof![0..=2_u32, 0..=7_u32], prop_oneof![0..=2_u32, 0..=16_u32]];
    prop::collection::vec((pause, costs).prop_map(|(pause, costs)| Step { pause, costs }), 1..60)
}

pub(super) fn charges(step: &Step) -> Vec<Charge> {
    quotas().iter().zip(step.costs).map(|(quota, cost)| quota.charge(cost)).collect()
}

/// What was admitted: when, and how much of each quota.
type Log = Vec<(i64, [u32; 2])>;

/// Units of a quota that were admitted in the `length` before `now`, and at `now`.
fn taken(log: &Log, index: usize, length: i64, now: i64) -> u32 {
    log.iter().filter(|(time, _)| *time > now - length).map(|(_, costs)| costs[index]).sum()
}

/// Lives through a history, and says where a promise was broken.
pub(super) async fn live_through(limiter: Arc<dyn RateLimiter>, history: &[Step]) -> Result<(), String> {
    let mut caller = Caller::of(limiter);
    let mut log = Log::new();
    for step in history {
        caller.advance(step.pause);
        let charges = charges(step);
        let mut decision = caller.check(&charges).await;
        if !decision.allowed {
            refused_for_a_reason(&log, &charges, caller.now)?;
            let possible = charges.iter().all(|charge| charge.cost <= charge.quota.limit);
            let Some(wait) = decision.retry_after.filter(|_| possible) else {
                if possible || decision.retry_after.is_some() {
                    return Err(format!("retry after {:?}, possible: {possible}", decision.retry_after));
                }
                continue;
            };
            caller.advance(i64::try_from(wait.as_micros()).unwrap() - 1);
            if caller.check(&charges).await.allowed {
                return Err("passed earlier than it was told".to_owned());
            }
            caller.advance(1);
            decision = caller.check(&charges).await;
            if !decision.allowed {
                return Err(format!("refused after waiting {wait:?} as told"));
            }
        }
        log.push((caller.now, step.costs));
        within_limits(&log, caller.now, decision.remaining)?;
    }
    Ok(())
}

/// No window that ends now is over its limit, and no less than what is left was reported as left.
fn within_limits(log: &Log, now: i64, remaining: u32) -> Result<(), String> {
    for (index, quota) in quotas().iter().enumerate() {
        let taken = taken(log, index, micros(quota), now);
        if taken > quota.limit {
            return Err(format!("{taken} of {} in a window of {}", quota.limit, quota.name));
        }
        if remaining > quota.limit - taken {
            return Err(format!("{remaining} reported as left, {} of {} taken", taken, quota.limit));
        }
    }
    Ok(())
}

/// A refusal is right if the window, at most a slot longer, had no room.
fn refused_for_a_reason(log: &Log, charges: &[Charge], now: i64) -> Result<(), String> {
    let full = charges.iter().enumerate().any(|(index, charge)| {
        let window = micros(&charge.quota);
        taken(log, index, window + window / 60 + 1, now) + charge.cost > charge.quota.limit
    });
    if full { Ok(()) } else { Err("refused although there was room".to_owned()) }
}

fn micros(quota: &Quota) -> i64 {
    i64::try_from(quota.window.as_micros()).unwrap()
}

/// Runs the property on a limiter, with as many histories.
pub(super) fn examine(cases: u32, limiter: impl FnOnce() -> Arc<dyn RateLimiter>) -> Result<(), String> {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _guard = runtime.enter();
    let limiter = limiter();
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&history(), |history| {
        runtime.block_on(live_through(limiter.clone(), &history)).map_err(TestCaseError::fail)
    });
    outcome.map_err(|error| error.to_string())
}

#[test]
fn in_memory() {
    examine(2_000, memory).unwrap();
}

#[test]
fn in_redis() {
    examine(100, redis).unwrap();
}
