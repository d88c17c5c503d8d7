//! What was relayed, and what is left.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::platform::metrics::{Measured, Sample};

/// What was relayed, and what is left.
#[derive(Debug, Default)]
pub struct RelayMeter {
    pub(super) published: AtomicU64,
    pub(super) failed: AtomicU64,
    /// As the last run that could count it found it.
    pub(super) backlog: AtomicU64,
    pub(super) backlog_ms: AtomicU64,
}

impl Measured for RelayMeter {
    #[expect(clippy::cast_precision_loss, reason = "a metric")]
    fn samples(&self) -> Vec<Sample> {
        let get = |number: &AtomicU64| number.load(Ordering::Relaxed);
        vec![
            Sample::counter("outbox.published", "Events that went to the bus", get(&self.published)),
            Sample::counter("outbox.failed", "Runs of the relay that could not go on", get(&self.failed)),
            Sample::gauge("outbox.backlog", "Events that were left", get(&self.backlog) as f64),
            Sample::gauge("outbox.backlog_seconds", "Age of the oldest of them", get(&self.backlog_ms) as f64 / 1e3),
        ]
    }
}
