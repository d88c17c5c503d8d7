//! The clock's microseconds, which only ever go on: where it is set back, time stands still for one reading.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::platform::clock::Clock;

/// Two threads may read the clock in another order than they get here; that is no setting back.
const JITTER: i64 = 100_000;
/// So that not every reading writes.
const GRAIN: i64 = 1_000;

pub(super) struct Ticks {
    clock: Arc<dyn Clock>,
    /// What the clock was set back by, all in all.
    behind: AtomicI64,
    /// The latest time, less a grain at most.
    latest: AtomicI64,
}

impl Ticks {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        let latest = AtomicI64::new(clock.micros());
        Self { clock, behind: AtomicI64::new(0), latest }
    }

    pub(super) fn now(&self) -> i64 {
        let behind = self.behind.load(Ordering::Relaxed);
        let now = self.clock.micros() + behind;
        let latest = self.latest.load(Ordering::Relaxed);
        if now >= latest {
            if now - latest >= GRAIN {
                self.latest.fetch_max(now, Ordering::Relaxed);
            }
            return now;
        }
        if latest - now > JITTER {
            // Whoever is first; another's reading of the old sum changes nothing.
            let caught_up = behind + (latest - now);
            let _ = self.behind.compare_exchange(behind, caught_up, Ordering::Relaxed, Ordering::Relaxed);
        }
        latest
    }
}
