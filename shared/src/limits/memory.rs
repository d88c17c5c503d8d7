//! The limiter of one process: exact within it, and bounded in memory.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::platform::BoxFuture;
use crate::platform::clock::Timestamp;

use super::sliding_window::{Window, decide, merged, slot_width};
use super::{Charge, Decision, LimitError, Quota, RateLimiter};

/// Locks are held for microseconds, and never across an await; a few shards keep cores out of each other's way.
const SHARDS: usize = 16;

/// Counts in this process. All quotas of a caller lie in one shard, so one lock makes a check atomic over its charges.
///
/// The promise "never over quota" holds while the callers of one window are fewer than its capacity. Beyond that, those
/// who took the least are forgotten first: a flood of new addresses pushes out its own kind, not a caller who is near
/// a limit.
pub struct MemoryLimiter {
    shards: Vec<Mutex<Shard>>,
    hasher: RandomState,
}

/// The windows of some callers. How many quotas there are is written in the code, so nobody can make them more.
struct Shard {
    callers: HashMap<String, Vec<(Quota, Window)>>,
    capacity: usize,
}

impl Default for MemoryLimiter {
    /// Room for 20,000 callers: some megabytes when it is full.
    fn default() -> Self {
        Self::with_capacity(20_000)
    }
}

impl MemoryLimiter {
    /// Remembers up to about this many callers.
    pub fn with_capacity(callers: usize) -> Self {
        let capacity = callers.div_ceil(SHARDS).max(2);
        let shards = (0..SHARDS).map(|_| Mutex::new(Shard { callers: HashMap::new(), capacity })).collect();
        Self { shards, hasher: RandomState::new() }
    }

    /// How many callers are remembered.
    pub fn callers(&self) -> usize {
        self.shards.iter().map(|shard| locked(shard).callers.len()).sum()
    }

    /// Makes all charges, or none.
    pub(super) fn check_now(&self, principal: &str, charges: &[Charge], now: Timestamp) -> Option<Decision> {
        self.charge(principal, charges, now, false)
    }

    /// Notes what was admitted elsewhere, over quota or not.
    pub(super) fn record(&self, principal: &str, charges: &[Charge], now: Timestamp) {
        self.charge(principal, charges, now, true);
    }

    fn charge(&self, principal: &str, charges: &[Charge], now: Timestamp, forced: bool) -> Option<Decision> {
        let charges = merged(charges);
        let now = now.timestamp_micros();
        let mut shard = self.shard(principal);
        let mut windows: Vec<_> =
            charges.iter().map(|charge| (charge, shard.window(principal, &charge.quota, now))).collect();
        let allowed = forced || windows.iter().all(|(charge, window)| window.admits(charge));
        if allowed {
            for (charge, window) in windows.iter_mut().filter(|(charge, _)| charge.cost > 0) {
                window.add(slot_width(&charge.quota), now, charge.cost);
                shard.keep(principal, &charge.quota, window.clone(), now);
            }
        }
        drop(shard);
        decide(&windows, allowed, now)
    }

    fn shard(&self, principal: &str) -> MutexGuard<'_, Shard> {
        let shards = u64::try_from(self.shards.len()).unwrap_or(1);
        let index = usize::try_from(self.hasher.hash_one(principal) % shards).unwrap_or(0);
        locked(&self.shards[index])
    }
}

impl RateLimiter for MemoryLimiter {
    fn check<'a>(
        &'a self,
        principal: &'a str,
        charges: &'a [Charge],
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Decision, LimitError>> {
        Box::pin(async move { self.check_now(principal, charges, now).ok_or_else(LimitError::no_charges) })
    }
}

impl Shard {
    /// The window as it is at `now`.
    fn window(&mut self, principal: &str, quota: &Quota, now: i64) -> Window {
        let Some((_, held)) =
            self.callers.get_mut(principal).and_then(|quotas| quotas.iter_mut().find(|(known, _)| known == quota))
        else {
            return Window::default();
        };
        let mut window = held.clone();
        if window.settle(slot_width(quota), now) {
            held.clone_from(&window);
        }
        window
    }

