//! The tier in this process: bounded by the bytes that it holds. It keeps a value as it was last read, too, so that a hit
//! decodes nothing.

use std::any::Any;
use std::sync::{Arc, OnceLock};

use futures_util::future::{FutureExt, ready};
use moka::sync::Cache;

use super::stamps::Marks;
use super::{CacheError, CacheTier, Entry};
use crate::platform::BoxFuture;
use crate::platform::clock::{Clock, Timestamp};

/// What an entry costs beside its key and value.
const OVERHEAD: usize = 160;

/// Entries in this process. Shared by all requests; gone with the process.
pub struct MemoryTier {
    entries: Cache<String, Arc<Held>>,
    clock: Arc<dyn Clock>,
}

/// An entry that is held here.
pub(super) struct Held {
    pub(super) entry: Entry,
    /// What it depends on, as that was when it was read or made.
    pub(super) marks: Marks,
    /// The source failed: no use in trying again before.
    pub(super) retry_at: Option<Timestamp>,
    decoded: OnceLock<Arc<dyn Any + Send + Sync>>,
}

impl Held {
    pub(super) fn new(entry: Entry, marks: Marks, retry_at: Option<Timestamp>) -> Self {
        Self { entry, marks, retry_at, decoded: OnceLock::new() }
    }

    /// The value, decoded once for all readers of the same type.
    pub(super) fn value<T: Send + Sync + 'static>(&self, decode: impl Fn(&[u8]) -> Option<T>) -> Option<Arc<T>> {
        if let Some(known) = self.decoded.get() {
            return Arc::clone(known).downcast().ok().or_else(|| decode(&self.entry.value).map(Arc::new));
        }
        let value = Arc::new(decode(&self.entry.value)?);
        // Whoever is first; another's is the same.
        let _ = self.decoded.set(Arc::clone(&value) as _);
        Some(value)
    }
}

impl MemoryTier {
    /// An empty tier of at most about `max_bytes`.
    pub fn new(max_bytes: u64, clock: Arc<dyn Clock>) -> Self {
        // What was read is kept beside what it was read from.
        let weigh = |key: &String, held: &Arc<Held>| {
            u32::try_from(key.len() + 2 * held.entry.value.len() + OVERHEAD).unwrap_or(u32::MAX)
        };
        Self { entries: Cache::builder().max_capacity(max_bytes).weigher(weigh).build(), clock }
    }

    pub(super) fn get(&self, key: &str, now: Timestamp) -> Option<Arc<Held>> {
        self.entries.get(key).filter(|held| held.entry.expires_at > now && held.marks.hold())
    }

    pub(super) fn put(&self, key: String, held: Held) {
        self.entries.insert(key, Arc::new(held));
    }

    pub(super) fn remove(&self, key: &str) {
        self.entries.invalidate(key);
    }
}

impl CacheTier for MemoryTier {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn get_many<'a>(&'a self, keys: &'a [String]) -> BoxFuture<'a, Result<Vec<Option<Entry>>, CacheError>> {
        let now = self.clock.now();
        ready(Ok(keys.iter().map(|key| Some(self.get(key, now)?.entry.clone())).collect())).boxed()
    }

    fn put_many<'a>(&'a self, entries: &'a [(String, Entry)]) -> BoxFuture<'a, Result<(), CacheError>> {
        for (key, entry) in entries {
            self.put(key.clone(), Held::new(entry.clone(), Marks::default(), None));
        }
        ready(Ok(())).boxed()
    }

    fn remove_many<'a>(&'a self, keys: &'a [String]) -> BoxFuture<'a, Result<(), CacheError>> {
        for key in keys {
            self.remove(key);
        }
        ready(Ok(())).boxed()
    }
}
