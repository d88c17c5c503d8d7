//! The shared limiter while it answers, the in-process one while it does not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use chrono::TimeDelta;

use crate::platform::BoxFuture;
use crate::platform::clock::Timestamp;

use super::{Charge, Decision, LimitError, MemoryLimiter, RateLimiter};

/// How long the shared limiter may take: a limit must not cost more than what it guards.
const DEADLINE: Duration = Duration::from_millis(500);

/// How long it is left alone after a failure, so that an outage does not cost every request the deadline.
const PAUSE: TimeDelta = TimeDelta::seconds(1);

/// Asks the shared limiter first, and this process's own while the shared one is down.
///
/// What the shared one admits is noted here too, so that a caller who used up the quota does not get another one from
/// this process when the connection breaks. *Not* guaranteed: processes do not know of each other during an outage, and
/// what they admit then is not counted by the shared limiter afterwards.
pub struct FallbackLimiter {
    shared: Arc<dyn RateLimiter>,
    local: MemoryLimiter,
    down: AtomicBool,
    /// Microseconds since 1970 of the last failure.
    failed_at: AtomicI64,
}

impl FallbackLimiter {
    /// Puts `local` behind `shared`.
    pub fn new(shared: Arc<dyn RateLimiter>, local: MemoryLimiter) -> Self {
        Self { shared, local, down: AtomicBool::new(false), failed_at: AtomicI64::new(i64::MIN) }
    }

    /// Whether the shared limiter is left alone at the moment. A clock that was set back ends the pause.
    fn paused(&self, now: Timestamp) -> bool {
        let elapsed = now.timestamp_micros().saturating_sub(self.failed_at.load(Ordering::Relaxed));
        self.down.load(Ordering::Relaxed) && elapsed >= 0 && TimeDelta::microseconds(elapsed) < PAUSE
    }

    async fn ask_shared(&self, principal: &str, charges: &[Charge], now: Timestamp) -> Option<Decision> {
        if self.paused(now) {
            return None;
        }
        if self.down.load(Ordering::Relaxed) {
            // One request finds out whether it is back; the others of this pause do not wait for it.
            self.failed_at.store(now.timestamp_micros(), Ordering::Relaxed);
        }
        let problem = match tokio::time::timeout(DEADLINE, self.shared.check(principal, charges, now)).await {
            Ok(Ok(decision)) => {
                if self.down.swap(false, Ordering::Relaxed) {
                    tracing::info!("the shared rate limiter is back");
                }
                return Some(decision);
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} ms", DEADLINE.as_millis()),
        };
        self.failed_at.store(now.timestamp_micros(), Ordering::Relaxed);
        if !self.down.swap(true, Ordering::Relaxed) {
            tracing::warn!(problem, "the shared rate limiter is down: each process counts for itself");
        }
        None
    }
}

impl RateLimiter for FallbackLimiter {
    /// Never an error, as long as there is a charge.
    fn check<'a>(
        &'a self,
        principal: &'a str,
        charges: &'a [Charge],
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Decision, LimitError>> {
        Box::pin(async move {
            if charges.is_empty() {
                return Err(LimitError::no_charges());
            }
            if let Some(decision) = self.ask_shared(principal, charges, now).await {
                if decision.allowed {
                    self.local.record(principal, charges, now);
                }
                return Ok(decision);
            }
            self.local.check_now(principal, charges, now).ok_or_else(LimitError::no_charges)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use chrono::DateTime;

    use super::*;
    use crate::limits::Quota;

    /// A shared limiter that can be taken down, and counts how often it was asked.
    #[derive(Default)]
    struct Shared {
        inner: MemoryLimiter,
        broken: AtomicBool,
        asked: AtomicUsize,
    }

    impl RateLimiter for Shared {
        fn check<'a>(
            &'a self,
            principal: &'a str,
            charges: &'a [Charge],
            now: Timestamp,
        ) -> BoxFuture<'a, Result<Decision, LimitError>> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            if self.broken.load(Ordering::SeqCst) {
                return Box::pin(async { Err(LimitError("connection refused".to_owned())) });
            }
            self.inner.check(principal, charges, now)
        }
    }

    fn at(millis: i64) -> Timestamp {
        DateTime::UNIX_EPOCH + TimeDelta::milliseconds(millis)
    }

    fn one_of(limit: u32) -> [Charge; 1] {
        [Charge { quota: Quota { name: "request".to_owned(), limit, window: Duration::from_secs(60) }, cost: 1 }]
    }

    #[tokio::test]
    async fn a_caller_gets_no_second_quota_when_the_shared_limiter_goes_down() {
        let shared = Arc::new(Shared::default());
        let limiter = FallbackLimiter::new(shared.clone(), MemoryLimiter::default());
        for _ in 0..3 {
            assert!(limiter.check("user:1", &one_of(4), at(0)).await.unwrap().allowed);
        }
        shared.broken.store(true, Ordering::SeqCst);
        assert!(limiter.check("user:1", &one_of(4), at(1)).await.unwrap().allowed);
        assert!(!limiter.check("user:1", &one_of(4), at(2)).await.unwrap().allowed);
        assert!(limiter.check("user:2", &one_of(4), at(2)).await.unwrap().allowed);
    }

    #[tokio::test]
    async fn an_outage_is_felt_once_a_second_and_ends_by_itself() {
        let shared = Arc::new(Shared::default());
        shared.broken.store(true, Ordering::SeqCst);
        let limiter = FallbackLimiter::new(shared.clone(), MemoryLimiter::default());
        for millis in 0..1_000 {
            assert!(limiter.check("user:1", &one_of(5_000), at(millis)).await.unwrap().allowed);
        }
        assert_eq!(shared.asked.load(Ordering::SeqCst), 1);
        shared.broken.store(false, Ordering::SeqCst);
        for millis in 1_000..1_010 {
            limiter.check("user:1", &one_of(5_000), at(millis)).await.unwrap();
        }
        assert_eq!(shared.asked.load(Ordering::SeqCst), 11);
    }

    #[tokio::test(start_paused = true)]
    async fn a_shared_limiter_that_hangs_is_down() {
        struct Hanging;
        impl RateLimiter for Hanging {
            fn check<'a>(
                &'a self,
                _: &'a str,
                _: &'a [Charge],
                _: Timestamp,
            ) -> BoxFuture<'a, Result<Decision, LimitError>> {
                Box::pin(std::future::pending())
            }
        }
        let limiter = FallbackLimiter::new(Arc::new(Hanging), MemoryLimiter::default());
        assert!(limiter.check("user:1", &one_of(1), at(0)).await.unwrap().allowed);
        assert!(!limiter.check("user:1", &one_of(1), at(1)).await.unwrap().allowed);
    }
}
