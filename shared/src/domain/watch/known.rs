//! Blocks, and which events of each are recorded: kept small, for it is most of a snapshot.

use serde::{Deserialize, Serialize};

use crate::domain::chain::Block;

/// An event's id within its block: the transaction and the event's place. Two values without names in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct EventId(pub(super) String, pub(super) u64);

/// A block, and the ids of what is recorded of it, in the order in which it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KnownBlock {
    pub(super) block: Block,
    pub(super) ids: Vec<EventId>,
}

/// Blocks in the order of their numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Blocks(Vec<KnownBlock>);

impl Blocks {
    pub(super) fn iter(&self) -> std::slice::Iter<'_, KnownBlock> {
        self.0.iter()
    }

    pub(super) fn first_number(&self) -> Option<u64> {
        self.0.first().map(|known| known.block.number)
    }

    pub(super) fn has(&self, block: &Block, id: &EventId) -> bool {
        self.0.iter().any(|known| known.block == *block && known.ids.contains(id))
    }

    /// The block; a new one without ids where it was not there.
    pub(super) fn entry(&mut self, block: &Block) -> &mut KnownBlock {
        // What is added comes at the end, nearly always.
        let place = self.0.iter().rposition(|known| known.block == *block).unwrap_or_else(|| {
            let place = self.0.partition_point(|known| known.block.number <= block.number);
            self.0.insert(place, KnownBlock { block: block.clone(), ids: vec![] });
            place
        });
        &mut self.0[place]
    }

    /// Adds blocks, each with its ids.
    pub(super) fn merge(&mut self, blocks: Self) {
        for KnownBlock { block, ids } in blocks.0 {
            self.entry(&block).ids.extend(ids);
        }
    }

    /// Takes one id out of a block, and the block as well where nothing is left of it.
    pub(super) fn remove(&mut self, block: &Block, id: &EventId) {
        if let Some(place) = self.0.iter().position(|known| known.block == *block) {
            self.0[place].ids.retain(|known| known != id);
            if self.0[place].ids.is_empty() {
                self.0.remove(place);
            }
        }
    }

    /// Takes out the blocks from number `from` on, those without ids for good.
    pub(super) fn split_off(&mut self, from: u64) -> Self {
        let place = self.0.partition_point(|known| known.block.number < from);
        let rest = self.0.split_off(place);
        Self(rest.into_iter().filter(|known| !known.ids.is_empty()).collect())
    }

    /// Takes out the blocks up to number `through`.
    pub(super) fn take_through(&mut self, through: u64) -> Self {
        let rest = self.0.split_off(self.end_of(through));
        Self(std::mem::replace(&mut self.0, rest))
    }

    /// Forgets the blocks up to number `floor`, all but the newest of them, and that one's ids.
    pub(super) fn forget(&mut self, floor: u64) {
        if let Some(newest) = self.end_of(floor).checked_sub(1) {
            self.0.drain(..newest);
            self.0[0].ids.clear();
        }
    }

    /// Where blocks above `number` begin.
    fn end_of(&self, number: u64) -> usize {
        self.0.partition_point(|known| known.block.number <= number)
    }

    /// So high a floor, above `floor`, that at most `events` ids are left above it; never as high as the newest block.
    pub(super) fn floor_for(&self, floor: Option<u64>, events: usize) -> Option<u64> {
        let mut left: usize = self.iter().map(|known| known.ids.len()).sum();
        let mut raised = floor;
        for known in self.0.iter().take(self.0.len().saturating_sub(1)) {
            if left <= events {
                break;
            }
            left -= known.ids.len();
            raised = raised.max(Some(known.block.number));
        }
        raised
    }
}
