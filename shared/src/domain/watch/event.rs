//! What happens in the stream of a filter.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ChainEvent;
use crate::domain::aggregate::DomainEvent;
use crate::domain::chain::{Block, ChainId};

/// What happens in the stream of a filter. A retraction compensates an observation; what is observed and was not
/// retracted since is what the chain holds, as far as it was scanned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WatchEvent {
    /// Something happened on the chain.
    Observed(ChainEventObserved),
    /// It is no longer there: another block has taken the place of its own.
    Retracted(ChainEventRetracted),
    /// Everything up to a block is recorded.
    Scanned(BlocksScanned),
}

/// The payload of `ChainEventObserved`, schema version 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChainEventObserved {
    /// The chain.
    pub chain: ChainId,
    /// The filter's name.
    pub filter: String,
    /// What happened.
    #[serde(flatten)]
    pub event: ChainEvent,
    /// Whether its data was longer than what is kept of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

/// The payload of `ChainEventRetracted`, schema version 1. The block's hash and the id within it (transaction and index)
/// are those of the observation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChainEventRetracted {
    /// The chain.
    pub chain: ChainId,
    /// The filter's name.
    pub filter: String,
    /// The block that is no longer on the chain.
    pub block: Block,
    /// The transaction's hash or signature.
    pub transaction: String,
    /// Its place in the block.
    pub index: u64,
}

/// The payload of `BlocksScanned`, schema version 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BlocksScanned {
    /// The chain.
    pub chain: ChainId,
    /// The filter's name.
    pub filter: String,
    /// The last block that was scanned; so is everything before it.
    pub block: Block,
    /// Where the chain had left the blocks that were scanned before: the first block that was scanned again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_at: Option<u64>,
}

const OBSERVED: &str = "ChainEventObserved";
const RETRACTED: &str = "ChainEventRetracted";
const SCANNED: &str = "BlocksScanned";

impl DomainEvent for WatchEvent {
    fn event_type(&self) -> &'static str {
        match self {
            Self::Observed(_) => OBSERVED,
            Self::Retracted(_) => RETRACTED,
            Self::Scanned(_) => SCANNED,
        }
    }

    fn schema_version_of(event_type: &str) -> Option<i32> {
        matches!(event_type, OBSERVED | RETRACTED | SCANNED).then_some(1)
    }

    fn to_value(&self) -> Result<Value, serde_json::Error> {
        match self {
            Self::Observed(observed) => serde_json::to_value(observed),
            Self::Retracted(retracted) => serde_json::to_value(retracted),
            Self::Scanned(scanned) => serde_json::to_value(scanned),
        }
    }

    fn from_current(event_type: &str, data: &Value) -> Result<Self, serde_json::Error> {
        match event_type {
            OBSERVED => ChainEventObserved::deserialize(data).map(Self::Observed),
            RETRACTED => ChainEventRetracted::deserialize(data).map(Self::Retracted),
            _ => BlocksScanned::deserialize(data).map(Self::Scanned),
        }
    }
}
