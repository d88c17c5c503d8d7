//! How patient a breaker is.

use std::borrow::Cow;
use std::time::Duration;

/// How patient a breaker is. The first ten are opossum's, of the same meaning; an error filter is given with the call, which
/// alone knows its errors' type.
#[derive(Debug, Clone)]
pub struct Options {
    /// The service, for logs, metrics and the shared state.
    pub name: Cow<'static, str>,
    /// What it belongs to, for metrics; by itself, it is its own group.
    pub group: Option<Cow<'static, str>>,
    /// Off: every call passes, and only fires are counted.
    pub enabled: bool,
    /// For one call.
    pub timeout: Duration,
    /// 0 to 100: a failure rate strictly above it opens the circuit.
    pub error_threshold_percentage: u8,
    /// How long it stays open.
    pub reset_timeout: Duration,
    /// Over how long calls are counted.
    pub rolling_count_timeout: Duration,
    /// In how many steps that moves.
    pub rolling_count_buckets: u32,
    /// Fewer calls than this never open it.
    pub volume_threshold: u32,
    /// How many calls may be under way; one more is rejected, and a failure.
    pub capacity: Option<u32>,
    /// For the first `rolling_count_timeout` of its life no failure rate opens it.
    pub allow_warm_up: bool,
    /// Calls that answer, but too late.
    pub slow_calls: Option<SlowCalls>,
    /// While half-open: how many calls may try, and how many must succeed.
    pub half_open_permits: u32,
    /// How `reset_timeout` grows where the service does not recover.
    pub reset_backoff: Backoff,
    /// Whether all sandboxes share its state, where there is something to share it through.
    pub shared: bool,
}

/// When slowness opens a circuit.
#[derive(Debug, Clone, Copy)]
pub struct SlowCalls {
    /// A call that takes longer is slow.
    pub duration: Duration,
    /// 0 to 100: a rate of slow calls strictly above it opens the circuit.
    pub threshold_percentage: u8,
}

/// How a time grows: `reset_timeout * factor^(openings in a row - 1)`, at most `longest`, then up to
/// `jitter_percentage` of it more or less, so that what failed together is not tried again together.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    /// 1: not at all.
    pub factor: u32,
    /// Before the jitter.
    pub longest: Duration,
    /// 0 to 100.
    pub jitter_percentage: u8,
}

impl Options {
    /// The defaults: 3 s a call, 50 %, 30 s open, a window of 10 s in 10 buckets, from 5 calls on; no capacity, no warm-up;
    /// one permit while half-open; the time open neither grows nor varies; shared.
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        Self {
            name: name.into(),
            group: None,
            enabled: true,
            timeout: Duration::from_secs(3),
            error_threshold_percentage: 50,
            reset_timeout: Duration::from_secs(30),
            rolling_count_timeout: Duration::from_secs(10),
            rolling_count_buckets: 10,
            volume_threshold: 5,
            capacity: None,
            allow_warm_up: false,
            slow_calls: None,
            half_open_permits: 1,
            reset_backoff: Backoff { factor: 1, longest: Duration::MAX, jitter_percentage: 0 },
            shared: true,
        }
    }

    /// For a Redis that several parts of a process use: left alone for a second, then longer, after any failure, so that
    /// while it is dead at most one call in a window waits for it. Not shared: it would be shared through what it guards.
    pub fn redis() -> Self {
        Self {
            // The connection's own deadline is half of that, and knows what to do about the connection.
            timeout: Duration::from_millis(200),
            error_threshold_percentage: 0,
            volume_threshold: 1,
            rolling_count_timeout: Duration::from_secs(1),
            reset_timeout: Duration::from_secs(1),
            reset_backoff: Backoff { factor: 2, longest: Duration::from_secs(10), jitter_percentage: 10 },
            shared: false,
            ..Self::new("redis")
        }
    }

    /// What it belongs to.
    pub fn group(&self) -> &str {
        self.group.as_ref().unwrap_or(&self.name)
    }

    /// How long the circuit stays open the `openings`th time in a row; `random` is any number.
    pub(super) fn reset_time(&self, openings: u32, random: u32) -> Duration {
        let Backoff { factor, longest, jitter_percentage } = self.reset_backoff;
        let growth = factor.max(1).checked_pow(openings.saturating_sub(1));
        let time =
            growth.and_then(|growth| self.reset_timeout.checked_mul(growth)).map_or(longest, |it| it.min(longest));
        let span = time.min(Duration::from_secs(u64::from(u32::MAX))) * u32::from(jitter_percentage.min(100)) / 100;
        // From -1 to 1.
        let share = f64::from(random) / f64::from(u32::MAX) * 2.0 - 1.0;
        if share < 0.0 { time.saturating_sub(span.mul_f64(-share)) } else { time.saturating_add(span.mul_f64(share)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_open_grows_to_its_limit_and_varies_within_its_jitter() {
        let mut options = Options { reset_timeout: Duration::from_secs(1), ..Options::new("test") };
        assert_eq!(options.reset_time(9, 7), Duration::from_secs(1));
        options.reset_backoff = Backoff { factor: 2, longest: Duration::from_secs(5), jitter_percentage: 0 };
        let times: Vec<_> = (1..=5).map(|openings| options.reset_time(openings, 0).as_secs()).collect();
        assert_eq!(times, [1, 2, 4, 5, 5]);
        assert_eq!(options.reset_time(u32::MAX, 0), Duration::from_secs(5));
        options.reset_backoff.jitter_percentage = 10;
        assert_eq!(options.reset_time(1, 0), Duration::from_millis(900));
        assert_eq!(options.reset_time(1, u32::MAX), Duration::from_millis(1100));
    }
}
