//! The schema's types of transactions that are sent from here, and of chain events.

use async_graphql::{Enum, ID, SimpleObject};
use chrono::{DateTime, Utc};

use crate::domain::transaction;
use crate::domain::watch::WatchEvent;
use crate::services::transactions;

/// What has become of a transaction that was handed in here.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "transaction::TransactionState")]
pub(super) enum SentState {
    /// About to be sent; whether it was is not known yet.
    Submitted,
    /// A node took it.
    Accepted,
    /// The chain's nodes will not take it.
    Rejected,
    /// In a block that is deep enough.
    Confirmed,
    /// The same, without effect.
    Failed,
    /// It will not come into a block any more.
    Dropped,
}

/// A signed transaction that was handed in.
#[derive(SimpleObject)]
pub(super) struct SentTransaction {
    /// The chain's CAIP-2 id.
    chain: ID,
    /// Its hash; the first signature on Solana.
    hash: ID,
    /// What has become of it.
    state: SentState,
    /// Who signed.
    from: String,
    /// Whom it calls or pays, where that is one.
    to: Option<String>,
    /// Its place among its sender's.
    nonce: Option<String>,
    /// When it was handed in.
    submitted_at: DateTime<Utc>,
}

impl From<transactions::SentTransaction> for SentTransaction {
    fn from(sent: transactions::SentTransaction) -> Self {
        let submission = sent.submission;
        Self {
            chain: ID(sent.chain.id.into()),
            hash: ID(submission.hash),
            state: sent.state.into(),
            from: submission.from,
            to: submission.to,
            nonce: submission.nonce.map(|nonce| nonce.to_string()),
            submitted_at: submission.submitted_at,
        }
    }
}

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
}

impl ChainEventUpdate {
    /// What a listener is told; nothing of how far the chain was read.
    pub(super) fn new(event: WatchEvent) -> Option<Self> {
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
            }),
        }
    }
}
