//! The promises of [`RateLimiter`], kept by the limiter in memory and the one in Redis, and broken by doubles.

mod build;
mod doubles;
mod never_over_quota;
mod redis_only;
mod twins;

use std::sync::Arc;
use std::time::Duration;

use mcp_core::limits::RateLimiter;
use tokio::task::JoinSet;

use build::{Caller, Charged, at_micros, memory, quota, redis};

/// Makes each promise a test on each backend.
macro_rules! contract {
    ($($promise:ident),* $(,)?) => {
        mod in_memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                super::$promise(super::memory()).await;
            })*
        }

        mod in_redis {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                super::$promise(super::redis()).await;
            })*
        }
    };
}

contract!(
    all_charges_are_made_or_none,
    refused_requests_do_not_count,
    a_cost_of_nothing_only_looks,
    what_can_never_pass_has_no_retry,
    a_quota_touched_twice_pays_twice,
    callers_and_quotas_do_not_share,
    a_quota_is_whole_again_when_it_says_so,
    a_clock_set_back_locks_nobody_out,
    tasks_that_race_never_exceed_a_quota,
    a_check_without_charges_is_an_error,
);

async fn all_charges_are_made_or_none(limiter: Arc<dyn RateLimiter>) {
    let caller = Caller::of(limiter);
    let (wide, narrow) = (quota("wide", 10, 60), quota("narrow", 1, 60));
    let both = [wide.charge(3), narrow.charge(1)];
    assert!(caller.check(&both).await.allowed);
    let refused = caller.check(&both).await;
    assert!(!refused.allowed);
    assert_eq!((refused.quota.name.as_str(), refused.remaining), ("narrow", 0));
    assert_eq!(caller.remaining(&wide).await, 7);
}

async fn refused_requests_do_not_count(limiter: Arc<dyn RateLimiter>) {
    let caller = Caller::of(limiter);
    let quota = quota("request", 5, 60);
    assert!(caller.check(&[quota.charge(4)]).await.allowed);
    for _ in 0..20 {
        assert!(!caller.check(&[quota.charge(2)]).await.allowed);
    }
    let last = caller.check(&[quota.charge(1)]).await;
    assert_eq!((last.allowed, last.remaining, last.retry_after), (true, 0, None));
}

async fn a_cost_of_nothing_only_looks(limiter: Arc<dyn RateLimiter>) {
    let caller = Caller::of(limiter);
    let quota = quota("request", 2, 60);
    for _ in 0..5 {
        let look = caller.check(&[quota.charge(0)]).await;
        assert_eq!((look.allowed, look.remaining, look.reset_after), (true, 2, Duration::ZERO));
    }
    assert!(caller.check(&[quota.charge(2)]).await.allowed);
    let look = caller.check(&[quota.charge(0)]).await;
    assert_eq!((look.allowed, look.remaining), (true, 0));
}

async fn what_can_never_pass_has_no_retry(limiter: Arc<dyn RateLimiter>) {
    let caller = Caller::of(limiter);
    let quota = quota("request", 2, 60);
    for cost in [3, u32::MAX] {
        let refused = caller.check(&[quota.charge(cost)]).await;
        assert_eq!((refused.allowed, refused.remaining, refused.retry_after), (false, 2, None));
    }
    assert_eq!(caller.remaining(&quota).await, 2);
}

async fn a_quota_touched_twice_pays_twice(limiter: Arc<dyn RateLimiter>) {
    let caller = Caller::of(limiter);
    let quota = quota("request", 5, 60);
    assert!(!caller.check(&[quota.charge(3), quota.charge(3)]).await.allowed);
    let taken = caller.check(&[quota.charge(2), quota.charge(3)]).await;
    assert_eq!((taken.allowed, taken.remaining), (true, 0));
}

async fn callers_and_quotas_do_not_share(limiter: Arc<dyn RateLimiter>) {
    let (ann, bob) = (Caller::of(limiter.clone()), Caller::of(limiter));
    let (one, other) = (quota("one", 1, 60), quota("other", 1, 60));
    assert!(ann.check(&[one.charge(1)]).await.allowed);
    assert!(ann.check(&[other.charge(1)]).await.allowed);
    assert!(bob.check(&[one.charge(1)]).await.allowed);
    assert!(!ann.check(&[one.charge(1)]).await.allowed);
}

async fn a_quota_is_whole_again_when_it_says_so(limiter: Arc<dyn RateLimiter>) {
    let mut caller = Caller::of(limiter);
    let quota = quota("request", 5, 60);
    caller.check(&[quota.charge(2)]).await;
    caller.advance(7_300_000);
    let reset_after = caller.check(&[quota.charge(1)]).await.reset_after;
    let micros = i64::try_from(reset_after.as_micros()).unwrap();
    caller.advance(micros - 1);
    assert_eq!(caller.remaining(&quota).await, 4);
    caller.advance(1);
    assert_eq!(caller.remaining(&quota).await, 5);
}

async fn a_clock_set_back_locks_nobody_out(limiter: Arc<dyn RateLimiter>) {
    let mut caller = Caller::of(limiter);
    let quota = quota("request", 3, 60);
    assert!(caller.check(&[quota.charge(3)]).await.allowed);
    caller.advance(-3_600_000_000);
    let refused = caller.check(&[quota.charge(1)]).await;
    assert!(!refused.allowed);
    let wait = refused.retry_after.unwrap();
    assert!(wait <= Duration::from_secs(61), "{wait:?}");
    caller.advance(i64::try_from(wait.as_micros()).unwrap());
    assert!(caller.check(&[quota.charge(3)]).await.allowed);
}

async fn tasks_that_race_never_exceed_a_quota(limiter: Arc<dyn RateLimiter>) {
    let caller = Arc::new(Caller::of(limiter));
    let (wide, narrow) = (quota("wide", 1_000, 60), quota("narrow", 20, 60));
    let mut tasks = JoinSet::new();
    for _ in 0..50 {
        let (caller, charges) = (caller.clone(), [wide.charge(1), narrow.charge(1)]);
        tasks.spawn(async move { caller.check(&charges).await.allowed });
    }
    let admitted = tasks.join_all().await.into_iter().filter(|allowed| *allowed).count();
    assert_eq!(admitted, 20);
    assert_eq!(caller.remaining(&wide).await, 980);
}

async fn a_check_without_charges_is_an_error(limiter: Arc<dyn RateLimiter>) {
    assert!(limiter.check("user:nobody", &[], at_micros(0)).await.is_err());
}
