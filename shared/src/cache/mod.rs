//! The cache: tiers that are asked in order, each optional, none ever the truth. A tier that fails makes an answer
//! slower, never wrong.
//!
//! | file | holds |
//! | --- | --- |
//! | `memory`, `redis`, `s3` | the tiers, the nearest first |
//! | `far` | a tier outside this process, behind its breaker, and what lies beside it |
//! | `tiers` | all of them as one: look-ups, promotion, invalidation |
//! | `source`, `read_through` | values with a source: one load a key in the fleet, stale values while it lasts or fails |
//! | `stamps`, `leases` | what processes tell each other: what was invalidated, who asks the source |
//! | `entry`, `codec` | values as bytes |
//! | `batcher` | gathers those who want something at the same time |

pub(crate) mod batcher;
mod codec;
mod entry;
#[cfg(test)]
mod fake;
mod far;
mod leases;
mod memory;
mod meter;
mod read_through;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "s3")]
mod s3;
mod source;
mod stamps;
mod tiers;

use crate::platform::BoxFuture;

pub use entry::Entry;
pub use far::{Companion, TierOptions};
pub use leases::RefreshLeases;
pub use memory::MemoryTier;
pub use read_through::ReadThrough;
#[cfg(feature = "redis")]
pub use redis::RedisTier;
#[cfg(feature = "s3")]
pub use s3::S3Tier;
pub use source::{Fetched, Loaded, ReadOptions, Source};
pub use stamps::{Marks, StampStore};
pub use tiers::{Cache, Cached, EntryOptions};

/// One tier.
pub trait CacheTier: Send + Sync {
    /// Its name, for metrics and logs.
    fn name(&self) -> &'static str;

    /// The entries of `keys`, in their order, in one round trip. They may be a moment behind.
    fn get_many<'a>(&'a self, keys: &'a [String]) -> BoxFuture<'a, Result<Vec<Option<Entry>>, CacheError>>;

    /// The same, with all that was put before, whoever put it.
    fn get_newest<'a>(&'a self, keys: &'a [String]) -> BoxFuture<'a, Result<Vec<Option<Entry>>, CacheError>> {
        self.get_many(keys)
    }

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
    /// It did answer, and refused.
    pub answered: bool,
}

impl CacheError {
    /// Nothing was heard.
    pub fn unanswered(tier: &'static str, problem: impl Into<String>) -> Self {
        Self { tier, problem: problem.into(), answered: false }
    }
}
