//! Whether something is out of order, so that it is told once and not at every call.

use std::sync::atomic::{AtomicBool, Ordering};

/// In order, until noted otherwise.
#[derive(Debug, Default)]
pub(crate) struct Outage(AtomicBool);

impl Outage {
    /// Notes how a call went; whether that is another than the one before.
    pub(crate) fn changed(&self, failed: bool) -> bool {
        // A plain load first: this is on the path of every call.
        self.0.load(Ordering::Relaxed) != failed && self.0.swap(failed, Ordering::Relaxed) != failed
    }
}
