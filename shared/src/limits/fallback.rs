//! The shared limiter while it answers, the in-process one while it does not.

use std::sync::Arc;

use crate::breaker::{BreakerError, Breakers, CircuitBreaker, Options};
use crate::platform::BoxFuture;
use crate::platform::clock::Timestamp;
use crate::platform::outage::Outage;

use super::{Charge, Decision, LimitError, MemoryLimiter, RateLimiter};

/// Asks the shared limiter first, and this process's own while the shared one is down.
///
/// What the shared one admits is noted here too, so that a caller who used up the quota does not get another one from
/// this process when the connection breaks. *Not* guaranteed: processes do not know of each other during an outage, and
/// what they admit then is not counted by the shared limiter afterwards.
pub struct FallbackLimiter {
    shared: Arc<dyn RateLimiter>,
    local: MemoryLimiter,
    breaker: Arc<CircuitBreaker>,
    outage: Outage,
}

impl FallbackLimiter {
    /// Puts `local` behind `shared`, which a Redis keeps.
    pub fn new(shared: Arc<dyn RateLimiter>, local: MemoryLimiter, breakers: &Breakers) -> Self {
        Self { shared, local, breaker: breakers.get(&Options::redis()), outage: Outage::default() }
    }

    async fn ask_shared(&self, principal: &str, charges: &[Charge], now: Timestamp) -> Option<Decision> {
        let check = async { self.shared.check(principal, charges, now).await };
        // One that refused is there.
        let refused = |error: &BreakerError<LimitError>| matches!(error, BreakerError::Failed(error) if error.answered);
        let asked = self.breaker.call_filtered(check, refused).await;
        if self.outage.changed(asked.is_err()) {
            match &asked {
                Ok(_) => tracing::info!("the shared rate limiter is back"),
                Err(problem) => {
                    tracing::warn!(%problem, "the shared rate limiter is down: each process counts for itself");
                }
            }
        }
        asked.ok()
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
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::time::Duration;

    use chrono::{DateTime, TimeDelta};

    use super::*;
    use crate::limits::Quota;
    use crate::platform::clock::ManualClock;

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
                return Box::pin(async { Err(LimitError::unanswered("connection refused")) });
            }
            self.inner.check(principal, charges, now)
        }
    }

    fn at(millis: i64) -> Timestamp {
        DateTime::UNIX_EPOCH + TimeDelta::milliseconds(millis)
    }

    fn limiter(shared: Arc<dyn RateLimiter>) -> (FallbackLimiter, ManualClock) {
        let clock = ManualClock::at(at(0));
        let breakers = Breakers::new(Arc::new(clock.clone()));
        (FallbackLimiter::new(shared, MemoryLimiter::default(), &breakers), clock)
    }

    fn one_of(limit: u32) -> [Charge; 1] {
        [Charge { quota: Quota { name: "request".to_owned(), limit, window: Duration::from_secs(60) }, cost: 1 }]
    }

    #[tokio::test]
    async fn a_caller_gets_no_second_quota_when_the_shared_limiter_goes_down() {
        let shared = Arc::new(Shared::default());
        let (limiter, _) = limiter(shared.clone());
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
        let (limiter, clock) = limiter(shared.clone());
        for millis in 0..1_000 {
            clock.advance(TimeDelta::milliseconds(i64::from(millis > 0)));
            assert!(limiter.check("user:1", &one_of(5_000), at(millis)).await.unwrap().allowed);
        }
        // A second, less a tenth at most.
        assert!(shared.asked.swap(0, Ordering::SeqCst) <= 2);
        shared.broken.store(false, Ordering::SeqCst);
        clock.advance(TimeDelta::seconds(10));
        for millis in 1_000..1_010 {
            clock.advance(TimeDelta::milliseconds(1));
            limiter.check("user:1", &one_of(5_000), at(millis)).await.unwrap();
        }
        assert_eq!(shared.asked.load(Ordering::SeqCst), 10);
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
        let (limiter, _) = limiter(Arc::new(Hanging));
        assert!(limiter.check("user:1", &one_of(1), at(0)).await.unwrap().allowed);
        assert!(!limiter.check("user:1", &one_of(1), at(1)).await.unwrap().allowed);
    }
}
