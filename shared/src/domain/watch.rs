//! What is watched on a chain: which events, how far it was read, and what happened there.

use serde::{Deserialize, Serialize};

use super::chain::{Block, ChainId};

pub mod aggregate;
pub mod event;
mod known;
#[cfg(test)]
pub(crate) mod model;
pub mod reading;

pub use aggregate::{Record, WatchAggregate};
pub use event::{BlocksScanned, ChainEventObserved, ChainEventRetracted, WatchEvent};
pub use reading::Reading;

/// Which events of a chain are watched, under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventFilter {
    /// Its name: 1 to 64 of `a-z`, `0-9`, `-`.
    pub name: String,
    /// The chain.
    pub chain: ChainId,
    /// Contracts (EVM), or the one account that transactions mention (Solana). Empty: any contract.
    pub addresses: Vec<String>,
    /// At each position the topics that are allowed there, lower-case hexadecimal; an empty list allows any (EVM).
    pub topics: Vec<Vec<String>>,
    /// Where to begin; `None`: at the newest block there is when it is first watched.
    pub from_block: Option<u64>,
}

/// Something that happened on a chain: a log (EVM), or a transaction that mentions an account (Solana).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChainEvent {
    /// The block (slot) that it is in.
    pub block: Block,
    /// The transaction's hash or signature.
    pub transaction: String,
    /// Its place in the block; on Solana, where one transaction is one event, 0.
    pub index: u64,
    /// The contract that logged it; the account that was mentioned.
    pub address: String,
    /// The log's topics, hexadecimal; none on Solana.
    pub topics: Vec<String>,
    /// The log's data, hexadecimal; the memo on Solana.
    pub data: String,
    /// Whether the transaction did what it should. Always so for a log.
    pub succeeded: bool,
}

/// How far a filter was read: the blocks whose hashes are known, oldest first. The last one was read to its end, with
/// everything before it. Empty before the first time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trail {
    /// Of the last blocks, those that are known.
    pub blocks: Vec<Block>,
}

/// A stretch of a chain that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    /// The first block of it. Not behind the trail's last one, the next: the chain has left the trail, and agrees with
    /// it only up to the block before this.
    pub from: u64,
    /// The last block of it. `None`: there is nothing new.
    pub through: Option<Block>,
    /// All its events that the filter lets through, in the chain's order.
    pub events: Vec<ChainEvent>,
    /// Whether that is all there is now.
    pub caught_up: bool,
}

impl Scan {
    /// The same stretch in pieces of about `events` events, cut between blocks: each a scan that can be recorded by
    /// itself, in this order. A block is never cut, however much is in it.
    pub fn pieces(self, events: usize) -> Vec<Self> {
        let Self { mut from, through, events: all, caught_up } = self;
        let Some(last) = &through else { return vec![] };
        let (mut pieces, mut piece) = (vec![], Vec::<ChainEvent>::new());
        for event in all {
            let full = piece.last().filter(|before| piece.len() >= events && before.block.number < event.block.number);
            if let Some(block) = full.map(|before| before.block.clone()).filter(|block| block.number < last.number) {
                let next = block.number + 1;
                let events = std::mem::take(&mut piece);
                pieces.push(Self { from, through: Some(block), events, caught_up: false });
                from = next;
            }
            piece.push(event);
        }
        pieces.push(Self { from, through, events: piece, caught_up });
        pieces
    }
}
