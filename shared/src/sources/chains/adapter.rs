//! What every chain can be asked.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::BoxStream;
use primitive_types::U256;

use crate::domain::chain::{Amount, Block, ChainId};
use crate::domain::watch::{EventFilter, Scan, Trail};
use crate::platform::BoxFuture;
use crate::platform::clock::Timestamp;
use crate::sources::SourceError;

/// A chain, through nodes of it. Addresses and hashes are checked before anybody is asked.
///
/// Guarantees: one operation that reads what must agree is answered by one node. Not guaranteed: that two operations
/// see the chain at the same block, or that a later one sees a later block.
pub trait ChainAdapter: Send + Sync {
    /// Which chain it is.
    fn chain(&self) -> &Chain;

    /// The address in the form in which the chain writes it.
    ///
    /// # Errors
    /// [`ChainError::Invalid`] for what is no address.
    fn check_address(&self, text: &str) -> Result<String, ChainError>;

    /// A transaction's hash in the form in which the chain writes it.
    ///
    /// # Errors
    /// [`ChainError::Invalid`] for what is no hash.
    fn check_hash(&self, text: &str) -> Result<String, ChainError>;

    /// The balances, in the order asked, each with its own outcome; together in as few requests as the nodes allow.
    fn get_balances<'a>(&'a self, queries: &'a [BalanceQuery]) -> BoxFuture<'a, Vec<Result<Balance, ChainError>>>;

    /// A transaction; `None` where no node knows it.
    fn get_transaction<'a>(&'a self, hash: &'a str) -> BoxFuture<'a, Result<Option<ChainTransaction>, ChainError>>;

    /// What a transaction would cost, at three speeds.
    fn estimate_fee<'a>(&'a self, draft: &'a Draft) -> BoxFuture<'a, Result<FeeEstimate, ChainError>>;

    /// Reads a signed transaction: whose it is and what it is called. Nobody is asked.
    ///
    /// # Errors
    /// [`ChainError::Invalid`]: not a transaction, not signed, of another chain.
    fn decode_signed(&self, bytes: &[u8]) -> Result<SignedTransaction, ChainError>;

    /// Hands a signed transaction to the chain. That it is known there already is a success.
    ///
    /// # Errors
    /// [`ChainError::Refused`]: it was not taken, and will not be; [`ChainError::Unavailable`]: it may or may not have been.
    fn send_transaction<'a>(&'a self, signed: &'a SignedTransaction) -> BoxFuture<'a, Result<(), ChainError>>;

    /// Whether a transaction that no node knows may still come into a block: that of `from` with this nonce.
    fn may_still_come<'a>(&'a self, from: &'a str, nonce: Option<u64>) -> BoxFuture<'a, Result<bool, ChainError>>;

    /// The next events of `filter` behind `trail`, of blocks deep enough to stay. Where the chain has left the trail, what
    /// is returned begins where the two part.
    fn events_after<'a>(&'a self, filter: &'a EventFilter, trail: &'a Trail)
    -> BoxFuture<'a, Result<Scan, ChainError>>;

    /// The same, for ever: catches up, then waits for what comes, woken by a websocket where a node offers one. It ends
    /// after an error; who goes on from their own trail misses nothing and gets nothing twice.
    fn subscribe_to_events<'a>(
        &'a self,
        filter: &'a EventFilter,
        trail: Trail,
    ) -> BoxStream<'a, Result<Scan, ChainError>>;

    /// The newest block.
    fn head(&self) -> BoxFuture<'_, Result<Block, ChainError>>;

    /// What is known of the nodes, without asking them.
    fn health(&self) -> Vec<EndpointHealth>;
}

/// The chains that there are.
pub trait ChainSet: Send + Sync {
    /// The adapter of a chain; `None` for one that is not configured.
    fn adapter(&self, chain: &ChainId) -> Option<Arc<dyn ChainAdapter>>;
}

/// A chain, as it is known here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Its CAIP-2 id.
    pub id: ChainId,
    /// Its name here: `ethereum`, `base`, `solana`.
    pub name: String,
    /// The symbol of the coin that fees are paid in.
    pub symbol: String,
    /// That coin's decimals.
    pub decimals: u8,
    /// How many blocks must lie above one until what is in it counts as settled.
    pub confirmations: u64,
}

