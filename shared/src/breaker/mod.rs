//! The circuit breaker: a service that keeps failing is not asked for a while, so that callers learn at once and the
//! service can recover.
//!
//! Closed, calls pass and are counted over a rolling window; open, none does; half-open, one call (or as many as there are
//! permits) tries for all. It opens when `failures / fires * 100` is strictly above the threshold and the volume is
//! reached, or on any failure while half-open; one success while half-open closes it. These are the semantics of opossum
//! (<https://nodeshift.dev/opossum/>), which recorded runs of it hold it to (`traces.rs`).
//!
//! Time is read from the `Clock` at each call: there is no timer that a frozen sandbox could stop. A call through a closed
//! circuit takes no lock. A call that is dropped gives back what it held, and is counted as cancelled.
//!
//! | file | holds |
//! | --- | --- |
//! | `circuit` | the state machine: pure, lock-free while closed, model-checked |
//! | `permit` | one call, from its firing to its end |
//! | `rolling`, `latency` | counts and latencies over a window |
//! | `fleet`, `shared`, `redis` | what sandboxes tell each other |
//! | `registry`, `cloudwatch` | all breakers of a process, and who hears of them |

mod circuit;
mod event;
mod fleet;
mod latency;
mod options;
mod permit;
#[cfg(feature = "redis")]
mod redis;
mod registry;
mod rolling;
mod shared;
mod statistics;
mod sync;
mod ticks;

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use crate::platform::clock::Clock;
use crate::platform::ids;
use circuit::{Circuit, Count, Rules, Transition};
use fleet::Fleet;
use latency::Histogram;
use permit::Permit;
use rolling::Rolling;
use ticks::Ticks;

pub use circuit::State;
pub use event::{Event, Listener};
pub use latency::Latencies;
pub use options::{Backoff, Options, SlowCalls};
#[cfg(feature = "redis")]
pub use redis::RedisCircuits;
pub use registry::{Breakers, Report};
pub use shared::{Election, SharedCircuits, SharedError, SharedState, Verdict};
pub use statistics::Statistics;

/// A breaker around one service. Shared by all its callers.
pub struct CircuitBreaker {
    options: Options,
    ticks: Ticks,
    circuit: Circuit,
    latencies: Rolling<Histogram>,
    listeners: Vec<Arc<dyn Listener>>,
    fleet: Option<Fleet>,
}

/// Why a call gave no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BreakerError<E = Infallible> {
    /// It was not made: the circuit is open.
    #[error("the circuit is open")]
    Open {
        /// Until the next call may be let through.
        retry_after: Duration,
    },
    /// It was not made: as many as may be are under way.
    #[error("too many calls are under way")]
    Busy,
    /// It took longer than this.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// It was made and failed.
    #[error(transparent)]
    Failed(#[from] E),
}

impl CircuitBreaker {
    /// A closed breaker.
    pub fn new(options: Options, clock: Arc<dyn Clock>) -> Self {
        Self::with_rule(options, clock, circuit::exceeds)
    }

    fn with_rule(options: Options, clock: Arc<dyn Clock>, exceeds: fn(u64, u64, u64) -> bool) -> Self {
        let ticks = Ticks::new(clock);
        let now = ticks.now();
        let (window, buckets) = (micros(options.rolling_count_timeout), options.rolling_count_buckets);
        let rules = Rules {
            error_threshold: u64::from(options.error_threshold_percentage),
            slow_threshold: options.slow_calls.map(|slow| u64::from(slow.threshold_percentage)),
            volume_threshold: u64::from(options.volume_threshold),
            half_open_permits: options.half_open_permits.max(1),
            capacity: options.capacity,
            warm_until: if options.allow_warm_up { now.saturating_add(window) } else { now },
            exceeds,
        };
        Self {
            circuit: Circuit::new(rules, now, window, buckets),
            latencies: Rolling::new(now, window, buckets),
            listeners: vec![],
            fleet: None,
            options,
            ticks,
        }
    }

