//! What became of messages, counted.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Teller;
use crate::platform::metrics::{Measured, Sample};

/// What became of messages.
#[derive(Debug, Default)]
pub struct Tally {
    pub(super) delivered: AtomicU64,
    pub(super) gone: AtomicU64,
    pub(super) repeated: AtomicU64,
    pub(super) given_up: AtomicU64,
}

impl Measured for Teller {
    fn samples(&self) -> Vec<Sample> {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Tally { delivered, gone, repeated, given_up } = &self.tally;
        vec![
            Sample::counter("push.delivered", "Messages of subscriptions that were sent", count(delivered)),
            Sample::counter("push.gone", "Connections that were found gone", count(gone)),
            Sample::counter("push.repeated", "Messages that had to be sent again", count(repeated)),
            Sample::counter("push.given_up", "Messages that could not be sent in time", count(given_up)),
        ]
    }
}
