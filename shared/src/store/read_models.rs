//! What is read without folding a stream: the latest prices, their history, a user's memories, transactions.

use rust_decimal::Decimal;
use uuid::Uuid;

use super::StoreError;
use crate::domain::coin::Coin;
use crate::domain::price::Quote;
use crate::domain::projection::{EmotionChange, TransactionChange};
use crate::platform::BoxFuture;
use crate::platform::clock::Timestamp;

/// Read models, as the projections have brought them up to now: a little behind the streams.
pub trait ReadModels: Send + Sync {
    /// The emotion of each user that has one, by the user's emotion stream, in no order.
    fn emotions<'a>(&'a self, owners: &'a [Uuid]) -> BoxFuture<'a, Result<Vec<(Uuid, EmotionChange)>, StoreError>>;

    /// The latest quote of each coin that has one, in no order.
    fn latest_prices<'a>(&'a self, coins: &'a [Coin]) -> BoxFuture<'a, Result<Vec<Quote>, StoreError>>;

    /// Points of a coin's history, newest first: by version.
    fn price_history<'a>(&'a self, query: &'a HistoryQuery) -> BoxFuture<'a, Result<Vec<PricePoint>, StoreError>>;

    /// A user's memories, newest first: by the version in which they were added.
    fn memories<'a>(&'a self, query: &'a MemoryQuery) -> BoxFuture<'a, Result<Vec<MemoryRow>, StoreError>>;

    /// Those of a user's memories that have these ids, by the user's memory stream, in no order.
    fn memories_by_id<'a>(&'a self, owner: Uuid, ids: &'a [Uuid]) -> BoxFuture<'a, Result<Vec<MemoryRow>, StoreError>>;

    /// What became of a transaction that was handed in here, by its stream.
    fn transaction(&self, id: Uuid) -> BoxFuture<'_, Result<Option<TransactionChange>, StoreError>>;

    /// Transactions of which it is not known yet what became, by their streams; those that were heard of longest ago
    /// first, then by their ids.
    fn pending_transactions<'a>(
        &'a self,
        query: &'a PendingQuery,
    ) -> BoxFuture<'a, Result<Vec<(Uuid, TransactionChange)>, StoreError>>;
}

/// Which transactions that are still to be settled.
#[derive(Debug, Clone)]
pub struct PendingQuery {
    /// Heard of before this time.
    pub older_than: Timestamp,
    /// Only those behind this one: when it was heard of, and its id.
    pub after: Option<(Timestamp, Uuid)>,
    /// At most so many.
    pub limit: u32,
}

/// Which points of a price history.
#[derive(Debug, Clone)]
pub struct HistoryQuery {
    /// The coin.
    pub coin: Coin,
    /// Not before this time.
    pub from: Option<Timestamp>,
    /// Before this time.
    pub to: Option<Timestamp>,
    /// Only points older than the one with this version.
    pub before_version: Option<i32>,
    /// At most so many.
    pub limit: u32,
}

/// A price at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PricePoint {
    /// Its version in the coin's stream.
    pub version: i32,
    /// US dollars for one coin.
    pub usd: Decimal,
    /// When the source saw it.
    pub at: Timestamp,
    /// Who quoted it.
    pub source: String,
}

/// Which memories of a user.
#[derive(Debug, Clone)]
pub struct MemoryQuery {
    /// The user's memory stream.
    pub owner: Uuid,
    /// Only memories that hold every one of these, in any case. Empty: all memories.
    pub words: Vec<String>,
    /// Only memories added before this version.
    pub before_version: Option<i32>,
    /// At most so many.
    pub limit: u32,
}

/// A memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryRow {
    /// Its id.
    pub id: Uuid,
    /// The version in the stream at which it was added.
    pub version: i32,
    /// Its text.
    pub content: String,
    /// When it was added.
    pub created_at: Timestamp,
}

/// The columns of a transaction, in the order in which both backends read them.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
macro_rules! transaction_columns {
    () => {
        "id, version, chain, hash, user_id, sender, recipient, nonce, block, status, reason, submitted_at, updated_at"
    };
}
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(super) use transaction_columns;

/// The number of a block, or a nonce, as a database takes it. One that does not fit is no chain's: it is left out.
#[cfg(any(feature = "dynamodb", feature = "postgres", feature = "sqlite"))]
pub(super) fn signed(number: Option<u64>) -> Option<i64> {
    number.and_then(|number| i64::try_from(number).ok())
}

/// And back.
#[cfg(any(feature = "dynamodb", feature = "postgres", feature = "sqlite"))]
pub(super) fn unsigned(number: Option<i64>) -> Option<u64> {
    number.and_then(|number| u64::try_from(number).ok())
}

/// The form in which text is searched: every database compares it byte by byte.
#[cfg(any(feature = "dynamodb", feature = "postgres", feature = "sqlite"))]
pub(super) fn search_text(text: &str) -> String {
    text.to_lowercase()
}

/// The words of a search, in the form in which they are searched. `None` where nothing can be found: no text holds a
/// NUL character, and Postgres would not even take it as a word.
#[cfg(any(feature = "dynamodb", feature = "postgres", feature = "sqlite"))]
pub(super) fn search_words(words: &[String]) -> Option<Vec<String>> {
    words.iter().map(|word| (!word.contains('\0')).then(|| search_text(word))).collect()
}