impl Chain {
    /// Whether what is in a block counts as settled, where there are `blocks` from that one on.
    pub fn is_settled(&self, blocks: u64) -> bool {
        blocks > self.confirmations
    }
}

/// Whose balance, of what.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BalanceQuery {
    /// As [`ChainAdapter::check_address`] returned it.
    pub address: String,
    /// A token's contract or mint, likewise; `None` for the chain's own coin.
    pub token: Option<String>,
}

/// A balance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Balance {
    /// How much.
    pub amount: Amount,
    /// At which block (slot).
    pub block: u64,
}

/// A transaction, as a node tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainTransaction {
    /// Its hash; a signature on Solana.
    pub hash: String,
    /// What became of it.
    pub status: TransactionStatus,
    /// The block that it is in.
    pub block: Option<Block>,
    /// How many blocks there are from that one on: 1 in the newest.
    pub confirmations: u64,
    /// When that block was made.
    pub timestamp: Option<Timestamp>,
    /// Who signed and paid.
    pub from: String,
    /// Whom it calls or pays; `None` where it makes a contract, or has no single one.
    pub to: Option<String>,
    /// How much of the chain's own coin it moves, where that is one number.
    pub value: Option<Amount>,
    /// What was paid for it.
    pub fee: Option<Amount>,
    /// Its place among its sender's.
    pub nonce: Option<u64>,
    /// Why it failed, where the chain says so.
    pub error: Option<String>,
}

/// What became of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionStatus {
    /// Not yet in a block.
    Pending,
    /// In a block, and it did what it should.
    Succeeded,
    /// In a block, paid for, and without effect.
    Failed,
}

/// A transaction that may be made: what is to be known of it to tell its fee.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Draft {
    /// Who would sign.
    pub from: Option<String>,
    /// Whom it calls or pays.
    pub to: Option<String>,
    /// How much of the chain's own coin.
    pub value: U256,
    /// What the call says (EVM).
    pub data: Vec<u8>,
    /// The whole message, serialised (Solana).
    pub message: Option<Vec<u8>>,
}

/// What a transaction would cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeeEstimate {
    /// How much work it is: gas, or compute units where the message sets a limit.
    pub units: u64,
    /// For who can wait.
    pub slow: FeeLevel,
    /// For most.
    pub normal: FeeLevel,
    /// For the next block.
    pub fast: FeeLevel,
}

/// What to offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeeLevel {
    /// The most that a unit may cost: wei a gas (`maxFeePerGas`); micro-lamports a compute unit.
    pub max_price: U256,
    /// Of that, what goes to who makes the block (`maxPriorityFeePerGas`); the same on Solana.
    pub priority: U256,
    /// The most that it comes to; on a rollup, without what its place on the chain below costs.
    pub total: Amount,
}

/// A signed transaction that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedTransaction {
    /// Its hash; the first signature on Solana.
    pub hash: String,
    /// Who signed and pays.
    pub from: String,
    /// Whom it calls or pays, where that is one.
    pub to: Option<String>,
    /// Its place among its sender's.
    pub nonce: Option<u64>,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// A node, as it has behaved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointHealth {
    /// Which: its host, or a number where that would say too much. Never the URL, which may hold a key.
    pub endpoint: String,
    /// Whether it would be asked.
    pub usable: bool,
    /// Why not, or what is known of it.
    pub note: String,
    /// The newest block that it has told of.
    pub head: Option<u64>,
    /// How long it takes to answer, on average, lately.
    pub latency: Option<Duration>,
}

/// Why a chain gave no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ChainError {
    /// What was asked makes no sense on that chain.
    #[error("{0}")]
    Invalid(String),
    /// The chain answered, and said no: the transaction would fail, or cannot be taken.
    #[error("{0}")]
    Refused(String),
    /// No node gave a usable answer.
    #[error("{chain}: {source}")]
    Unavailable {
        /// The chain's name.
        chain: String,
        /// What the last node that was asked did.
        source: SourceError,
    },
}
