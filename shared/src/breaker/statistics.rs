//! What happened in the rolling window.

use super::Latencies;

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
