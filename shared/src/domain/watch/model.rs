//! A chain in memory, for tests: it grows, and its end is replaced.

use super::{ChainEvent, EventFilter, Scan, Trail};
use crate::domain::chain::{Block, ChainId};

/// A chain that begins with block 0. Branches differ in the hashes of their blocks, not in those of transactions.
#[derive(Debug, Clone, Default)]
pub(crate) struct ModelChain {
    blocks: Vec<(Block, Vec<ChainEvent>)>,
    branch: u32,
}

impl ModelChain {
    pub(crate) fn filter() -> EventFilter {
        EventFilter {
            name: "transfers".to_owned(),
            chain: ChainId::evm(1),
            addresses: vec![],
            topics: vec![],
            from_block: Some(0),
        }
    }

    /// A block more for each number, with so many events in it.
    pub(crate) fn grow(&mut self, events: &[usize]) {
        for count in events {
            let number = self.blocks.len() as u64;
            let block = Block { number, hash: format!("{number}-{}", self.branch) };
            let events = (0..*count as u64).map(|index| event(&block, index)).collect();
            self.blocks.push((block, events));
        }
    }

    /// The last `depth` blocks are no more; what grows next is another branch.
    pub(crate) fn cut(&mut self, depth: usize) {
        self.blocks.truncate(self.blocks.len().saturating_sub(depth));
        self.branch += 1;
    }

    /// This chain gives way to another branch of it that was longer once; what grows next is a branch of neither.
    pub(crate) fn give_way_to(&mut self, other: Self) {
        let branch = self.branch.max(other.branch) + 1;
        *self = Self { branch, ..other };
    }

    /// How many blocks this chain and another have in common.
    pub(crate) fn common(&self, other: &Self) -> usize {
        self.blocks.iter().zip(&other.blocks).take_while(|(a, b)| a == b).count()
    }

    pub(crate) fn len(&self) -> usize {
        self.blocks.len()
    }

    /// All events there are.
    pub(crate) fn events(&self) -> Vec<ChainEvent> {
        self.blocks.iter().flat_map(|(_, events)| events.clone()).collect()
    }

    /// What an adapter answers: the next `step` blocks behind `trail`.
    pub(crate) fn scan(&self, from_block: Option<u64>, trail: &Trail, step: u64) -> Scan {
        let is_here = |known: &&Block| self.blocks.iter().any(|(block, _)| block == *known);
        let head = self.blocks.len() as u64 - 1;
        let from = match trail.blocks.iter().rev().find(is_here) {
            Some(agreed) => agreed.number + 1,
            None => from_block.unwrap_or(head),
        };
        let last = (from + step - 1).min(head);
        if from > last {
            return Scan { from, through: None, events: vec![], caught_up: true };
        }
        let blocks = || self.blocks.iter().filter(|(block, _)| (from..=last).contains(&block.number));
        Scan {
            from,
            through: blocks().next_back().map(|(block, _)| block.clone()),
            events: blocks().flat_map(|(_, events)| events.clone()).collect(),
            caught_up: last == head,
        }
    }
}

pub(crate) fn event(block: &Block, index: u64) -> ChainEvent {
    ChainEvent {
        block: block.clone(),
        transaction: format!("t{}-{}", block.number, index / 2),
        index,
        address: "0xa".to_owned(),
        topics: vec!["0x1".to_owned()],
        data: "0x".to_owned(),
        succeeded: true,
    }
}
