//! The state machine, shared by all callers. Pure: the time is handed in, and what it decides is told, not logged.
//!
//! A call through a closed circuit takes no lock: it reads `phase` and counts. Everything else goes through `gate`, and
//! `phase` is only ever written by who holds it.

use std::sync::PoisonError;

use super::rolling::{Bucket, Rolling};
use super::sync::{AtomicU8, AtomicU32, Mutex, MutexGuard, Ordering};

/// Whether calls pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// All do.
    Closed,
    /// None does.
    Open,
    /// A few do, and decide.
    HalfOpen,
    /// None does, until somebody says otherwise.
    Isolated,
}

/// What is counted.
#[derive(Debug, Clone, Copy)]
pub(super) enum Count {
    Fire,
    Success,
    Failure,
    Timeout,
    Rejection,
    SemaphoreRejection,
    Fallback,
    Cancelled,
    Slow,
}

const COUNTS: usize = Count::Slow as usize + 1;

/// How often each thing happened.
pub(super) type Totals = [u64; COUNTS];

pub(super) struct Counts([AtomicU32; COUNTS]);

impl Bucket for Counts {
    fn empty() -> Self {
        Self(std::array::from_fn(|_| AtomicU32::new(0)))
    }

    fn clear(&self) {
        for count in &self.0 {
            count.store(0, Ordering::Relaxed);
        }
    }
}

/// When the circuit changes its state.
pub(super) struct Rules {
    pub(super) error_threshold: u64,
    /// `None`: slowness is no reason.
    pub(super) slow_threshold: Option<u64>,
    pub(super) volume_threshold: u64,
    pub(super) half_open_permits: u32,
    pub(super) capacity: Option<u32>,
    /// Before this time no rate opens it.
    pub(super) warm_until: i64,
    /// Whether so many of so many calls are more than so many percent. A test puts a wrong one in its place.
    pub(super) exceeds: fn(part: u64, whole: u64, percent: u64) -> bool,
}

/// Strictly more.
pub(super) fn exceeds(part: u64, whole: u64, percent: u64) -> bool {
    part * 100 > whole * percent
}

/// A change of state that the caller has to tell of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transition {
    Opened,
    HalfOpened,
    Closed,
}

/// Whether a call may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// Yes; while half-open, as a trial of this generation.
    Pass { trial: Option<u64> },
    /// No, not before this time, where one is known.
    Refused { until: Option<i64> },
}

/// What other sandboxes decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decree {
    Closed,
    Open { until: i64, openings: u32 },
    Isolated,
}

pub(super) struct Circuit {
    rules: Rules,
    counts: Rolling<Counts>,
    phase: AtomicU8,
    under_way: AtomicU32,
    gate: Mutex<Gate>,
}

struct Gate {
    state: State,
    /// Open: until then. Half-open: no trial before then.
    until: i64,
    /// How often it opened in a row.
    openings: u32,
    /// Each opening and each half-open time is one, so that a trial of an earlier one cannot give back another's permit.
    generation: u64,
    /// While half-open: trials that are under way or succeeded,
    trials: u32,
    /// and the calls that succeeded.
    successes: u32,
    /// The newest decree that was followed.
    epoch: i64,
    /// Whether it is isolated by decree: one from here is ended here alone.
    by_decree: bool,
}

impl Circuit {
    pub(super) fn new(rules: Rules, now: i64, window_micros: i64, buckets: u32) -> Self {
        let gate = Gate {
            state: State::Closed,
            until: now,
            openings: 0,
            generation: 0,
            trials: 0,
            successes: 0,
            epoch: 0,
            by_decree: false,
        };
        Self {
            rules,
            counts: Rolling::new(now, window_micros, buckets),
            phase: AtomicU8::new(State::Closed as u8),
            under_way: AtomicU32::new(0),
            gate: Mutex::new(gate),
        }
    }

