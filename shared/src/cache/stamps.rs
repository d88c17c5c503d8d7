//! How one process learns what another invalidated, without a message that a frozen process would miss: by version stamps.
//!
//! A name (a tag, or a family of keys) has a stamp. Who invalidates gives it another one. What is cached carries the stamps
//! of its names as they were *before* it was made or read, and holds only as long as they are the same. Stamps are read
//! again when they are a second old, by a request that needs them, all of them in one call.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::{CacheError, Companion};
use crate::platform::BoxFuture;
use crate::platform::ids;

/// How old a stamp may be, in microseconds.
const INTERVAL: i64 = 1_000_000;

/// Where all processes find the stamps.
pub trait StampStore: Send + Sync {
    /// The stamps of `names`, in their order; nothing where there never was one.
    fn read<'a>(&'a self, names: &'a [String]) -> BoxFuture<'a, Result<Vec<u64>, CacheError>>;

    /// Gives all `names` the stamp `stamp`.
    fn write<'a>(&'a self, names: &'a [String], stamp: u64) -> BoxFuture<'a, Result<(), CacheError>>;
}

/// A name, and its stamp as it is known here.
#[derive(Debug)]
struct Mark {
    name: String,
    stamp: AtomicU64,
}

/// Names with their stamps at some time.
#[derive(Debug, Clone, Default)]
pub struct Marks(Vec<(Arc<Mark>, u64)>);

impl Marks {
    /// Whether none of the names was invalidated since.
    pub(super) fn hold(&self) -> bool {
        self.0.iter().all(|(mark, stamp)| mark.stamp.load(Ordering::Relaxed) == *stamp)
    }

    /// Whether these are the stamps that an entry carries.
    pub(super) fn are(&self, tags: &[(String, u64)]) -> bool {
        tags.iter().all(|tag| self.0.iter().any(|(mark, stamp)| (&mark.name, stamp) == (&tag.0, &tag.1)))
    }

    /// These and others.
    pub(super) fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// Names and stamps but for `without`, as an entry carries them.
    pub(super) fn tags(&self, without: &str) -> Vec<(String, u64)> {
        let tags = self.0.iter().filter(|(mark, _)| mark.name != without);
        tags.map(|(mark, stamp)| (mark.name.clone(), *stamp)).collect()
    }
}

#[derive(Default)]
struct Known {
    /// Only those that something cached depends on are kept.
    marks: HashMap<String, Weak<Mark>>,
    /// How often this process invalidated something.
    renewals: u64,
}

/// The stamps that this process knows.
pub(super) struct Stamps {
    store: Option<Companion>,
    known: Mutex<Known>,
    read_at: AtomicI64,
}

impl Stamps {
    pub(super) fn new(store: Option<Companion>) -> Self {
        Self { store, known: Mutex::default(), read_at: AtomicI64::new(i64::MIN) }
    }

    /// Reads all stamps again where they are old; one caller does, the others go on.
    pub(super) async fn refresh(&self, now_micros: i64) {
        if self.store.is_some() && self.are_due(now_micros) {
            self.read_again().await;
        }
    }

    fn are_due(&self, now_micros: i64) -> bool {
        let read_at = self.read_at.load(Ordering::Relaxed);
        // A clock that was set back makes them due.
        let age = now_micros.saturating_sub(read_at);
        !(0..INTERVAL).contains(&age)
            && self.read_at.compare_exchange(read_at, now_micros, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Where that fails, those that are known stand.
    async fn read_again(&self) {
        let Some(store) = &self.store else { return };
        let (known, renewals): (Vec<_>, _) = {
            let mut known = self.lock();
            known.marks.retain(|_, mark| mark.strong_count() > 0);
            (known.marks.values().filter_map(Weak::upgrade).collect(), known.renewals)
        };
        if known.is_empty() {
            return;
        }
        let names: Vec<_> = known.iter().map(|mark| mark.name.clone()).collect();
        match store.ask(store.stamps.read(&names)).await {
            Ok(stamps) => {
                // What was invalidated here meanwhile is newer than what was read.
                if self.lock().renewals == renewals {
                    for (mark, stamp) in known.iter().zip(stamps) {
                        mark.stamp.store(stamp, Ordering::Relaxed);
                    }
                }
            }
            Err(error) => tracing::debug!(%error, "the stamps of the cache cannot be read"),
        }
    }

    /// The stamps of `names` now. Those that are not known yet are read.
    ///
    /// # Errors
    /// [`CacheError`] where that fails.
    pub(super) async fn of(&self, names: impl Iterator<Item = &str>) -> Result<Marks, CacheError> {
        let (mut marks, mut unknown) = (vec![], vec![]);
        {
            let known = self.lock();
            for name in names {
                match known.marks.get(name).and_then(Weak::upgrade) {
                    Some(mark) => marks.push(mark),
                    None => unknown.push(name.to_owned()),
                }
            }
        }
        if !unknown.is_empty() {
            let stamps = match &self.store {
                Some(store) => store.ask(store.stamps.read(&unknown)).await?,
                None => vec![0; unknown.len()],
            };
            let mut known = self.lock();
            for (name, stamp) in unknown.into_iter().zip(stamps) {
                // Another may have been faster.
                let mark = known.marks.get(&name).and_then(Weak::upgrade).unwrap_or_else(|| {
                    let mark = Arc::new(Mark { name: name.clone(), stamp: AtomicU64::new(stamp) });
                    known.marks.insert(name, Arc::downgrade(&mark));
                    mark
                });
                marks.push(mark);
            }
        }
        let with_stamp = |mark: Arc<Mark>| {
            let stamp = mark.stamp.load(Ordering::Relaxed);
            (mark, stamp)
        };
        Ok(Marks(marks.into_iter().map(with_stamp).collect()))
    }

    /// Gives `names` another stamp: here at once, elsewhere within a second.
    ///
    /// # Errors
    /// [`CacheError`]: the others were not told.
    pub(super) async fn renew(&self, names: &[String]) -> Result<(), CacheError> {
        let stamp = (u64::from(ids::random()) << 32) | u64::from(ids::random()).max(1);
        {
            let mut known = self.lock();
            known.renewals += 1;
            for mark in names.iter().filter_map(|name| known.marks.get(name).and_then(Weak::upgrade)) {
                mark.stamp.store(stamp, Ordering::Relaxed);
            }
        }
        match &self.store {
            Some(store) => store.ask(store.stamps.write(names, stamp)).await,
            None => Ok(()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // Each change is complete before anything can panic.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
