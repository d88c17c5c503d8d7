//! How far one reader of a chain has come, beyond what is recorded.

use super::{EventFilter, Record, Scan, Trail, WatchAggregate};
use crate::domain::aggregate::Aggregate;

/// The most blocks of a reader's own that are remembered.
const OWN_BLOCKS: usize = 64;

/// A reader of a chain: what is recorded, and the quiet stretch that it has read behind that. The stretch is not recorded
/// until something is in it or it is long, and read again by who comes next; so nothing is built on it but this
/// reader's next question, and what is recorded later says that it begins where the stretch did.
#[derive(Debug, Clone)]
pub struct Reading {
    state: WatchAggregate,
    trail: Trail,
    /// Where the quiet stretch begins.
    quiet_from: Option<u64>,
}

impl Reading {
    /// A reader that knows what is recorded, and nothing else.
    pub fn of(state: WatchAggregate) -> Self {
        Self { trail: state.trail(), state, quiet_from: None }
    }

    /// The trail behind which to read on.
    pub fn trail(&self) -> &Trail {
        &self.trail
    }

    /// What is recorded.
    pub fn state(&self) -> &WatchAggregate {
        &self.state
    }

    /// Whether what `scan` says may reach below what is kept: the chain agrees with no known block.
    pub fn leaves_everything(&self, scan: &Scan) -> bool {
        self.trail.blocks.first().is_some_and(|oldest| scan.from <= oldest.number)
    }

    /// Takes in the next scan: what is to be recorded of it, from the last recorded block on. `None` where that can wait.
    pub fn take(&mut self, filter: &EventFilter, scan: Scan) -> Option<Scan> {
        let through = scan.through.clone().filter(|through| scan.from <= through.number)?;
        let from = scan.from.min(self.quiet_from.unwrap_or(scan.from));
        let parted_at = scan.from;
        let command = Record { filter: filter.clone(), scan: Scan { from, ..scan }, behind: self.state.ended() };
        let Ok(events) = self.state.decide(&command);
        if !events.is_empty() {
            return Some(command.scan);
        }
        self.quiet_from = Some(from);
        self.trail.blocks.retain(|block| block.number < parted_at);
        self.trail.blocks.push(through);
        let recorded = self.state.trail().blocks.len();
        if self.trail.blocks.len() > recorded + OWN_BLOCKS {
            self.trail.blocks.remove(recorded);
        }
        None
    }
}