    fn keep(&mut self, principal: &str, quota: &Quota, window: Window, now: i64) {
        if !self.callers.contains_key(principal) {
            self.make_room(now);
        }
        let quotas = self.callers.entry(principal.to_owned()).or_default();
        match quotas.iter_mut().find(|(known, _)| known == quota) {
            Some((_, held)) => *held = window,
            None => quotas.push((quota.clone(), window)),
        }
    }

    /// Forgets callers whose windows have run out and, if that is not enough, the half that took the least: one pass
    /// over the shard now and then, not one a request.
    fn make_room(&mut self, now: i64) {
        if self.callers.len() < self.capacity {
            return;
        }
        self.callers.retain(|_, quotas| quotas.iter().any(|(quota, window)| counts(quota, window, now)));
        if self.callers.len() < self.capacity {
            return;
        }
        let mut taken: Vec<u64> = self.callers.values().map(|quotas| most_taken(quotas)).collect();
        let half = taken.len() / 2;
        let (_, median, _) = taken.select_nth_unstable(half);
        let (median, mut surplus) = (*median, half);
        self.callers.retain(|_, quotas| {
            let goes = surplus > 0 && most_taken(quotas) <= median;
            surplus -= usize::from(goes);
            !goes
        });
    }
}

fn counts(quota: &Quota, window: &Window, now: i64) -> bool {
    window.empty_at(slot_width(quota)).is_some_and(|empty_at| empty_at > now)
}

/// How near a caller is to a limit, in millionths of it.
fn most_taken(quotas: &[(Quota, Window)]) -> u64 {
    let share =
        |(quota, window): &(Quota, Window)| window.used().saturating_mul(1_000_000) / u64::from(quota.limit.max(1));
    quotas.iter().map(share).max().unwrap_or(0)
}

/// A panic while the lock was held leaves counters that are whole, if perhaps without the last charge.
fn locked(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono::{DateTime, TimeDelta};

    use super::*;

    fn charge(limit: u32, cost: u32) -> [Charge; 1] {
        [Charge { quota: Quota { name: "request".to_owned(), limit, window: Duration::from_secs(60) }, cost }]
    }

    #[test]
    fn memory_stays_bounded_and_keeps_those_near_their_limit() {
        let limiter = MemoryLimiter::with_capacity(160);
        let now = DateTime::UNIX_EPOCH;
        assert!(limiter.check_now("heavy", &charge(10, 10), now).unwrap().allowed);
        for caller in 0..10_000 {
            assert!(limiter.check_now(&format!("addr:{caller}"), &charge(10, 1), now).unwrap().allowed);
        }
        assert!(limiter.callers() <= 160, "{}", limiter.callers());
        assert!(!limiter.check_now("heavy", &charge(10, 1), now).unwrap().allowed);
    }

    #[test]
    fn callers_whose_windows_ran_out_make_room() {
        let limiter = MemoryLimiter::with_capacity(32);
        let now = DateTime::UNIX_EPOCH;
        for round in 0..100 {
            let now = now + TimeDelta::minutes(2 * round);
            limiter.check_now(&format!("addr:{round}"), &charge(10, 10), now);
        }
        assert!(limiter.callers() <= 32);
    }

    #[test]
    fn what_was_recorded_counts_even_over_quota() {
        let limiter = MemoryLimiter::default();
        let now = DateTime::UNIX_EPOCH;
        limiter.record("user:1", &charge(10, 15), now);
        let decision = limiter.check_now("user:1", &charge(10, 1), now).unwrap();
        assert_eq!((decision.allowed, decision.remaining), (false, 0));
        assert_eq!(decision.retry_after, Some(Duration::from_secs(61)));
    }

    #[test]
    fn looking_leaves_no_trace() {
        let limiter = MemoryLimiter::default();
        assert!(limiter.check_now("user:1", &charge(10, 0), DateTime::UNIX_EPOCH).unwrap().allowed);
        assert_eq!(limiter.callers(), 0);
    }
}
