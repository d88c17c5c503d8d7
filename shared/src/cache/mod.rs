//! The cache: tiers that are asked in order, each optional, none ever the truth. A tier that fails makes an answer
//! slower, never wrong.

mod memory;
#[cfg(feature = "redis")]
mod redis;
mod tiers;

use bytes::Bytes;

use crate::platform::BoxFuture;
use crate::platform::clock::Timestamp;

pub use memory::MemoryTier;
#[cfg(feature = "redis")]
pub use redis::RedisTier;
pub use tiers::{Cache, Cached, Life, MEMORY_LIFE, REDIS_LIFE};

/// A cached value with its two ends of life. Expiry is part of the entry and compared with the `Clock`, so that it
/// moves between tiers without a new lease of life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The encoded value; an empty one is a value too.
    pub value: Bytes,
    /// Until when it is fresh.
    pub fresh_until: Timestamp,
    /// Until when it may be served as stale.
    pub expires_at: Timestamp,
}

/// One tier.
pub trait CacheTier: Send + Sync {
    /// Its name, for metrics and logs.
    fn name(&self) -> &'static str;

    /// The entries of `keys`, in their order, in one round trip.
    fn get_many<'a>(&'a self, keys: &'a [String]) -> BoxFuture<'a, Result<Vec<Option<Entry>>, CacheError>>;

    /// Keeps entries until they expire, in one round trip.
    fn put_many<'a>(&'a self, entries: &'a [(String, Entry)]) -> BoxFuture<'a, Result<(), CacheError>>;

    /// Forgets `keys`.
    fn remove_many<'a>(&'a self, keys: &'a [String]) -> BoxFuture<'a, Result<(), CacheError>>;
}

/// A tier did not answer, or not in time. Always transient.
#[derive(Debug, Clone, thiserror::Error)]
#[error("cache tier {tier}: {problem}")]
pub struct CacheError {
    /// The tier.
    pub tier: &'static str,
    /// What went wrong, without addresses or secrets.
    pub problem: String,
}
