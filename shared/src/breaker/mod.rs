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
//! | `rolling`, `latency` | counts and latencies over a window |
//! | `shared`, `redis` | what sandboxes tell each other |
//! | `registry` | all breakers of a process |

mod circuit;
mod cloudwatch;
mod event;
mod latency;
mod options;
#[cfg(feature = "redis")]
mod redis;
mod registry;
mod rolling;
mod shared;
mod sync;
mod ticks;

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::Poll;
use std::time::Duration;

use crate::platform::clock::Clock;
use crate::platform::ids;
use crate::platform::outage::Outage;
use circuit::{Admission, Circuit, Count, Decree, Rules, Transition};
use latency::Histogram;
use rolling::Rolling;
use ticks::Ticks;

pub use circuit::State;
pub use cloudwatch::CloudWatch;
pub use event::{Event, Listener};
pub use latency::Latencies;
pub use options::{Backoff, Options, SlowCalls};
#[cfg(feature = "redis")]
pub use redis::RedisCircuits;
pub use registry::{Breakers, Report};
pub use shared::{Election, SharedCircuits, SharedError, SharedState, Verdict};

/// How old what is known of other sandboxes may be, in microseconds.
const KNOWLEDGE: i64 = 1_000_000;
/// How much longer than its call a trial of the fleet may take to say how it went.
const GRACE: Duration = Duration::from_secs(1);

/// A breaker around one service. Shared by all its callers.
pub struct CircuitBreaker {
    options: Options,
    ticks: Ticks,
    circuit: Circuit,
    latencies: Rolling<Histogram>,
    listeners: Vec<Arc<dyn Listener>>,
    fleet: Option<Fleet>,
}

/// The other sandboxes.
struct Fleet {
    circuits: Arc<dyn SharedCircuits>,
    /// This breaker among all others.
    holder: String,
    /// When they were last asked.
    asked_at: AtomicI64,
    outage: Outage,
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

/// What happened in the rolling window.
#[derive(Debug, Clone)]
pub struct Statistics {
    /// Calls that were asked for, whatever became of them.
    pub fires: u64,
    /// Calls that succeeded, or failed with an error that does not count.
    pub successes: u64,
    /// Calls that failed, timed out, or found no room.
    pub failures: u64,
    /// Those of them that timed out.
    pub timeouts: u64,
    /// Calls that were not made, the circuit being open.
    pub rejections: u64,
    /// Calls that were not made, too many being under way.
    pub semaphore_rejections: u64,
    /// Calls that a fallback answered.
    pub fallbacks: u64,
    /// Calls whose caller went away.
    pub cancelled: u64,
    /// Calls that took longer than they should.
    pub slow: u64,
    /// How long calls that were made took.
    pub latency: Latencies,
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
        let fleet = Fleet {
            circuits,
            holder: ids::new_id().to_string(),
            asked_at: AtomicI64::new(i64::MIN),
            outage: Outage::default(),
        };
        Self { fleet: Some(fleet), ..self }
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
        let mut permit = Permit { breaker: self, trial: None, fired, started: fired, has_room: false, ended: false };
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

/// The other sandboxes: asked by a call at most once a second, told of transitions.
impl CircuitBreaker {
    /// Follows what others decided, where the last look was a while ago. One call looks; the others go on.
    async fn learn(&self, fleet: &Fleet, now: i64) {
        let asked_at = fleet.asked_at.load(Ordering::Relaxed);
        let is_due = now.saturating_sub(asked_at) >= KNOWLEDGE;
        if is_due && fleet.asked_at.compare_exchange(asked_at, now, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            let verdict = fleet.circuits.read(&self.options.name).await;
            self.follow(fleet.noted(&self.options.name, verdict));
        }
    }

    /// Of all who may try, one: whoever is not elected comes again when the trial must be over, or sooner.
    ///
    /// Whether this one is, or nobody has to be any more.
    ///
    /// # Errors
    /// Not before this time, and how long that is.
    async fn elect(&self, fleet: &Fleet) -> Result<bool, (Option<i64>, Duration)> {
        let (lease, seen) = (self.options.timeout.saturating_add(GRACE), self.circuit.epoch());
        let election = fleet.circuits.elect(&self.options.name, &fleet.holder, lease, seen).await;
        let now = self.ticks.now();
        match fleet.noted(&self.options.name, election) {
            None | Some(Election::Elected) => Ok(true),
            Some(Election::Another(remaining)) => {
                Err((Some(now.saturating_add(KNOWLEDGE.min(micros(remaining)))), remaining))
            }
            // This clock may be ahead of the fleet's: what is still open there is not tried here.
            Some(Election::Decided(Verdict { state: SharedState::Open { remaining, .. }, .. })) => {
                Err((Some(now.saturating_add(micros(remaining))), remaining))
            }
            Some(Election::Decided(verdict)) => {
                self.follow(Some(verdict));
                if self.circuit.is_closed() { Ok(false) } else { Err((None, self.options.timeout)) }
            }
        }
    }

