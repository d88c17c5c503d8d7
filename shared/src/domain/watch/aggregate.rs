//! What follows from a scan of a chain: observations, their retractions, and how far everything is recorded.
//!
//! A scan may hold more than one append takes, and who records it may die between two appends. So nothing is decided
//! from a scan alone: what follows is the difference between the scan and what is recorded, at most [`MAX_EVENTS`] of it
//! at a time, and the same command is repeated until nothing follows. Only then does `BlocksScanned` move the trail, so
//! who comes after a death reads the same stretch again and records what is missing.
//!
//! **Size.** Ids of events are kept for the last [`KEPT_BLOCKS`] blocks, or for as many of them as hold [`KEPT_EVENTS`]
//! events; scans come in pieces of about [`PIECE`] events. An id takes 95 bytes of JSON on Solana (77 on EVM chains), a
//! block 140 (120). At worst, with a block for every event of a piece, that is 2,250 * 95 + 816 * 140 = 328,000 bytes,
//! which every store takes (DynamoDB: 400 KB). Only one block that has more than [`PIECE`] events by itself may exceed
//! it; where its snapshot is refused, loading takes longer, and nothing else.
//!
//! **Depth.** A reorganisation is followed exactly down to what is kept. Below that, and below the first block of which
//! ids were forgotten, nothing is touched again: what would be observed there may have been observed before.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::convert::Infallible;

use serde::{Deserialize, Serialize};

use super::known::{Blocks, EventId};
use super::{BlocksScanned, ChainEvent, ChainEventObserved, ChainEventRetracted, EventFilter, Scan, Trail, WatchEvent};
use crate::domain::aggregate::Aggregate;
use crate::domain::chain::Block;
use crate::platform::clock::Timestamp;

/// The most events that follow from a command at once: they fit one append.
pub const MAX_EVENTS: usize = 90;
/// How many blocks below the last one may be replaced by others and still be retracted.
pub const KEPT_BLOCKS: u64 = 64;
/// How many events of them.
pub const KEPT_EVENTS: usize = 1_500;
/// About how many events are recorded before it is said that everything before them is.
pub const PIECE: usize = 750;
/// A quiet stretch that is shorter is not worth an event: reading it again costs less.
pub const QUIET_BLOCKS: u64 = 256;
/// The longest data of an event that is kept, in bytes of text; so much of it 90 times fits one append.
pub const MAX_DATA: usize = 32 * 1024;

/// The stream of a filter, folded: which blocks are known, and which of their events are recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchAggregate {
    /// Scanned blocks. The oldest may have lost its ids; it is there for the chain to agree with.
    known: Blocks,
    /// Blocks of which events are recorded, but maybe not all: the scan that they are from has not ended.
    open: Blocks,
    /// The last block of the last scan that ended.
    last: Option<Block>,
    /// How many scans have ended.
    ended: u64,
    /// In this block and below, nothing is recorded or retracted any more.
    floor: Option<u64>,
}

/// Record what a scan holds.
#[derive(Debug, Clone)]
pub struct Record {
    /// What was looked for.
    pub filter: EventFilter,
    /// What was found.
    pub scan: Scan,
    /// [`WatchAggregate::ended`] of the state whose trail the scan goes on from. Where another scan has ended since,
    /// this one may be the older view, and nothing follows from it.
    pub behind: u64,
}

impl WatchAggregate {
    /// The subject of the stream of `filter`.
    pub fn subject(filter: &EventFilter) -> String {
        format!("{}/{}", filter.chain, filter.name)
    }

    /// The known blocks, oldest first; the last one was scanned to its end, with everything before it.
    pub fn trail(&self) -> Trail {
        Trail { blocks: self.known.iter().map(|known| known.block.clone()).collect() }
    }

    /// How many scans have ended.
    pub fn ended(&self) -> u64 {
        self.ended
    }

    /// Where to begin if there is no trail: a stream that has one no more has lost its very first blocks to others, and
    /// goes on there, not at the newest block.
    pub fn begins_at(&self) -> Option<u64> {
        let last = self.last.as_ref()?.number;
        Some(self.open.first_number().map_or(last, |first| first.min(last)))
    }

    fn recorded(&self) -> impl DoubleEndedIterator<Item = (&Block, &EventId)> {
        self.known.iter().chain(self.open.iter()).flat_map(|known| known.ids.iter().map(|id| (&known.block, id)))
    }

    fn is_open_to_change(&self, number: u64) -> bool {
        self.floor.is_none_or(|floor| number > floor)
    }
}

impl Aggregate for WatchAggregate {
    const TYPE: &'static str = "chain";
    const SNAPSHOT_SCHEMA: i32 = 1;
    type Command = Record;
    type Event = WatchEvent;
    type Error = Infallible;