    /// The same, with somebody who listens.
    #[must_use]
    pub fn heard_by(mut self, listener: Arc<dyn Listener>) -> Self {
        self.listeners.push(listener);
        self
    }

    /// The same, sharing its state with the breakers of that name in other sandboxes.
    #[must_use]
    pub fn shared_through(self, circuits: Arc<dyn SharedCircuits>) -> Self {
        Self { fleet: Some(Fleet::new(circuits)), ..self }
    }

    /// What it was made with.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The state now.
    pub fn state(&self) -> State {
        self.wake_if_due(self.ticks.now());
        self.circuit.state()
    }

    /// What happened in the rolling window.
    pub fn statistics(&self) -> Statistics {
        let now = self.ticks.now();
        let totals = self.circuit.totals(now);
        let of = |what: Count| totals[what as usize];
        Statistics {
            fires: of(Count::Fire),
            successes: of(Count::Success),
            failures: of(Count::Failure),
            timeouts: of(Count::Timeout),
            rejections: of(Count::Rejection),
            semaphore_rejections: of(Count::SemaphoreRejection),
            fallbacks: of(Count::Fallback),
            cancelled: of(Count::Cancelled),
            slow: of(Count::Slow),
            latency: Latencies::sum(self.latencies.all(now)),
        }
    }

    /// Opens the circuit here, as failures would: for its time.
    pub fn open(&self) {
        let now = self.ticks.now();
        self.wake(now);
        self.tell(self.circuit.open(now, self.reset()));
    }

    /// Closes the circuit here. What the window counted stays.
    pub fn close(&self) {
        self.wake(self.ticks.now());
        self.tell(self.circuit.force_close());
    }

    /// Lets no call pass here until [`close`](Self::close), whatever the others decide. For all sandboxes:
    /// [`SharedCircuits::isolate`].
    pub fn isolate(&self) {
        self.tell(self.circuit.isolate());
    }

    /// Makes `call`, if the circuit lets it; every error counts as a failure.
    ///
    /// # Errors
    /// [`BreakerError`]: the call's own, a time-out, or that it was not made.
    pub async fn call<T, E>(&self, call: impl Future<Output = Result<T, E>>) -> Result<T, BreakerError<E>> {
        self.call_filtered(call, |_| false).await
    }

    /// The same, where an error that `error_filter` lets pass is returned, but counts as a success: the service answered,
    /// if only to refuse.
    ///
    /// # Errors
    /// As for [`call`](Self::call).
    pub async fn call_filtered<T, E>(
        &self,
        call: impl Future<Output = Result<T, E>>,
        error_filter: impl FnOnce(&BreakerError<E>) -> bool,
    ) -> Result<T, BreakerError<E>> {
        self.attempt(call, error_filter).await.map_err(|(error, _)| error)
    }

    /// Makes a call with `arguments`; where it fails or is not made, the answer is that of `fallback`, which is given the
    /// arguments and the error. Errors that `error_filter` lets pass are returned as they are.
    ///
    /// # Errors
    /// What `fallback` says; an error that the filter let pass.
    pub async fn call_or<A, T, E, C, F>(
        &self,
        arguments: A,
        call: impl FnOnce(A) -> C,
        error_filter: impl FnOnce(&BreakerError<E>) -> bool,
        fallback: impl FnOnce(A, BreakerError<E>) -> F,
    ) -> Result<T, BreakerError<E>>
    where
        A: Clone,
        C: Future<Output = Result<T, E>>,
        F: Future<Output = Result<T, BreakerError<E>>>,
    {
        match self.attempt(call(arguments.clone()), error_filter).await {
            Ok(value) => Ok(value),
            Err((error, true)) => Err(error),
            Err((error, false)) => {
                self.circuit.count(Count::Fallback, self.ticks.now());
                self.emit(Event::Fallback);
                fallback(arguments, error).await
            }
        }
    }

