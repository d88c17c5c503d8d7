//! A transaction that was handed in here to be sent: what became of it.

mod event;

use serde::{Deserialize, Serialize};

use super::aggregate::Aggregate;
use super::chain::{Block, ChainId};
use crate::platform::clock::Timestamp;

pub use event::TransactionEvent;

/// The longest reason that is kept, in bytes.
const MAX_REASON: usize = 1_000;

/// A transaction as it was handed in. It is in every event of its stream, so that each of them is enough for a whole row
/// of the read model, whatever comes first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Submission {
    /// The chain.
    pub chain: ChainId,
    /// The transaction's hash; its first signature on Solana.
    pub hash: String,
    /// Who signed and pays.
    pub from: String,
    /// Whom it calls or pays, where that is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Its place among its sender's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<u64>,
    /// Who handed it in, where a token said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// When.
    pub submitted_at: Timestamp,
}

/// What may be said of a transaction.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the fields are what the variants say")]
pub enum TransactionCommand {
    /// It is about to be sent.
    Submit(Submission),
    /// A node took it.
    Accept,
    /// The chain's nodes will not take it.
    Reject { reason: String },
    /// It is in a block that is deep enough, and did what it should or failed with `error`.
    Settle { block: Block, succeeded: bool, error: Option<String> },
    /// It will not come into a block any more.
    Drop { reason: String },
}

/// What became of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the events of the same names say it")]
pub enum TransactionState {
    Submitted,
    Accepted,
    Rejected,
    Confirmed,
    Failed,
    Dropped,
}

/// Not the name of a state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a state of a transaction")]
pub struct UnknownState(String);

/// A transaction's stream, folded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionAggregate {
    now: Option<Now>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Now {
    submission: Submission,
    state: TransactionState,
    block: Option<Block>,
    reason: Option<String>,
}

impl TransactionAggregate {
    /// The subject of the stream of a transaction.
    pub fn subject(chain: &ChainId, hash: &str) -> String {
        format!("{chain}/{hash}")
    }

    /// What became of it; `None` for one that was never handed in here.
    pub fn state(&self) -> Option<TransactionState> {
        self.now.as_ref().map(|now| now.state)
    }

    /// How it was handed in last.
    pub fn submission(&self) -> Option<&Submission> {
        self.now.as_ref().map(|now| &now.submission)
    }
}

impl Aggregate for TransactionAggregate {
    const TYPE: &'static str = "transaction";
    const SNAPSHOT_SCHEMA: i32 = 1;
    type Command = TransactionCommand;
    type Event = TransactionEvent;
    type Error = std::convert::Infallible;

    /// At most one event; none where the command says nothing new.
    fn decide(&self, command: &TransactionCommand) -> Result<Vec<TransactionEvent>, Self::Error> {
        use TransactionState::{Accepted, Dropped, Rejected, Submitted};

        let state = self.state();
        let event = match (command, self.now.as_ref()) {
            (TransactionCommand::Submit(submission), _) if matches!(state, None | Some(Rejected | Dropped)) => {
                Some(TransactionEvent::Submitted(submission.clone()))
            }
            // Of two who hand it in at once, one may be refused where the other is not.
            (TransactionCommand::Accept, Some(Now { submission, state: Submitted | Rejected | Dropped, .. })) => {
                Some(TransactionEvent::Accepted(submission.clone()))
            }
            (TransactionCommand::Reject { reason }, Some(Now { submission, state: Submitted, .. })) => {
                Some(TransactionEvent::Rejected { submission: submission.clone(), reason: kept(reason) })
            }
            (TransactionCommand::Drop { reason }, Some(Now { submission, state: Submitted | Accepted, .. })) => {
                Some(TransactionEvent::Dropped { submission: submission.clone(), reason: kept(reason) })
            }
            (TransactionCommand::Settle { block, succeeded, error }, Some(now)) => {
                now.settled(block, *succeeded, error.as_deref())
            }
            _ => None,
        };
        Ok(event.into_iter().collect())
    }

    fn apply(&mut self, event: &TransactionEvent, _occurred_at: Timestamp) {
        self.now = Some(Now {
            submission: event.submission().clone(),
            state: event.state(),
            block: event.block().cloned(),
            reason: event.reason().map(ToOwned::to_owned),
        });
    }
}

impl Now {
    fn settled(&self, block: &Block, succeeded: bool, error: Option<&str>) -> Option<TransactionEvent> {
        let (submission, block) = (self.submission.clone(), block.clone());
        let event = if succeeded {
            TransactionEvent::Confirmed { submission, block }
        } else {
            TransactionEvent::Failed { submission, block, error: error.map(kept) }
        };
        let news =
            (self.state, self.block.as_ref(), self.reason.as_deref()) != (event.state(), event.block(), event.reason());
        news.then_some(event)
    }
}

/// So much of a reason as every store takes: it is a node's text.
fn kept(reason: &str) -> String {
    reason[..reason.floor_char_boundary(MAX_REASON)].replace('\0', "\u{fffd}")
}

impl TransactionState {
    /// The state's name, as it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Submitted => "SUBMITTED",
            Self::Accepted => "ACCEPTED",
            Self::Rejected => "REJECTED",
            Self::Confirmed => "CONFIRMED",
            Self::Failed => "FAILED",
            Self::Dropped => "DROPPED",
        }
    }
}

impl std::str::FromStr for TransactionState {
    type Err = UnknownState;

    fn from_str(name: &str) -> Result<Self, UnknownState> {
        serde_json::from_value(name.into()).map_err(|_| UnknownState(name.to_owned()))
    }
}

#[cfg(test)]
mod tests;
