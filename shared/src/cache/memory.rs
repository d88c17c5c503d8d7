//! The tier in this process: bounded by the bytes that it holds.

use std::sync::Arc;

use futures_util::future::{FutureExt, ready};
use moka::sync::Cache;

use super::{CacheError, CacheTier, Entry};
use crate::platform::BoxFuture;
use crate::platform::clock::Clock;

/// What an entry costs beside its key and value.
const OVERHEAD: usize = 128;

/// Entries in this process. Shared by all requests; gone with the process.
pub struct MemoryTier {
    entries: Cache<String, Entry>,
    clock: Arc<dyn Clock>,
}

impl MemoryTier {
    /// An empty tier of at most about `max_bytes`.
    pub fn new(max_bytes: u64, clock: Arc<dyn Clock>) -> Self {
        let weigh =
            |key: &String, entry: &Entry| u32::try_from(key.len() + entry.value.len() + OVERHEAD).unwrap_or(u32::MAX);
        Self { entries: Cache::builder().max_capacity(max_bytes).weigher(weigh).build(), clock }
    }
}

impl CacheTier for MemoryTier {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn get_many<'a>(&'a self, keys: &'a [String]) -> BoxFuture<'a, Result<Vec<Option<Entry>>, CacheError>> {
        let now = self.clock.now();
        let get = |key: &String| self.entries.get(key).filter(|entry| entry.expires_at > now);
        ready(Ok(keys.iter().map(get).collect())).boxed()
    }

    fn put_many<'a>(&'a self, entries: &'a [(String, Entry)]) -> BoxFuture<'a, Result<(), CacheError>> {
        for (key, entry) in entries {
            self.entries.insert(key.clone(), entry.clone());
        }
        ready(Ok(())).boxed()
    }

    fn remove_many<'a>(&'a self, keys: &'a [String]) -> BoxFuture<'a, Result<(), CacheError>> {
        for key in keys {
            self.entries.invalidate(key);
        }
        ready(Ok(())).boxed()
    }
}