    async fn publish(&self, transition: Option<Transition>, trial: bool) {
        let Some(fleet) = &self.fleet else { return };
        let name = &*self.options.name;
        let verdict = match transition {
            None | Some(Transition::HalfOpened) => return,
            Some(Transition::Opened) => {
                let remaining = duration(self.circuit.until().saturating_sub(self.ticks.now()));
                fleet.circuits.opened(name, &fleet.holder, remaining, trial).await
            }
            Some(Transition::Closed) => fleet.circuits.closed(name, &fleet.holder, self.circuit.epoch()).await,
        };
        self.follow(fleet.noted(name, verdict));
    }

    fn follow(&self, verdict: Option<Verdict>) {
        let Some(Verdict { state, epoch }) = verdict else { return };
        let decree = match state {
            SharedState::Unknown => return self.tell(self.circuit.forget()),
            SharedState::Closed => Decree::Closed,
            SharedState::Open { remaining, openings } => {
                Decree::Open { until: self.ticks.now().saturating_add(micros(remaining)), openings }
            }
            SharedState::Isolated => Decree::Isolated,
        };
        self.tell(self.circuit.follow(decree, epoch));
    }
}

impl Fleet {
    /// The answer, if there is one; a change between failing and answering is logged.
    fn noted<T>(&self, service: &str, answer: Result<T, SharedError>) -> Option<T> {
        if self.outage.changed(answer.is_err()) {
            match &answer {
                Ok(_) => tracing::info!(service, "the circuit is shared again"),
                Err(error) => {
                    tracing::warn!(service, %error, "the circuit is not shared: each process counts for itself");
                }
            }
        }
        answer.ok()
    }
}

/// One call, from its firing to its end. Dropped without an outcome (the caller went away), it gives back what it held.
struct Permit<'a> {
    breaker: &'a CircuitBreaker,
    trial: Option<u64>,
    fired: i64,
    /// When the call itself began.
    started: i64,
    has_room: bool,
    ended: bool,
}

impl Permit<'_> {
    /// Lets the call through, or says when to come again.
    async fn admitted(&mut self) -> Result<(), Duration> {
        let breaker = self.breaker;
        if let Some(fleet) = &breaker.fleet {
            breaker.learn(fleet, self.fired).await;
            self.started = breaker.ticks.now();
        }
        breaker.wake_if_due(self.started);
        match breaker.circuit.admit(self.started) {
            Admission::Pass { trial } => self.trial = trial,
            Admission::Refused { until } => {
                self.ended = true;
                return Err(breaker.until(until, self.started));
            }
        }
        if let (Some(trial), Some(fleet)) = (self.trial, &breaker.fleet) {
            let elected = breaker.elect(fleet).await;
            self.started = breaker.ticks.now();
            match elected {
                Ok(true) => {}
                // It is closed by now: a call like any other.
                Ok(false) => self.trial = None,
                Err((until, retry_after)) => {
                    self.ended = true;
                    breaker.circuit.give_back(trial, until);
                    return Err(retry_after);
                }
            }
        }
        Ok(())
    }

    fn take_room(&mut self) -> bool {
        self.has_room = self.breaker.circuit.acquire();
        self.has_room
    }

    /// Notes how the call ended: what followed, and whether it was a trial.
    fn ended<T, E>(mut self, result: &Result<T, BreakerError<E>>, passes: bool) -> (Option<Transition>, bool) {
        self.ended = true;
        let breaker = self.breaker;
        let now = breaker.ticks.now();
        let latency = now - self.started;
        // The outcome is that of a call in the state of now, whenever it began.
        breaker.wake_if_due(now);
        match result {
            Err(BreakerError::Busy) => {
                breaker.circuit.count(Count::SemaphoreRejection, now);
                breaker.emit(Event::SemaphoreLocked);
            }
            Err(BreakerError::TimedOut(_)) => {
                breaker.circuit.count(Count::Timeout, now);
                breaker.emit(Event::Timeout);
                breaker.latencies.at(now).record(latency);
            }
            _ => breaker.latencies.at(now).record(latency),
        }
        (breaker.ended(latency, now, result.is_err() && !passes), self.trial.is_some())
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let circuit = &self.breaker.circuit;
        if self.has_room {
            circuit.release();
        }
        if !self.ended {
            circuit.cancelled(self.fired, self.breaker.ticks.now());
            if let Some(trial) = self.trial {
                circuit.give_back(trial, None);
            }
            self.breaker.emit(Event::Cancel);
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
