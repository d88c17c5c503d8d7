//! A limiter that counts what it refuses.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::{Charge, Decision, LimitError, RateLimiter};
use crate::platform::BoxFuture;
use crate::platform::clock::Timestamp;
use crate::platform::metrics::{Measured, Sample};

/// Counts what another limiter says.
pub struct MeteredLimiter {
    limiter: Arc<dyn RateLimiter>,
    /// By the quota that refused.
    refused: Mutex<BTreeMap<String, u64>>,
    failed: AtomicU64,
}

impl MeteredLimiter {
    /// Around `limiter`.
    pub fn new(limiter: Arc<dyn RateLimiter>) -> Self {
        Self { limiter, refused: Mutex::default(), failed: AtomicU64::new(0) }
    }
}

impl RateLimiter for MeteredLimiter {
    fn check<'a>(
        &'a self,
        principal: &'a str,
        charges: &'a [Charge],
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Decision, LimitError>> {
        Box::pin(async move {
            let outcome = self.limiter.check(principal, charges, now).await;
            match &outcome {
                Ok(decision) if decision.allowed => {}
                Ok(decision) => {
                    let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
                    *refused.entry(decision.quota.name.clone()).or_default() += 1;
                }
                Err(_) => _ = self.failed.fetch_add(1, Ordering::Relaxed),
            }
            outcome
        })
    }
}

impl Measured for MeteredLimiter {
    fn samples(&self) -> Vec<Sample> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let sample = |(quota, count): (&String, &u64)| {
            Sample::counter("rate_limit.refused", "Requests that were one too many", *count).with("quota", quota)
        };
        let failed = self.failed.load(Ordering::Relaxed);
        let failed = Sample::counter("rate_limit.failed", "Requests that could not be counted, and passed", failed);
        refused.iter().map(sample).chain([failed]).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::limits::{MemoryLimiter, Quota};
    use crate::platform::metrics::prometheus;

    #[tokio::test]
    async fn what_is_refused_is_counted_by_its_quota() {
        let limiter = MeteredLimiter::new(Arc::new(MemoryLimiter::with_capacity(10)));
        let quota = Quota { name: "request".to_owned(), limit: 1, window: Duration::from_secs(60) };
        let charges = [Charge { quota, cost: 1 }];
        for allowed in [true, false, false] {
            let decision = limiter.check("user:ada", &charges, Timestamp::UNIX_EPOCH).await.unwrap();
            assert_eq!(decision.allowed, allowed);
        }
        assert!(limiter.check("user:ada", &[], Timestamp::UNIX_EPOCH).await.is_err());
        let text = prometheus(limiter.samples());
        assert!(text.contains("mcp_rate_limit_refused_total{quota=\"request\"} 2\n"), "{text}");
        assert!(text.contains("mcp_rate_limit_failed_total 1\n"), "{text}");
    }
}
