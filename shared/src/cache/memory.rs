//! The tier in this process: bounded by the bytes that it holds. It keeps a value as it was last read, too, so that a hit
//! decodes nothing.

use std::any::Any;
use std::sync::{Arc, OnceLock};

use futures_util::future::{FutureExt, ready};
use moka::ops::compute::Op;
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
    /// How often in a row it took too long.
    pub(super) strikes: u32,
    decoded: OnceLock<Arc<dyn Any + Send + Sync>>,
}

impl Held {
    pub(super) fn new(entry: Entry, marks: Marks) -> Self {
        Self { entry, marks, retry_at: None, strikes: 0, decoded: OnceLock::new() }
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
            let bytes = key.len() + 2 * held.entry.value.len() + held.marks.weight() + OVERHEAD;
            u32::try_from(bytes).unwrap_or(u32::MAX)
        };
        Self { entries: Cache::builder().max_capacity(max_bytes).weigher(weigh).build(), clock }
    }

    /// What is held, whether or not what it depends on still is as it was.
    pub(super) fn get(&self, key: &str, now: Timestamp) -> Option<Arc<Held>> {
        self.entries.get(key).filter(|held| held.entry.expires_at > now)
    }

    pub(super) fn put(&self, key: String, held: Held) {
        self.entries.insert(key, Arc::new(held));
    }

    /// Keeps it where nothing newer is held.
    pub(super) fn promote(&self, key: &str, held: Held) {
        let put = |current: Option<moka::Entry<String, Arc<Held>>>| match current.map(moka::Entry::into_value) {
            Some(current) if current.entry.fresh_until > held.entry.fresh_until && current.marks.hold() => Op::Nop,
            _ => Op::Put(Arc::new(held)),
        };
        self.entries.entry_by_ref(key).and_compute_with(put);
    }

    /// Notes that the source failed to give something newer than `held`, unless that came meanwhile.
    pub(super) fn note_failure(&self, key: &str, held: &Held, retry_at: Timestamp, strikes: u32) {
        let noted = Held { retry_at: Some(retry_at), strikes, ..Held::new(held.entry.clone(), held.marks.clone()) };
        let note = |current: Option<moka::Entry<String, Arc<Held>>>| match current.map(moka::Entry::into_value) {
            Some(current) if current.entry.fresh_until > held.entry.fresh_until => Op::Nop,
            _ => Op::Put(Arc::new(noted)),
        };
        self.entries.entry_by_ref(key).and_compute_with(note);
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
        let entry = |key: &String| self.get(key, now).filter(|held| held.marks.hold()).map(|held| held.entry.clone());
        ready(Ok(keys.iter().map(entry).collect())).boxed()
    }

    fn put_many<'a>(&'a self, entries: &'a [(String, Entry)]) -> BoxFuture<'a, Result<(), CacheError>> {
        for (key, entry) in entries {
            self.put(key.clone(), Held::new(entry.clone(), Marks::default()));
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
