//! The other sandboxes: asked by a call at most once a second, told of transitions.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use super::circuit::{Decree, Transition};
use super::shared::{Election, SharedCircuits, SharedError, SharedState, Verdict};
use super::{CircuitBreaker, duration, micros};
use crate::platform::ids;
use crate::platform::outage::Outage;

/// How old what is known of other sandboxes may be, in microseconds.
const KNOWLEDGE: i64 = 1_000_000;
/// How much longer than its call a trial of the fleet may take to say how it went.
const GRACE: Duration = Duration::from_secs(1);

/// What this breaker has to do with them.
pub(super) struct Fleet {
    circuits: Arc<dyn SharedCircuits>,
    /// This breaker among all others.
    holder: String,
    /// When they were last asked.
    asked_at: AtomicI64,
    outage: Outage,
}

impl CircuitBreaker {
    /// Follows what others decided, where the last look was a while ago. One call looks; the others go on.
    pub(super) async fn learn(&self, fleet: &Fleet, now: i64) {
        let asked_at = fleet.asked_at.load(Ordering::Relaxed);
        let is_due = now.saturating_sub(asked_at) >= KNOWLEDGE;
        if is_due && fleet.asked_at.compare_exchange(asked_at, now, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            let verdict = fleet.circuits.read(&self.options.name).await;
            self.follow(fleet.noted(&self.options.name, verdict));
        }
    }

    /// Of all who may try, one. `true`: this one is elected; `false`: the circuit is closed by now.
    ///
    /// # Errors
    /// Another is, or it is not time: no trial here before that time, and how long a caller should wait.
    pub(super) async fn elect(&self, fleet: &Fleet) -> Result<bool, (Option<i64>, Duration)> {
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

    pub(super) async fn publish(&self, transition: Option<Transition>, trial: bool) {
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
    pub(super) fn new(circuits: Arc<dyn SharedCircuits>) -> Self {
        let (holder, asked_at) = (ids::new_id().to_string(), AtomicI64::new(i64::MIN));
        Self { circuits, holder, asked_at, outage: Outage::default() }
    }

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
