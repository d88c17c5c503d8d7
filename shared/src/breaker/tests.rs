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
    fixture_with(|_| {})
}

fn fixture_with(change: impl FnOnce(&mut Options)) -> Fixture {
    let clock = ManualClock::at(DateTime::UNIX_EPOCH);
    let mut options = Options::new("test");
    change(&mut options);
    let breaker = CircuitBreaker::new(options, Arc::new(clock.clone()));
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

    /// A call that succeeds after a while.
    async fn take(&self, millis: i64) {
        let call = async {
            self.advance(millis);
            Ok::<_, &str>(())
        };
        self.breaker.call(call).await.unwrap();
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
        let answer = it.breaker.call_filtered(ready(Err::<(), _>("refused")), |_| true).await;
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

#[tokio::test]
async fn a_dropped_call_is_counted_and_says_nothing_about_the_service() {
    let it = fixture_with(|options| options.capacity = Some(1));
    for _ in 0..20 {
        assert!(it.breaker.call(pending::<Result<(), &str>>()).now_or_never().is_none());
    }
    // One that never began is none.
    drop(it.breaker.call(pending::<Result<(), &str>>()));
    let statistics = it.breaker.statistics();
    assert_eq!((statistics.fires, statistics.cancelled, statistics.failures), (20, 20, 0));
    // The room is there again, and the rate is that of the calls that ended.
    for _ in 0..3 {
        it.succeed().await.unwrap();
    }
    for _ in 0..4 {
        it.fail().await.unwrap_err();
    }
    assert_eq!(it.breaker.state(), State::Open);
}

#[tokio::test]
async fn a_call_that_was_dropped_late_leaves_the_window_with_its_beginning() {
    let it = fixture_with(|options| options.error_threshold_percentage = 30);
    let mut calls: Vec<_> = (0..10).map(|_| Box::pin(it.breaker.call(pending::<Result<(), &str>>()))).collect();
    assert!(calls.iter_mut().all(|call| call.as_mut().now_or_never().is_none()));
    it.advance(2_000);
    for _ in 0..14 {
        it.succeed().await.unwrap();
    }
    it.advance(9_000);
    drop(calls);
    // Two of sixteen, not two of six.
    it.fail().await.unwrap_err();
    it.fail().await.unwrap_err();
    assert_eq!(it.breaker.state(), State::Closed);
    assert_eq!(it.breaker.statistics().cancelled, 0);
}

#[tokio::test]
async fn calls_that_answer_too_late_open_it() {
    let it = fixture_with(|options| {
        options.slow_calls = Some(SlowCalls { duration: Duration::from_secs(1), threshold_percentage: 50 });
    });
    for (millis, state) in
        [(1_000, State::Closed), (1_000, State::Closed), (1_001, State::Closed), (1_001, State::Closed)]
    {
        it.take(millis).await;
        assert_eq!(it.breaker.state(), state);
    }
    it.take(1_500).await;
    assert_eq!(it.breaker.state(), State::Open);
    assert_eq!(it.breaker.statistics().slow, 3);
    it.advance(30_000);
    it.take(1_500).await;
    assert_eq!(it.breaker.state(), State::Open, "a slow trial is none that succeeded");
}

#[tokio::test]
async fn with_several_permits_each_must_succeed() {
    let it = fixture_with(|options| options.half_open_permits = 2);
    it.half_open().await;
    it.succeed().await.unwrap();
    assert_eq!(it.breaker.state(), State::HalfOpen);
    it.succeed().await.unwrap();
    assert_eq!(it.breaker.state(), State::Closed);

    let it = fixture_with(|options| options.half_open_permits = 2);
    it.half_open().await;
    let one = Box::pin(it.breaker.call(pending::<Result<(), &str>>()));
    let other = Box::pin(it.breaker.call(pending::<Result<(), &str>>()));
    let mut both = [one, other];
    assert!(both.iter_mut().all(|call| call.as_mut().now_or_never().is_none()));
    assert!(matches!(it.succeed().await, Err(BreakerError::Open { .. })));
}

#[tokio::test]
async fn the_time_open_doubles_while_the_service_stays_down_and_starts_anew_after_it_was_up() {
    let it = fixture_with(|options| {
        options.reset_backoff = Backoff { factor: 2, longest: Duration::from_secs(100), jitter_percentage: 0 };
    });
    it.open().await;
    for seconds in [30, 60, 100, 100] {
        it.advance(seconds * 1_000 - 1);
        assert_eq!(it.breaker.state(), State::Open);
        it.advance(1);
        assert_eq!(it.breaker.state(), State::HalfOpen);
        it.fail().await.unwrap_err();
    }
    it.advance(100_000);
    it.succeed().await.unwrap();
    it.open().await;
    it.advance(30_000);
    assert_eq!(it.breaker.state(), State::HalfOpen);
}

#[tokio::test]
async fn isolated_it_stays_so_until_it_is_closed() {
    let it = fixture();
    it.breaker.isolate();
    it.advance(3_600_000);
    assert!(matches!(it.succeed().await, Err(BreakerError::Open { .. })));
    it.breaker.open();
    it.advance(3_600_000);
    assert_eq!(it.breaker.state(), State::Isolated);
    it.breaker.close();
    it.succeed().await.unwrap();
}

#[tokio::test]
async fn the_fallback_gets_the_arguments_and_the_error() {
    let it = fixture();
    let answer = async |fails: bool, passes: bool| {
        let call = |n: i32| ready(if fails { Err("no") } else { Ok(n + 1) });
        let fallback = |n: i32, error: BreakerError<&'static str>| {
            ready(match error {
                BreakerError::Failed("no") => Ok(-n),
                error => Err(error),
            })
        };
        it.breaker.call_or(41, call, |_| passes, fallback).await
    };
    assert_eq!(answer(false, false).await, Ok(42));
    assert_eq!(answer(true, false).await, Ok(-41));
    assert_eq!(answer(true, true).await, Err(BreakerError::Failed("no")));
    assert_eq!(it.breaker.statistics().fallbacks, 1);
}

#[tokio::test]
async fn latencies_are_those_of_the_calls_in_the_window() {
    let it = fixture();
    for millis in [10, 20, 30, 40] {
        it.take(millis).await;
    }
    let latency = it.breaker.statistics().latency;
    let near = |time: Duration, millis: u64| {
        time.abs_diff(Duration::from_millis(millis)) <= Duration::from_millis(millis) / 16
    };
    assert!(
        near(latency.percentile(0.5), 20) && near(latency.percentile(1.0), 40) && near(latency.mean(), 25),
        "{latency:?}"
    );
    it.advance(10_000);
    assert_eq!(it.breaker.statistics().latency.percentile(1.0), Duration::ZERO);
}
