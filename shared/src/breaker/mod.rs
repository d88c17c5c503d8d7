//! The circuit breaker: a service that keeps failing is not asked for a while, so that callers learn at once and the
//! service can recover.
//!
//! Closed, calls pass and are counted over a rolling window; open, none does; half-open, one call tries for all. It
//! opens when `failures / fires * 100` is strictly above the threshold and the volume is reached, or on any failure while
//! half-open; one success while half-open closes it. Time is read from the `Clock` at each call: there is no timer that
//! a frozen sandbox could stop.

mod options;
mod window;

use std::convert::Infallible;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;

use crate::platform::clock::{Clock, Timestamp, delta};
pub use options::Options;
use window::Window;

/// A breaker around one service. Shared by all its callers.
pub struct CircuitBreaker {
    options: Options,
    clock: Arc<dyn Clock>,
    circuit: Mutex<Circuit>,
}

/// Whether calls pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// All do.
    Closed,
    /// None does.
    Open,
    /// One does, and decides.
    HalfOpen,
}

/// Why a call gave no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BreakerError<E = Infallible> {
    /// It was not made.
    #[error("the circuit is open")]
    Open {
        /// Until the next call is let through.
        retry_after: Duration,
    },
    /// It took longer than this.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// It was made and failed.
    #[error(transparent)]
    Failed(#[from] E),
}

struct Circuit {
    state: State,
    window: Window,
    /// When it last opened.
    opened_at: Timestamp,
    /// While half-open: whether the one call is under way.
    probing: bool,
    /// The clock, as last read.
    read: Timestamp,
    /// Time here, which only ever goes on: where the clock is set back, it stands still for one reading.
    latest: Timestamp,
}

impl CircuitBreaker {
    /// A closed breaker.
    pub fn new(options: Options, clock: Arc<dyn Clock>) -> Self {
        let now = clock.now();
        let window = Window::new(now, options.rolling_window, options.rolling_buckets);
        let circuit = Circuit { state: State::Closed, window, opened_at: now, probing: false, read: now, latest: now };
        Self { options, clock, circuit: Mutex::new(circuit) }
    }

    /// What it was made with.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The state now.
    pub fn state(&self) -> State {
        self.circuit().state
    }

    /// Makes `call`, if the circuit lets it; every error counts as a failure.
    ///
    /// # Errors
    /// [`BreakerError`]: the call's own, a time-out, or that it was not made.
    pub async fn call<T, E>(&self, call: impl Future<Output = Result<T, E>>) -> Result<T, BreakerError<E>> {
        self.call_counting(call, |_| true).await
    }

    /// The same, where an error of which `counts` says no is returned, but counts as a success: the service answered,
    /// if only to refuse.
    ///
    /// # Errors
    /// As for [`call`](Self::call).
    pub async fn call_counting<T, E>(
        &self,
        call: impl Future<Output = Result<T, E>>,
        counts: impl FnOnce(&E) -> bool,
    ) -> Result<T, BreakerError<E>> {
        let permit = self.admit().map_err(|retry_after| BreakerError::Open { retry_after })?;
        match tokio::time::timeout(self.options.timeout, call).await {
            Ok(Ok(value)) => {
                permit.succeeded();
                Ok(value)
            }
            Ok(Err(error)) => {
                if counts(&error) {
                    permit.failed();
                } else {
                    permit.succeeded();
                }
                Err(BreakerError::Failed(error))
            }
            Err(_) => {
                permit.failed();
                Err(BreakerError::TimedOut(self.options.timeout))
            }
        }
    }

    /// Lets a call through, or says when to come again.
    fn admit(&self) -> Result<Permit<'_>, Duration> {
        let mut circuit = self.circuit();
        circuit.window.fire();
        let probe = match circuit.state {
            State::Closed => false,
            State::Open => {
                let reopens = circuit.opened_at + delta(self.options.reset_timeout);
                return Err((reopens - circuit.latest).to_std().unwrap_or_default());
            }
            // Whoever is on the way will know by then.
            State::HalfOpen if circuit.probing => return Err(self.options.timeout),
            State::HalfOpen => {
                circuit.probing = true;
                true
            }
        };
        Ok(Permit { breaker: self, probe })
    }

    /// The circuit, brought up to the present.
    fn circuit(&self) -> MutexGuard<'_, Circuit> {
        // Each change is complete before anything can panic.
        let mut circuit = self.circuit.lock().unwrap_or_else(PoisonError::into_inner);
        let reading = self.clock.now();
        let now = circuit.latest + (reading - circuit.read).max(TimeDelta::zero());
        (circuit.read, circuit.latest) = (reading, now);
        circuit.window.advance(now);
        if circuit.state == State::Open && now >= circuit.opened_at + delta(self.options.reset_timeout) {
            circuit.state = State::HalfOpen;
            circuit.probing = false;
            tracing::info!(service = %self.options.name, "circuit half-open: the next call decides");
        }
        circuit
    }
}

/// The right to make one call. Dropped without an outcome (the caller went away), it is given back.
struct Permit<'a> {
    breaker: &'a CircuitBreaker,
    probe: bool,
}

impl Permit<'_> {
    fn succeeded(self) {
        let mut circuit = self.breaker.circuit();
        if circuit.state == State::HalfOpen {
            circuit.state = State::Closed;
            tracing::info!(service = %self.breaker.options.name, "circuit closed: the service answers again");
        }
    }

    fn failed(self) {
        let options = &self.breaker.options;
        let mut circuit = self.breaker.circuit();
        circuit.window.fail();
        let opens = match circuit.state {
            State::Open => false,
            State::HalfOpen => true,
            State::Closed => {
                let (fires, failures) = circuit.window.totals();
                let rate_is_above = u64::from(failures) * 100 > u64::from(fires) * u64::from(options.error_threshold);
                fires >= options.volume_threshold && rate_is_above
            }
        };
        if opens {
            circuit.state = State::Open;
            circuit.opened_at = circuit.latest;
            let reset_seconds = options.reset_timeout.as_secs();
            tracing::error!(service = %options.name, reset_seconds, "circuit open: the service keeps failing");
        }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if self.probe {
            self.breaker.circuit().probing = false;
        }
    }
}

#[cfg(test)]
mod tests;