    /// The next [`MAX_EVENTS`] of: retractions, newest first; observations, in the chain's order; the scan's end.
    fn decide(&self, Record { filter, scan, behind }: &Record) -> Result<Vec<WatchEvent>, Infallible> {
        let Some(through) = scan.through.as_ref().filter(|through| scan.from <= through.number) else {
            return Ok(vec![]);
        };
        if *behind != self.ended {
            return Ok(vec![]);
        }
        let left = self.last.as_ref().is_some_and(|last| scan.from <= last.number);
        let retracted = self.retracted(filter, scan, through.number, left);
        let observed = self.observed(filter, scan, through.number);
        let quiet = scan.events.is_empty() && retracted.is_empty() && !left;
        let near = |last: &Block| through.number.saturating_sub(last.number) < QUIET_BLOCKS;
        let mut events = [retracted, observed].concat();
        if events.len() < MAX_EVENTS && !(quiet && self.last.as_ref().is_some_and(near)) {
            events.push(WatchEvent::Scanned(BlocksScanned {
                chain: filter.chain.clone(),
                filter: filter.name.clone(),
                block: through.clone(),
                left_at: left.then_some(scan.from),
            }));
        }
        events.truncate(MAX_EVENTS);
        Ok(events)
    }

    fn apply(&mut self, event: &WatchEvent, _occurred_at: Timestamp) {
        match event {
            WatchEvent::Observed(ChainEventObserved { event, .. }) => {
                self.open.entry(&event.block).ids.push(id_of(event));
            }
            WatchEvent::Retracted(retracted) => self.retract(retracted),
            WatchEvent::Scanned(BlocksScanned { block, left_at, .. }) => self.end_scan(block, *left_at),
        }
    }
}

impl WatchAggregate {
    /// What is recorded of the stretch and not in it; and, where the chain has left the trail, what is recorded above.
    fn retracted(&self, filter: &EventFilter, scan: &Scan, through: u64, left: bool) -> Vec<WatchEvent> {
        let there: HashSet<_> =
            scan.events.iter().map(|event| (&event.block, event.transaction.as_str(), event.index)).collect();
        let is_gone = |(block, EventId(transaction, index)): &(&Block, &EventId)| {
            let gone =
                if block.number <= through { !there.contains(&(*block, transaction.as_str(), *index)) } else { left };
            block.number >= scan.from && self.is_open_to_change(block.number) && gone
        };
        let mut gone: Vec<_> = self.recorded().filter(is_gone).collect();
        // Stable: within a block, what was recorded last goes first.
        gone.reverse();
        gone.sort_by_key(|(block, _)| Reverse(block.number));
        gone.truncate(MAX_EVENTS);
        let retracted = |(block, EventId(transaction, index)): (&Block, &EventId)| {
            WatchEvent::Retracted(ChainEventRetracted {
                chain: filter.chain.clone(),
                filter: filter.name.clone(),
                block: block.clone(),
                transaction: transaction.clone(),
                index: *index,
            })
        };
        gone.into_iter().map(retracted).collect()
    }

    /// What is in the stretch and not recorded.
    fn observed(&self, filter: &EventFilter, scan: &Scan, through: u64) -> Vec<WatchEvent> {
        let mut seen: HashSet<_> =
            self.recorded().map(|(block, EventId(transaction, index))| (block, transaction.as_str(), *index)).collect();
        let mut observed = vec![];
        for event in &scan.events {
            let number = event.block.number;
            let is_new = (scan.from..=through).contains(&number)
                && self.is_open_to_change(number)
                && seen.insert((&event.block, event.transaction.as_str(), event.index));
            if is_new && observed.len() < MAX_EVENTS {
                observed.push(observe(filter, event));
            }
        }
        observed
    }

    fn retract(&mut self, ChainEventRetracted { block, transaction, index, .. }: &ChainEventRetracted) {
        let id = EventId(transaction.clone(), *index);
        // From here on nothing is scanned to its end any more: should the chain come back to this block before the
        // scan ends, then what was retracted is found again only if the trail ends before it.
        if self.known.has(block, &id) {
            let unsure = self.known.split_off(block.number);
            self.open.merge(unsure);
        }
        self.open.remove(block, &id);
    }

    fn end_scan(&mut self, block: &Block, left_at: Option<u64>) {
        let from = left_at.or(self.last.as_ref().map(|last| last.number + 1)).unwrap_or(0);
        // Blocks that were known for being the last of a scan are on the branch that the chain has left; those with
        // events in them were found again.
        let found_again = self.known.split_off(from);
        self.known.merge(found_again);
        let scanned = self.open.take_through(block.number);
        self.known.merge(scanned);
        self.known.entry(block);
        self.last = Some(block.clone());
        self.ended += 1;
        self.floor = self.floor.max(block.number.checked_sub(KEPT_BLOCKS));
        self.floor = self.known.floor_for(self.floor, KEPT_EVENTS);
        if let Some(floor) = self.floor {
            self.known.forget(floor);
        }
    }
}

fn id_of(event: &ChainEvent) -> EventId {
    EventId(event.transaction.clone(), event.index)
}

/// An observation, in a form that every store takes: a memo is anybody's text, so it may hold NUL characters, and a log may
/// be as long as a block has room.
fn observe(filter: &EventFilter, event: &ChainEvent) -> WatchEvent {
    let mut event = event.clone();
    if event.data.contains('\0') {
        event.data = event.data.replace('\0', "\u{fffd}");
    }
    let truncated = event.data.len() > MAX_DATA;
    event.data.truncate(event.data.floor_char_boundary(MAX_DATA));
    WatchEvent::Observed(ChainEventObserved {
        chain: filter.chain.clone(),
        filter: filter.name.clone(),
        event,
        truncated,
    })
}

#[cfg(test)]
mod tests;
