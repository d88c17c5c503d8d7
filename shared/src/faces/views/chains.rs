//! Chains and what is on them.

use async_graphql::{Enum, ID, InputObject, SimpleObject};
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;

use super::optional_time;
use crate::domain::chain;
use crate::services::chains::{FeeRequest, OwnedBalance};
use crate::sources::chains;

/// A chain that can be asked.
#[derive(Serialize, SimpleObject, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::faces) struct Chain {
    /// Its CAIP-2 id, such as `eip155:1`.
    #[schemars(with = "String")]
    id: ID,
    /// Its name, such as `ethereum`.
    name: String,
    /// The symbol of its own coin.
    symbol: String,
    /// That coin's decimals.
    decimals: i32,
    /// How many blocks must lie above one until what is in it counts as settled.
    confirmations: i32,
    /// The names of the filters whose events can be listened to.
    filters: Vec<String>,
}

impl Chain {
    pub(in crate::faces) fn new(chain: &chains::Chain, filters: Vec<String>) -> Self {
        Self {
            id: ID(chain.id.to_string()),
            name: chain.name.clone(),
            symbol: chain.symbol.clone(),
            decimals: chain.decimals.into(),
            confirmations: i32::try_from(chain.confirmations).unwrap_or(i32::MAX),
            filters,
        }
    }
}

/// So much of a token.
#[derive(Serialize, SimpleObject, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::faces) struct Amount {
    /// An integer in base units: wei, lamports.
    units: String,
    /// How many digits of `units` are behind the point.
    decimals: i32,
    /// The token's symbol, as it calls itself: anybody can choose any.
    symbol: String,
    /// The amount with its point, for a person.
    value: String,
}

impl From<chain::Amount> for Amount {
    fn from(amount: chain::Amount) -> Self {
        Self {
            value: amount.to_decimal(),
            units: amount.units.to_string(),
            decimals: amount.decimals.into(),
            symbol: amount.symbol,
        }
    }
}

/// What an address has.
#[derive(Serialize, SimpleObject, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::faces) struct Balance {
    /// The chain's CAIP-2 id.
    #[schemars(with = "String")]
    chain: ID,
    /// The address, as the chain writes it.
    address: String,
    /// The token's contract or mint; null for the chain's own coin.
    token: Option<String>,
    /// How much.
    amount: Amount,
    /// At which block (slot).
    block: String,
}

impl From<OwnedBalance> for Balance {
    fn from(owned: OwnedBalance) -> Self {
        Self {
            chain: ID(owned.chain.id.into()),
            address: owned.address,
            token: owned.token,
            amount: owned.balance.amount.into(),
            block: owned.balance.block.to_string(),
        }
    }
}

/// What became of a transaction.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Enum, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[graphql(remote = "chains::TransactionStatus")]
pub(in crate::faces) enum TransactionStatus {
    /// Not yet in a block.
    Pending,
    /// In a block, and it did what it should.
    Succeeded,
    /// In a block, paid for, and without effect.
    Failed,
}

/// A transaction.
#[derive(Serialize, SimpleObject, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::faces) struct ChainTransaction {
    /// The chain's CAIP-2 id.
    #[schemars(with = "String")]
    chain: ID,
    /// Its hash; a signature on Solana.
    #[schemars(with = "String")]
    hash: ID,
    /// What became of it.
    status: TransactionStatus,
    /// The number of its block (slot).
    block: Option<String>,
    /// That block's hash, where there is one.
    block_hash: Option<String>,
    /// How many blocks there are from that one on.
    confirmations: i32,
    /// Whether that is enough to count as settled.
    settled: bool,
    /// When the block was made.
    #[serde(serialize_with = "optional_time")]
    timestamp: Option<DateTime<Utc>>,
    /// Who signed and paid.
    from: String,
    /// Whom it calls or pays, where that is one.
    to: Option<String>,
    /// How much of the chain's own coin it moves, where that is one number.
    value: Option<Amount>,
    /// What was paid for it.
    fee: Option<Amount>,
    /// Its place among its sender's.
    nonce: Option<String>,
    /// Why it failed.
    error: Option<String>,
}

impl ChainTransaction {
    pub(in crate::faces) fn new(chain: &chains::Chain, transaction: chains::ChainTransaction) -> Self {
        let (block, block_hash) = transaction.block.map(|block| (block.number.to_string(), block.hash)).unzip();
        Self {
            chain: ID(chain.id.to_string()),
            hash: ID(transaction.hash),
            status: transaction.status.into(),
            block,
            block_hash: block_hash.filter(|hash| !hash.is_empty()),
            confirmations: i32::try_from(transaction.confirmations).unwrap_or(i32::MAX),
            settled: chain.is_settled(transaction.confirmations),
            timestamp: transaction.timestamp,
            from: transaction.from,
            to: transaction.to,
            value: transaction.value.map(Amount::from),
            fee: transaction.fee.map(Amount::from),
            nonce: transaction.nonce.map(|nonce| nonce.to_string()),
            error: transaction.error,
        }
    }
}

/// A transaction that may be made.
#[derive(InputObject)]
pub(in crate::faces) struct TransactionInput {
    /// Who would sign.
    from: Option<String>,
    /// Whom it calls or pays.
    to: Option<String>,
    /// How much of the chain's own coin, in base units.
    value: Option<String>,
    /// What the call says, hexadecimal (EVM).
    data: Option<String>,
    /// The whole serialised message in base64 (Solana).
    message: Option<String>,
}

impl From<TransactionInput> for FeeRequest {
    fn from(input: TransactionInput) -> Self {
        let TransactionInput { from, to, value, data, message } = input;
        Self { from, to, value, data, message }
    }
}

/// What a transaction would cost.
#[derive(Serialize, SimpleObject, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::faces) struct FeeEstimate {
    /// How much work it is: gas (EVM), compute units (Solana).
    units: String,
    /// For who can wait.
    slow: FeeLevel,
    /// For most.
    normal: FeeLevel,
    /// For the next block.
    fast: FeeLevel,
}

/// What to offer.
#[derive(Serialize, SimpleObject, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::faces) struct FeeLevel {
    /// The most that a unit may cost: wei (`maxFeePerGas`), or micro-lamports.
    max_price: String,
    /// Of that, what goes to who makes the block (`maxPriorityFeePerGas`).
    priority: String,
    /// The most that it comes to; on a rollup, without what its place on the chain below costs.
    total: Amount,
}

impl From<chains::FeeEstimate> for FeeEstimate {
    fn from(estimate: chains::FeeEstimate) -> Self {
        Self {
            units: estimate.units.to_string(),
            slow: estimate.slow.into(),
            normal: estimate.normal.into(),
            fast: estimate.fast.into(),
        }
    }
}

impl From<chains::FeeLevel> for FeeLevel {
    fn from(level: chains::FeeLevel) -> Self {
        Self { max_price: level.max_price.to_string(), priority: level.priority.to_string(), total: level.total.into() }
    }
}
