//! What a breaker tells whoever listens.

use std::time::Duration;

use super::Options;

/// Something that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A call was asked for.
    Fire,
    /// It succeeded, or failed with an error that the filter lets pass for a success.
    Success {
        /// How long it took.
        latency: Duration,
    },
    /// It failed, whatever way.
    Failure {
        /// How long it took.
        latency: Duration,
    },
    /// It took too long; a failure follows.
    Timeout,
    /// It was not made: the circuit is open.
    Reject,
    /// It was not made: too many are under way. A failure follows.
    SemaphoreLocked,
    /// Its caller went away before it ended.
    Cancel,
    /// The fallback was called.
    Fallback,
    /// The circuit opened.
    Open,
    /// The circuit is half-open.
    HalfOpen,
    /// The circuit closed.
    Close,
}

/// Listens to a breaker. Called in the middle of a call: it must be quick.
pub trait Listener: Send + Sync {
    /// `event` happened in the breaker with `options`.
    fn heard(&self, options: &Options, event: Event);
}
