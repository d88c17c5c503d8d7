//! A tier that all "processes" of a test share, with stamps and leases; it can be down, or hang, and counts its calls.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use tokio::time::Instant;

use super::{Cache, CacheError, CacheTier, Companion, Entry, MemoryTier, RefreshLeases, StampStore, TierOptions};
use crate::breaker::Breakers;
use crate::platform::BoxFuture;
use crate::platform::clock::{Clock, ManualClock};

#[derive(Default)]
pub(super) struct Remote {
    pub(super) entries: Mutex<HashMap<String, Entry>>,
    pub(super) stamps: Mutex<HashMap<String, u64>>,
    leases: Mutex<HashMap<String, (String, Instant)>>,
    pub(super) down: AtomicBool,
    pub(super) hangs: AtomicBool,
    pub(super) reads: AtomicUsize,
    pub(super) stamp_reads: AtomicUsize,
}

impl Remote {
    async fn reached(&self) -> Result<(), CacheError> {
        if self.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if self.down.load(Ordering::SeqCst) {
            return Err(CacheError::unanswered("remote", "down"));
        }
        Ok(())
    }
}

impl CacheTier for Remote {
    fn name(&self) -> &'static str {
        "remote"
    }

    fn get_many<'a>(&'a self, keys: &'a [String]) -> BoxFuture<'a, Result<Vec<Option<Entry>>, CacheError>> {
        Box::pin(async move {
            self.reads.fetch_add(1, Ordering::SeqCst);
            self.reached().await?;
            let entries = self.entries.lock().unwrap();
            Ok(keys.iter().map(|key| entries.get(key).cloned()).collect())
        })
    }

    fn put_many<'a>(&'a self, entries: &'a [(String, Entry)]) -> BoxFuture<'a, Result<(), CacheError>> {
        Box::pin(async move {
            self.reached().await?;
            self.entries.lock().unwrap().extend(entries.iter().cloned());
            Ok(())
        })
    }

    fn remove_many<'a>(&'a self, keys: &'a [String]) -> BoxFuture<'a, Result<(), CacheError>> {
        Box::pin(async move {
            self.reached().await?;
            self.entries.lock().unwrap().retain(|key, _| !keys.contains(key));
            Ok(())
        })
    }
}

impl StampStore for Remote {
    fn read<'a>(&'a self, names: &'a [String]) -> BoxFuture<'a, Result<Vec<Option<u64>>, CacheError>> {
        Box::pin(async move {
            self.stamp_reads.fetch_add(1, Ordering::SeqCst);
            self.reached().await?;
            let stamps = self.stamps.lock().unwrap();
            Ok(names.iter().map(|name| stamps.get(name).copied()).collect())
        })
    }

    fn ensure<'a>(&'a self, names: &'a [String], new: u64) -> BoxFuture<'a, Result<Vec<u64>, CacheError>> {
        Box::pin(async move {
            self.stamp_reads.fetch_add(1, Ordering::SeqCst);
            self.reached().await?;
            let mut stamps = self.stamps.lock().unwrap();
            Ok(names.iter().map(|name| *stamps.entry(name.clone()).or_insert(new)).collect())
        })
    }

    fn write<'a>(&'a self, names: &'a [String], stamp: u64) -> BoxFuture<'a, Result<(), CacheError>> {
        Box::pin(async move {
            self.reached().await?;
            self.stamps.lock().unwrap().extend(names.iter().map(|name| (name.clone(), stamp)));
            Ok(())
        })
    }
}

impl RefreshLeases for Remote {
    fn take<'a>(
        &'a self,
        keys: &'a [String],
        holder: &'a str,
        lease: Duration,
    ) -> BoxFuture<'a, Result<Vec<bool>, CacheError>> {
        Box::pin(async move {
            self.reached().await?;
            let (mut leases, now) = (self.leases.lock().unwrap(), Instant::now());
            let mut take = |key: &String| {
                let taken = leases.get(key).is_none_or(|(by, until)| by == holder || *until <= now);
                if taken {
                    leases.insert(key.clone(), (holder.to_owned(), now + lease));
                }
                taken
            };
            Ok(keys.iter().map(&mut take).collect())
        })
    }

    fn give_back<'a>(&'a self, keys: &'a [String], holder: &'a str) -> BoxFuture<'a, Result<(), CacheError>> {
        Box::pin(async move {
            self.reached().await?;
            self.leases.lock().unwrap().retain(|key, (by, _)| by != holder || !keys.contains(key));
            Ok(())
        })
    }
}

pub(super) fn clock() -> ManualClock {
    ManualClock::at(DateTime::UNIX_EPOCH + TimeDelta::days(20_000))
}

/// The cache of one process.
pub(super) fn process(remote: &Arc<Remote>, clock: &ManualClock) -> Cache {
    let clock: Arc<dyn Clock> = Arc::new(clock.clone());
    let breakers = Breakers::new(clock.clone());
    let options = TierOptions::redis();
    let beside = Companion::new(remote.clone(), remote.clone(), &options, &breakers);
    let memory = MemoryTier::new(1 << 20, clock.clone());
    Cache::new(memory, clock).before(remote.clone(), options, &breakers).beside(beside)
}
