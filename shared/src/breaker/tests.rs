use std::future::{pending, ready};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta};
use futures_util::FutureExt;

use super::*;
use crate::platform::clock::ManualClock;

struct Fixture {
    clock: ManualClock,
    breaker: CircuitBreaker,
}

fn fixture() -> Fixture {
    let clock = ManualClock::at(DateTime::UNIX_EPOCH);
    let breaker = CircuitBreaker::new(Options::new("test"), Arc::new(clock.clone()));
    Fixture { clock, breaker }
}

impl Fixture {
    fn advance(&self, millis: i64) {
        self.clock.advance(TimeDelta::milliseconds(millis));
    }

    async fn succeed(&self) -> Result<(), BreakerError<&'static str>> {
        self.breaker.call(ready(Ok(()))).await
    }

    async fn fail(&self) -> Result<(), BreakerError<&'static str>> {
        self.breaker.call(ready(Err("no"))).await
    }

    async fn open(&self) {
        for _ in 0..5 {
            self.fail().await.unwrap_err();
        }
        assert_eq!(self.breaker.state(), State::Open);
    }

    async fn half_open(&self) {
        self.open().await;
        self.advance(30_000);
        assert_eq!(self.breaker.state(), State::HalfOpen);
    }
}

#[tokio::test]
async fn a_rate_at_the_threshold_does_not_open_and_one_above_does() {
    let it = fixture();
    for _ in 0..5 {
        it.succeed().await.unwrap();
    }
    for _ in 0..5 {
        it.fail().await.unwrap_err();
    }
    assert_eq!(it.breaker.state(), State::Closed);
    it.fail().await.unwrap_err();
    assert_eq!(it.breaker.state(), State::Open);
}

#[tokio::test]
async fn too_few_calls_never_open() {
    let it = fixture();
    for _ in 0..4 {
        it.fail().await.unwrap_err();
    }
    assert_eq!(it.breaker.state(), State::Closed);
}

#[tokio::test]
async fn failures_that_left_the_window_no_longer_count() {
    let it = fixture();
    for _ in 0..4 {
        it.fail().await.unwrap_err();
    }
    it.advance(10_000);
    it.fail().await.unwrap_err();
    assert_eq!(it.breaker.state(), State::Closed);
    // A freeze of any length is a jump of the clock.
    it.advance(3_600_000);
    for _ in 0..4 {
        it.fail().await.unwrap_err();
    }
    assert_eq!(it.breaker.state(), State::Closed);
    it.advance(9_000);
    it.fail().await.unwrap_err();
    assert_eq!(it.breaker.state(), State::Open);
}

#[tokio::test]
async fn open_it_says_how_long_and_makes_no_call() {
    let it = fixture();
    it.open().await;
    it.advance(10_000);
    let answer: Result<(), BreakerError<&str>> = it.breaker.call(async { panic!("called") }).await;
    assert_eq!(answer, Err(BreakerError::Open { retry_after: Duration::from_secs(20) }));
}

#[tokio::test]
async fn a_success_while_half_open_closes() {
    let it = fixture();
    it.half_open().await;
    it.succeed().await.unwrap();
    assert_eq!(it.breaker.state(), State::Closed);
}

#[tokio::test]
async fn a_failure_while_half_open_opens_for_the_whole_time_again() {
    let it = fixture();
    it.half_open().await;
    it.fail().await.unwrap_err();
    it.advance(29_999);
    assert_eq!(it.breaker.state(), State::Open);
    it.advance(1);
    assert_eq!(it.breaker.state(), State::HalfOpen);
}

#[tokio::test]
async fn half_open_admits_one_call_and_a_cancelled_one_makes_room() {
    let it = fixture();
    it.half_open().await;
    let mut probe = Box::pin(it.breaker.call(pending::<Result<(), &str>>()));
    assert!(probe.as_mut().now_or_never().is_none());
    assert!(matches!(it.succeed().await, Err(BreakerError::Open { .. })));
    drop(probe);
    it.succeed().await.unwrap();
    assert_eq!(it.breaker.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_takes_too_long_is_a_failure() {
    let it = fixture();
    for _ in 0..5 {
        let answer = it.breaker.call(pending::<Result<(), &str>>()).await;
        assert_eq!(answer, Err(BreakerError::TimedOut(Duration::from_secs(3))));
    }
    assert_eq!(it.breaker.state(), State::Open);
}

#[tokio::test]
async fn an_error_that_does_not_count_is_returned_and_is_a_success() {
    let it = fixture();
    for _ in 0..20 {
        let answer = it.breaker.call_counting(ready(Err::<(), _>("refused")), |_| false).await;
        assert_eq!(answer, Err(BreakerError::Failed("refused")));
    }
    assert_eq!(it.breaker.state(), State::Closed);
}

#[tokio::test]
async fn a_clock_that_is_set_back_does_not_prolong_the_opening() {
    let it = fixture();
    it.open().await;
    it.advance(20_000);
    assert_eq!(it.breaker.state(), State::Open);
    it.advance(-3_600_000);
    let answer = it.succeed().await;
    assert_eq!(answer, Err(BreakerError::Open { retry_after: Duration::from_secs(10) }));
    it.advance(10_000);
    it.succeed().await.unwrap();
}
