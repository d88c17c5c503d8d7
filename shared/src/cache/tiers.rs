//! The cache as services see it: tiers in order, the nearest first.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{CacheError, CacheTier, Entry};
use crate::platform::clock::{Clock, Timestamp};

/// The longest that the tier in this process keeps an entry: other processes may have a newer one.
pub const MEMORY_LIFE: Duration = Duration::from_secs(60);
/// The longest that the shared tier keeps an entry.
pub const REDIS_LIFE: Duration = Duration::from_secs(3600);

/// Ordered tiers. Without any, every read is a miss.
pub struct Cache {
    levels: Vec<Level>,
    clock: Arc<dyn Clock>,
}

struct Level {
    tier: Arc<dyn CacheTier>,
    max_life: TimeDelta,
    /// So that a tier that is down is logged once, not at every request.
    failing: AtomicBool,
}

/// A value that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cached<T> {
    /// The value.
    pub value: T,
    /// Whether it is fresh; otherwise it is for when nothing better can be had.
    pub fresh: bool,
}

/// How long a value lives.
#[derive(Debug, Clone, Copy)]
pub struct Life {
    /// It is fresh for so long,
    pub fresh: Duration,
    /// and may be served as stale until so long after it was put.
    pub retained: Duration,
}

impl Cache {
    /// A cache of `tiers`, the nearest first, each with the longest that it keeps an entry.
    pub fn new(tiers: impl IntoIterator<Item = (Arc<dyn CacheTier>, Duration)>, clock: Arc<dyn Clock>) -> Self {
        let level = |(tier, max_life)| Level { tier, max_life: delta(max_life), failing: AtomicBool::new(false) };
        Self { levels: tiers.into_iter().map(level).collect(), clock }
    }

    /// The entries of `keys`, in their order. What a farther tier had is kept in the nearer ones for its remaining
    /// life. An entry that is no longer fresh is only the answer if no farther tier has a fresher one: another process
    /// may have put it there. Never fails: a tier that does not answer has nothing.
    pub async fn get_many(&self, keys: &[String]) -> Vec<Option<Entry>> {
        let now = self.clock.now();
        let mut found: Vec<Option<Entry>> = vec![None; keys.len()];
        for (depth, level) in self.levels.iter().enumerate() {
            let is_fresh = |entry: &Option<Entry>| entry.as_ref().is_some_and(|entry| entry.fresh_until > now);
            let wanting: Vec<_> = (0..keys.len()).filter(|&index| !is_fresh(&found[index])).collect();
            if wanting.is_empty() {
                break;
            }
            let asked: Vec<_> = wanting.iter().map(|&index| keys[index].clone()).collect();
            let Some(answers) = level.noted(level.tier.get_many(&asked).await) else { continue };
            let mut promoted = vec![];
            for (index, answer) in wanting.into_iter().zip(answers) {
                let nearer = found[index].as_ref().map(|entry| entry.fresh_until);
                let better = |entry: &Entry| entry.expires_at > now && nearer.is_none_or(|it| entry.fresh_until > it);
                let Some(entry) = answer.filter(better) else { continue };
                promoted.push((keys[index].clone(), entry.clone()));
                found[index] = Some(entry);
            }
            put(&self.levels[..depth], &promoted, now).await;
        }
        found
    }

    /// Keeps entries in every tier.
    pub async fn put_many(&self, entries: &[(String, Entry)]) {
        put(&self.levels, entries, self.clock.now()).await;
    }

    /// Forgets `keys` in every tier that can be reached, the farthest first, so that none is promoted again.
    pub async fn remove_many(&self, keys: &[String]) {
        for level in self.levels.iter().rev() {
            level.noted(level.tier.remove_many(keys).await);
        }
    }

    /// The values of `keys`, in their order. What cannot be read as a `T` is a miss; so a key names the shape of its
    /// value: `price:1:bitcoin`.
    pub async fn get_values<T: DeserializeOwned>(&self, keys: &[String]) -> Vec<Option<Cached<T>>> {
        let entries = self.get_many(keys).await;
        let now = self.clock.now();
        let read = |entry: Entry| {
            let value = serde_json::from_slice(&entry.value).ok()?;
            Some(Cached { value, fresh: entry.fresh_until > now })
        };
        entries.into_iter().map(|entry| read(entry?)).collect()
    }

    /// Keeps values in every tier.
    pub async fn put_values<T: Serialize>(&self, values: impl IntoIterator<Item = (String, T)>, life: Life) {
        let now = self.clock.now();
        let (fresh_until, expires_at) = (now + delta(life.fresh), now + delta(life.retained));
        let mut entries = vec![];
        for (key, value) in values {
            match serde_json::to_vec(&value) {
                Ok(value) => entries.push((key, Entry { value: value.into(), fresh_until, expires_at })),
                Err(error) => tracing::warn!(key, %error, "a value cannot be cached"),
            }
        }
        put(&self.levels, &entries, now).await;
    }
}

async fn put(levels: &[Level], entries: &[(String, Entry)], now: Timestamp) {
    if entries.is_empty() {
        return;
    }
    for level in levels {
        let limit = now + level.max_life;
        let limited = |(key, entry): &(String, Entry)| {
            let (fresh_until, expires_at) = (entry.fresh_until.min(limit), entry.expires_at.min(limit));
            (key.clone(), Entry { value: entry.value.clone(), fresh_until, expires_at })
        };
        let entries: Vec<_> = entries.iter().map(limited).collect();
        level.noted(level.tier.put_many(&entries).await);
    }
}

impl Level {
    /// The answer, if there is one; a change between failing and answering is logged.
    fn noted<T>(&self, answer: Result<T, CacheError>) -> Option<T> {
        let failing = answer.is_err();
        // A plain load first: this is on the path of every hit.
        if self.failing.load(Ordering::Relaxed) != failing && self.failing.swap(failing, Ordering::Relaxed) != failing {
            match &answer {
                Ok(_) => tracing::info!(tier = self.tier.name(), "the cache tier answers again"),
                Err(error) => tracing::warn!(tier = self.tier.name(), %error, "the cache goes on without a tier"),
            }
        }
        answer.ok()
    }
}

fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}

#[cfg(test)]
mod tests;
