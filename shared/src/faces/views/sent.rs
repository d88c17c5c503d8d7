//! Transactions that are sent from here.

use async_graphql::{Enum, ID, SimpleObject};
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;

use super::time;
use crate::domain::transaction;
use crate::services::transactions;

/// What has become of a transaction that was handed in here.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Enum, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[graphql(remote = "transaction::TransactionState")]
pub(in crate::faces) enum SentState {
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
#[derive(Serialize, SimpleObject, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::faces) struct SentTransaction {
    /// The chain's CAIP-2 id.
    #[schemars(with = "String")]
    chain: ID,
    /// Its hash; the first signature on Solana.
    #[schemars(with = "String")]
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
    #[serde(serialize_with = "time")]
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
