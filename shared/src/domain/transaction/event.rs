//! What happens in the stream of a transaction.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Submission, TransactionState};
use crate::domain::aggregate::DomainEvent;
use crate::domain::chain::Block;

/// What happens in a transaction's stream. The schema version of each payload is 1: the [`Submission`]'s fields, and those
/// named here.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are what the variants say")]
pub enum TransactionEvent {
    /// `TransactionSubmitted`: it is about to be sent. Whether it was is not known.
    Submitted(Submission),
    /// `TransactionAccepted`: a node took it.
    Accepted(Submission),
    /// `TransactionRejected {reason}`: no node will take it.
    Rejected { submission: Submission, reason: String },
    /// `TransactionConfirmed {block}`: it is in a block, deep enough, and did what it should.
    Confirmed { submission: Submission, block: Block },
    /// `TransactionFailed {block, error}`: it is in a block, deep enough, paid for, and without effect.
    Failed { submission: Submission, block: Block, error: Option<String> },
    /// `TransactionDropped {reason}`: it did not come into a block, and will not.
    Dropped { submission: Submission, reason: String },
}

impl TransactionEvent {
    /// The transaction as it was handed in.
    pub fn submission(&self) -> &Submission {
        match self {
            Self::Submitted(submission)
            | Self::Accepted(submission)
            | Self::Rejected { submission, .. }
            | Self::Confirmed { submission, .. }
            | Self::Failed { submission, .. }
            | Self::Dropped { submission, .. } => submission,
        }
    }

    /// What became of the transaction with this event.
    pub fn state(&self) -> TransactionState {
        match self {
            Self::Submitted(_) => TransactionState::Submitted,
            Self::Accepted(_) => TransactionState::Accepted,
            Self::Rejected { .. } => TransactionState::Rejected,
            Self::Confirmed { .. } => TransactionState::Confirmed,
            Self::Failed { .. } => TransactionState::Failed,
            Self::Dropped { .. } => TransactionState::Dropped,
        }
    }

    /// The block that it is in.
    pub fn block(&self) -> Option<&Block> {
        match self {
            Self::Confirmed { block, .. } | Self::Failed { block, .. } => Some(block),
            _ => None,
        }
    }

    /// Why it was rejected, dropped, or failed.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Rejected { reason, .. } | Self::Dropped { reason, .. } => Some(reason),
            Self::Failed { error, .. } => error.as_deref(),
            _ => None,
        }
    }
}

/// The payload of every event: the submission's fields, and those that the event's type asks for.
#[derive(Serialize, Deserialize)]
struct Payload {
    #[serde(flatten)]
    submission: Submission,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    block: Option<Block>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

const TYPES: [(&str, TransactionState); 6] = [
    ("TransactionSubmitted", TransactionState::Submitted),
    ("TransactionAccepted", TransactionState::Accepted),
    ("TransactionRejected", TransactionState::Rejected),
    ("TransactionConfirmed", TransactionState::Confirmed),
    ("TransactionFailed", TransactionState::Failed),
    ("TransactionDropped", TransactionState::Dropped),
];

impl DomainEvent for TransactionEvent {
    fn event_type(&self) -> &'static str {
        match self.state() {
            TransactionState::Submitted => TYPES[0].0,
            TransactionState::Accepted => TYPES[1].0,
            TransactionState::Rejected => TYPES[2].0,
            TransactionState::Confirmed => TYPES[3].0,
            TransactionState::Failed => TYPES[4].0,
            TransactionState::Dropped => TYPES[5].0,
        }
    }

    fn schema_version_of(event_type: &str) -> Option<i32> {
        TYPES.iter().any(|(name, _)| *name == event_type).then_some(1)
    }

    fn to_value(&self) -> Result<Value, serde_json::Error> {
        let failed = matches!(self, Self::Failed { .. });
        let text = self.reason().map(ToOwned::to_owned);
        let (reason, error) = if failed { (None, text) } else { (text, None) };
        serde_json::to_value(Payload {
            submission: self.submission().clone(),
            block: self.block().cloned(),
            reason,
            error,
        })
    }

    fn from_current(event_type: &str, data: &Value) -> Result<Self, serde_json::Error> {
        let Payload { submission, block, reason, error } = Payload::deserialize(data)?;
        let missing = <serde_json::Error as serde::de::Error>::missing_field;
        let state = TYPES.iter().find(|(name, _)| *name == event_type).map(|(_, state)| *state);
        let state = state.ok_or_else(|| missing("type"))?;
        Ok(match state {
            TransactionState::Submitted => Self::Submitted(submission),
            TransactionState::Accepted => Self::Accepted(submission),
            TransactionState::Rejected => {
                Self::Rejected { submission, reason: reason.ok_or_else(|| missing("reason"))? }
            }
            TransactionState::Confirmed => {
                Self::Confirmed { submission, block: block.ok_or_else(|| missing("block"))? }
            }
            TransactionState::Failed => {
                Self::Failed { submission, block: block.ok_or_else(|| missing("block"))?, error }
            }
            TransactionState::Dropped => Self::Dropped { submission, reason: reason.ok_or_else(|| missing("reason"))? },
        })
    }
}
