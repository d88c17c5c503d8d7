//! One call, from its firing to its end.

use std::time::Duration;

use super::circuit::{Admission, Count, Transition};
use super::{BreakerError, CircuitBreaker, Event};

/// The right to make a call. Dropped without an outcome (the caller went away), it gives back what it held.
pub(super) struct Permit<'a> {
    breaker: &'a CircuitBreaker,
    trial: Option<u64>,
    fired: i64,
    /// When the call itself began.
    started: i64,
    has_room: bool,
    ended: bool,
}

impl<'a> Permit<'a> {
    /// Of a call that was fired, and is not let through yet.
    pub(super) fn new(breaker: &'a CircuitBreaker, fired: i64) -> Self {
        Self { breaker, trial: None, fired, started: fired, has_room: false, ended: false }
    }

    /// Lets the call through, or says when to come again.
    pub(super) async fn admitted(&mut self) -> Result<(), Duration> {
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

    pub(super) fn take_room(&mut self) -> bool {
        self.has_room = self.breaker.circuit.acquire();
        self.has_room
    }

    /// Notes how the call ended: what followed, and whether it was a trial.
    pub(super) fn ended<T, E>(
        mut self,
        result: &Result<T, BreakerError<E>>,
        passes: bool,
    ) -> (Option<Transition>, bool) {
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