    /// An error comes with whether the filter let it pass.
    async fn attempt<T, E>(
        &self,
        call: impl Future<Output = Result<T, E>>,
        error_filter: impl FnOnce(&BreakerError<E>) -> bool,
    ) -> Result<T, (BreakerError<E>, bool)> {
        let fired = self.ticks.now();
        self.circuit.count(Count::Fire, fired);
        self.emit(Event::Fire);
        if !self.options.enabled {
            return call.await.map_err(|error| (BreakerError::Failed(error), true));
        }
        let mut permit = Permit::new(self, fired);
        permit.admitted().await.map_err(|retry_after| {
            self.circuit.count(Count::Rejection, self.ticks.now());
            self.emit(Event::Reject);
            (BreakerError::Open { retry_after }, false)
        })?;
        let result = if permit.take_room() {
            match within(self.options.timeout, call).await {
                Some(result) => result.map_err(BreakerError::Failed),
                None => Err(BreakerError::TimedOut(self.options.timeout)),
            }
        } else {
            Err(BreakerError::Busy)
        };
        let passes = result.as_ref().is_err_and(error_filter);
        let (transition, trial) = permit.ended(&result, passes);
        // That this process asks too much says nothing to the others, but for those who wait for its trial.
        if trial || !matches!(result, Err(BreakerError::Busy)) {
            self.publish(transition, trial).await;
        }
        result.map_err(|error| (error, passes))
    }

    fn until(&self, time: Option<i64>, now: i64) -> Duration {
        match time {
            Some(time) => duration(time - now),
            // Whoever is on the way will know by then.
            None if self.circuit.state() == State::HalfOpen => self.options.timeout,
            None => self.options.reset_timeout,
        }
    }

    /// Notes an outcome; who made the call that decided must tell the others.
    fn ended(&self, latency: i64, now: i64, failed: bool) -> Option<Transition> {
        let slow = self.options.slow_calls.is_some_and(|slow| latency > micros(slow.duration));
        let transition = if failed {
            self.emit_with(|| Event::Failure { latency: duration(latency) });
            self.circuit.failed(slow, now, self.reset())
        } else {
            self.emit_with(|| Event::Success { latency: duration(latency) });
            self.circuit.succeeded(slow, now, self.reset())
        };
        self.tell(transition);
        transition
    }

    fn wake_if_due(&self, now: i64) {
        if !self.circuit.is_closed() {
            self.wake(now);
        }
    }

    fn wake(&self, now: i64) {
        self.tell(self.circuit.wake(now));
    }

    fn reset(&self) -> impl FnOnce(u32) -> i64 {
        |openings| micros(self.options.reset_time(openings, ids::random()))
    }

    fn emit(&self, event: Event) {
        self.emit_with(|| event);
    }

    fn emit_with(&self, event: impl Fn() -> Event) {
        for listener in &self.listeners {
            listener.heard(&self.options, event());
        }
    }

    fn tell(&self, transition: Option<Transition>) {
        let service = &*self.options.name;
        match transition {
            None => {}
            Some(Transition::Opened) => {
                tracing::error!(service, "circuit open: the service keeps failing");
                self.emit(Event::Open);
            }
            Some(Transition::HalfOpened) => {
                tracing::info!(service, "circuit half-open: the next call decides");
                self.emit(Event::HalfOpen);
            }
            Some(Transition::Closed) => {
                tracing::info!(service, "circuit closed: the service answers again");
                self.emit(Event::Close);
            }
        }
    }
}

/// The output of `future`, if it comes in time. One that never waits needs no timer.
async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    match poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await {
        Poll::Ready(output) => Some(output),
        Poll::Pending => tokio::time::timeout(limit, future).await.ok(),
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

fn duration(micros: i64) -> Duration {
    Duration::from_micros(u64::try_from(micros).unwrap_or_default())
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod traces;