    pub(super) fn count(&self, what: Count, now: i64) {
        self.counts.at(now).0[what as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// A call that began at `started` came to no outcome: counted where it was fired, so that both leave the window together.
    pub(super) fn cancelled(&self, started: i64, now: i64) {
        if let Some(counts) = self.counts.past(started, now) {
            counts.0[Count::Cancelled as usize].fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn totals(&self, now: i64) -> Totals {
        let mut totals = Totals::default();
        for bucket in self.counts.all(now) {
            for (total, count) in totals.iter_mut().zip(&bucket.0) {
                *total += u64::from(count.load(Ordering::Relaxed));
            }
        }
        totals
    }

    pub(super) fn is_closed(&self) -> bool {
        self.phase.load(Ordering::Acquire) == State::Closed as u8
    }

    /// The state, as it was last brought up to the present.
    pub(super) fn state(&self) -> State {
        self.gate().state
    }

    /// Where the time open is over, the circuit is half-open from now on.
    pub(super) fn wake(&self, now: i64) -> Option<Transition> {
        let mut gate = self.gate();
        if gate.state != State::Open || now < gate.until {
            return None;
        }
        self.enter(&mut gate, State::HalfOpen);
        Some(Transition::HalfOpened)
    }

    /// Whether a call may be made; the circuit is awake.
    pub(super) fn admit(&self, now: i64) -> Admission {
        if self.is_closed() {
            return Admission::Pass { trial: None };
        }
        let mut gate = self.gate();
        match gate.state {
            State::Closed => Admission::Pass { trial: None },
            State::Open => Admission::Refused { until: Some(gate.until) },
            State::HalfOpen if now < gate.until => Admission::Refused { until: Some(gate.until) },
            State::HalfOpen if gate.trials < self.rules.half_open_permits => {
                gate.trials += 1;
                Admission::Pass { trial: Some(gate.generation) }
            }
            State::HalfOpen | State::Isolated => Admission::Refused { until: None },
        }
    }

    /// A trial that came to no outcome: another may be made in its place, but not before `until`.
    pub(super) fn give_back(&self, trial: u64, until: Option<i64>) {
        let mut gate = self.gate();
        if gate.state == State::HalfOpen && gate.generation == trial {
            gate.trials -= 1;
            gate.until = until.unwrap_or(gate.until);
        }
    }

    /// Room for one more call under way.
    pub(super) fn acquire(&self) -> bool {
        let Some(capacity) = self.rules.capacity else { return true };
        let more = |under_way| (under_way < capacity).then_some(under_way + 1);
        self.under_way.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).is_ok()
    }

    /// Gives it back.
    pub(super) fn release(&self) {
        if self.rules.capacity.is_some() {
            self.under_way.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// A call succeeded. `reset` says how long an opening lasts, from how many there were in a row.
    pub(super) fn succeeded(&self, slow: bool, now: i64, reset: impl FnOnce(u32) -> i64) -> Option<Transition> {
        self.count(Count::Success, now);
        if slow {
            self.count(Count::Slow, now);
        }
        if self.is_closed() {
            return if slow && self.rates_are_too_high(now) { self.open_if(State::Closed, now, reset) } else { None };
        }
        if slow && self.rules.slow_threshold.is_some() {
            return self.open_if(State::HalfOpen, now, reset);
        }
        let mut gate = self.gate();
        if gate.state != State::HalfOpen {
            return None;
        }
        gate.successes += 1;
        if gate.successes < self.rules.half_open_permits {
            return None;
        }
        self.close(&mut gate)
    }

    /// A call failed.
    pub(super) fn failed(&self, slow: bool, now: i64, reset: impl FnOnce(u32) -> i64) -> Option<Transition> {
        self.count(Count::Failure, now);
        if slow {
            self.count(Count::Slow, now);
        }
        if !self.is_closed() {
            return self.open_if(State::HalfOpen, now, reset);
        }
        if self.rates_are_too_high(now) { self.open_if(State::Closed, now, reset) } else { None }
    }

    /// Somebody wants it open.
    pub(super) fn open(&self, now: i64, reset: impl FnOnce(u32) -> i64) -> Option<Transition> {
        let mut gate = self.gate();
        matches!(gate.state, State::Closed | State::HalfOpen).then(|| self.open_until(&mut gate, now, reset))
    }

    /// Somebody wants it closed.
    pub(super) fn force_close(&self) -> Option<Transition> {
        self.close(&mut self.gate())
    }

    /// Somebody wants no call to pass until they close it.
    pub(super) fn isolate(&self) -> Option<Transition> {
        let mut gate = self.gate();
        let was_isolated = gate.state == State::Isolated;
        self.enter(&mut gate, State::Isolated);
        gate.by_decree = false;
        (!was_isolated).then_some(Transition::Opened)
    }

    /// Follows what others decided, unless that or something newer was followed before, or it is isolated here.
    pub(super) fn follow(&self, decree: Decree, epoch: i64) -> Option<Transition> {
        let mut gate = self.gate();
        if epoch <= gate.epoch {
            return None;
        }
        // Nor is it noted: once that is over here, it holds.
        if gate.state == State::Isolated && !gate.by_decree {
            return None;
        }
        gate.epoch = epoch;
        match decree {
            Decree::Closed => self.close(&mut gate),
            Decree::Open { until, openings } => {
                let was_open = gate.state == State::Open;
                self.enter(&mut gate, State::Open);
                (gate.until, gate.openings) = (until, openings);
                (!was_open).then_some(Transition::Opened)
            }
            Decree::Isolated => {
                let was_isolated = gate.state == State::Isolated;
                self.enter(&mut gate, State::Isolated);
                gate.by_decree = true;
                (!was_isolated).then_some(Transition::Opened)
            }
        }
    }

    /// The store forgot everything: with it, that it isolated the service.
    pub(super) fn forget(&self) -> Option<Transition> {
        let mut gate = self.gate();
        if gate.state == State::Isolated && gate.by_decree { self.close(&mut gate) } else { None }
    }

    /// Until when it is open, if it is.
    pub(super) fn until(&self) -> i64 {
        self.gate().until
    }

    /// The newest decree that was followed.
    pub(super) fn epoch(&self) -> i64 {
        self.gate().epoch
    }

    /// Cancelled calls say nothing about the service, rejected ones do: the circuit has been open.
    fn rates_are_too_high(&self, now: i64) -> bool {
        if now < self.rules.warm_until {
            return false;
        }
        let totals = self.totals(now);
        let of = |what: Count| totals[what as usize];
        let fires = of(Count::Fire).saturating_sub(of(Count::Cancelled));
        let slow = self.rules.slow_threshold;
        fires >= self.rules.volume_threshold
            && ((self.rules.exceeds)(of(Count::Failure), fires, self.rules.error_threshold)
                || slow.is_some_and(|threshold| (self.rules.exceeds)(of(Count::Slow), fires, threshold)))
    }

    fn open_if(&self, state: State, now: i64, reset: impl FnOnce(u32) -> i64) -> Option<Transition> {
        let mut gate = self.gate();
        (gate.state == state).then(|| self.open_until(&mut gate, now, reset))
    }

    fn open_until(&self, gate: &mut Gate, now: i64, reset: impl FnOnce(u32) -> i64) -> Transition {
        gate.openings = gate.openings.saturating_add(1);
        gate.until = now.saturating_add(reset(gate.openings));
        self.enter(gate, State::Open);
        Transition::Opened
    }

    fn close(&self, gate: &mut Gate) -> Option<Transition> {
        if gate.state == State::Closed {
            return None;
        }
        gate.openings = 0;
        self.enter(gate, State::Closed);
        Some(Transition::Closed)
    }

    fn enter(&self, gate: &mut Gate, state: State) {
        gate.state = state;
        gate.generation += 1;
        (gate.trials, gate.successes) = (0, 0);
        self.phase.store(state as u8, Ordering::Release);
    }

    fn gate(&self) -> MutexGuard<'_, Gate> {
        // Each change is complete before anything can panic.
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
