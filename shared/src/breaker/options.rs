//! How patient a breaker is.

use std::borrow::Cow;
use std::time::Duration;

/// How patient a breaker is.
#[derive(Debug, Clone)]
pub struct Options {
    /// The service, for logs and metrics.
    pub name: Cow<'static, str>,
    /// For one call.
    pub timeout: Duration,
    /// In percent: a failure rate strictly above it opens the circuit.
    pub error_threshold: u8,
    /// How long it stays open.
    pub reset_timeout: Duration,
    /// Over how long failures are counted.
    pub rolling_window: Duration,
    /// In how many steps the window moves.
    pub rolling_buckets: u32,
    /// Fewer calls than this in the window never open it.
    pub volume_threshold: u32,
}

impl Options {
    /// The defaults: 3 s a call, 50 %, 30 s open, a window of 10 s in 10 buckets, from 5 calls on.
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        Self {
            name: name.into(),
            timeout: Duration::from_secs(3),
            error_threshold: 50,
            reset_timeout: Duration::from_secs(30),
            rolling_window: Duration::from_secs(10),
            rolling_buckets: 10,
            volume_threshold: 5,
        }
    }
}
