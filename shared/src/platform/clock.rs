//! The one source of time. A sandbox may be frozen for minutes between two requests, so nothing here counts ticks:
//! every window and every expiry is computed from timestamps.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rustix::time::{ClockId, clock_gettime};

/// A point in time, always UTC.
pub type Timestamp = DateTime<Utc>;

/// Tells the time. Shared and cheap; a test hands in a [`ManualClock`].
pub trait Clock: Send + Sync + 'static {
    /// The current time.
    fn now(&self) -> Timestamp;

    /// The same in microseconds since 1970, for where it is read at every call.
    fn micros(&self) -> i64 {
        self.now().timestamp_micros()
    }
}

/// A duration as a difference of timestamps; one that is too long for that is as long as can be.
pub(crate) fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}

/// So long after `time`; as late as can be, where that is later than can be told.
pub(crate) fn after(time: Timestamp, duration: Duration) -> Timestamp {
    time.checked_add_signed(delta(duration)).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    /// Whole microseconds, as databases keep them: what is read back is what was written.
    fn now(&self) -> Timestamp {
        let now = Utc::now();
        DateTime::from_timestamp_micros(now.timestamp_micros()).unwrap_or(now)
    }

    /// Straight from the system: the way through the standard library's types takes half as long again.
    fn micros(&self) -> i64 {
        let time = clock_gettime(ClockId::Realtime);
        time.tv_sec * 1_000_000 + time.tv_nsec / 1_000
    }
}

/// A clock that stands still until it is moved: for tests.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// A clock that shows `start`, to the microsecond.
    pub fn at(start: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(start.timestamp_micros())))
    }

    /// Moves the clock, backwards too.
    pub fn advance(&self, by: TimeDelta) {
        self.0.fetch_add(by.num_microseconds().unwrap_or(i64::MAX), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        DateTime::from_timestamp_micros(self.0.load(Ordering::SeqCst)).unwrap_or_default()
    }
}
