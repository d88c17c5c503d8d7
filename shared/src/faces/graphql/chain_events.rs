//! The schema's types of what happens on chains.

use async_graphql::{Enum, ID, SimpleObject};
use chrono::{DateTime, Utc};

use crate::domain::RecordedEvent;
use crate::domain::watch::WatchEvent;

/// Whether something happened, or is no longer so.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
pub(super) enum ChainEventKind {
    /// It happened.
    Observed,
    /// It was observed, and its block is no longer on the chain.
    Retracted,
}

/// Something that happened on a chain, or is no longer so.
#[derive(SimpleObject)]
pub(super) struct ChainEventUpdate {
    /// Which of the two.
    kind: ChainEventKind,
    /// The chain's CAIP-2 id.
    chain: ID,
    /// The filter's name.
    filter: String,
    /// The number of the block (slot).
    block: String,
    /// The block's hash.
    block_hash: String,
    /// The transaction's hash; a signature on Solana.
    transaction: ID,
    /// The log's place in the block.
    index: String,
    /// The contract that logged it; the account that is mentioned. Null where it is retracted.
    address: Option<String>,
    /// The log's topics, hexadecimal.
    topics: Vec<String>,
    /// The log's data, hexadecimal; the memo on Solana.
    data: Option<String>,
    /// Whether the transaction did what it should.
    succeeded: Option<bool>,
    /// Its version among all that is recorded for the filter.
    version: i32,
    /// When it was recorded here.
    occurred_at: DateTime<Utc>,
}

impl ChainEventUpdate {
    /// What a listener is told; nothing of how far the chain was read.
    pub(super) fn new(event: WatchEvent, recorded: &RecordedEvent) -> Option<Self> {
        let (version, occurred_at) = (recorded.event_version, recorded.metadata.occurred_at);
        match event {
            WatchEvent::Scanned(_) => None,
            WatchEvent::Observed(observed) => {
                let event = observed.event;
                Some(Self {
                    kind: ChainEventKind::Observed,
                    chain: ID(observed.chain.into()),
                    filter: observed.filter,
                    block: event.block.number.to_string(),
                    block_hash: event.block.hash,
                    transaction: ID(event.transaction),
                    index: event.index.to_string(),
                    address: Some(event.address),
                    topics: event.topics,
                    data: Some(event.data),
                    succeeded: Some(event.succeeded),
                    version,
                    occurred_at,
                })
            }
            WatchEvent::Retracted(retracted) => Some(Self {
                kind: ChainEventKind::Retracted,
                chain: ID(retracted.chain.into()),
                filter: retracted.filter,
                block: retracted.block.number.to_string(),
                block_hash: retracted.block.hash,
                transaction: ID(retracted.transaction),
                index: retracted.index.to_string(),
                address: None,
                topics: vec![],
                data: None,
                succeeded: None,
                version,
                occurred_at,
            }),
        }
    }
}
