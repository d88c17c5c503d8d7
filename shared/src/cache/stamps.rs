//! How one process learns what another invalidated, without a message that a frozen process would miss: by version stamps.
//!
//! A name (a tag, or a family of keys) has a stamp, a random number. Who invalidates gives it another one. What is cached
//! carries the stamps of its names as they were *before* it was made or read, and holds only as long as they are the same.
//! A stamp is read again when it is a second old, by a request that needs it, together with the others that it needs.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::{CacheError, Companion};
use crate::platform::BoxFuture;
use crate::platform::ids;

/// How old a stamp may be, in microseconds.
const INTERVAL: i64 = 1_000_000;
/// Families that are remembered though nothing depends on them at the moment.
const FAMILIES: usize = 64;

/// Where all processes find the stamps.
pub trait StampStore: Send + Sync {
    /// The stamps of `names`, in their order, as far as there are some. They may be a moment behind.
    fn read<'a>(&'a self, names: &'a [String]) -> BoxFuture<'a, Result<Vec<Option<u64>>, CacheError>>;

    /// The same, and none is behind.
    fn read_newest<'a>(&'a self, names: &'a [String]) -> BoxFuture<'a, Result<Vec<Option<u64>>, CacheError>> {
        self.read(names)
    }

    /// The same; where there is none, it is `new` from now on.
    fn ensure<'a>(&'a self, names: &'a [String], new: u64) -> BoxFuture<'a, Result<Vec<u64>, CacheError>>;

    /// Gives all `names` the stamp `stamp`.
    fn write<'a>(&'a self, names: &'a [String], stamp: u64) -> BoxFuture<'a, Result<(), CacheError>>;
}

/// A name, and its stamp as it is known here.
#[derive(Debug)]
struct Mark {
    name: String,
    stamp: AtomicU64,
    read_at: AtomicI64,
}

impl Mark {
    /// A clock that was set back makes it due.
    fn is_due(&self, now: i64) -> bool {
        !(0..INTERVAL).contains(&now.saturating_sub(self.read_at.load(Ordering::Relaxed)))
    }
}

/// Names with their stamps at some time.
#[derive(Debug, Clone, Default)]
pub struct Marks(Vec<(Arc<Mark>, u64)>);

impl Marks {
    /// Whether none of the names was invalidated since, as far as is known.
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

    /// Those of some of the names.
    pub(super) fn of<'a>(&self, names: impl Iterator<Item = &'a str>) -> Self {
        Self(names.filter_map(|name| self.0.iter().find(|(mark, _)| mark.name == name).cloned()).collect())
    }

    /// Names and stamps but for `without`, as an entry carries them.
    pub(super) fn tags(&self, without: &str) -> Vec<(String, u64)> {
        let tags = self.0.iter().filter(|(mark, _)| mark.name != without);
        tags.map(|(mark, stamp)| (mark.name.clone(), *stamp)).collect()
    }

    /// About how many bytes they are.
    pub(super) fn weight(&self) -> usize {
        self.0.len() * 64
    }
}

/// The stamps that this process knows.
pub(super) struct Stamps {
    store: Option<Companion>,
    known: Mutex<Known>,
    /// Until when replicas may not have all that came before a stamp that is known here.
    settling_until: AtomicI64,
}

#[derive(Default)]
struct Known {
    /// Only those that something cached depends on are kept.
    marks: HashMap<String, Weak<Mark>>,
    /// Few, and needed by every put: kept.
    families: HashMap<String, Arc<Mark>>,
    /// How often this process invalidated something.
    renewals: u64,
    /// When so many are known, those that nothing depends on are forgotten.
    prune_at: usize,
}

impl Known {
    fn get(&self, name: &str) -> Option<Arc<Mark>> {
        self.marks.get(name)?.upgrade()
    }

    fn add(&mut self, name: String, stamp: u64, now: i64) -> Arc<Mark> {
        if self.marks.len() >= self.prune_at.max(64) {
            self.marks.retain(|_, mark| mark.strong_count() > 0);
            self.prune_at = 2 * self.marks.len();
        }
        let mark = Arc::new(Mark { name: name.clone(), stamp: AtomicU64::new(stamp), read_at: AtomicI64::new(now) });
        if name.starts_with(super::tiers::FAMILY) && self.families.len() < FAMILIES {
            self.families.insert(name.clone(), Arc::clone(&mark));
        }
        self.marks.insert(name, Arc::downgrade(&mark));
        mark
    }

    /// What depends on the name as it was never holds again, whatever is read later.
    fn retire(&mut self, name: &str) {
        self.families.remove(name);
        if let Some(mark) = self.marks.remove(name).and_then(|mark| mark.upgrade()) {
            mark.stamp.store(random(), Ordering::Relaxed);
        }
    }

    fn is_current(&self, mark: &Arc<Mark>) -> bool {
        self.get(&mark.name).is_some_and(|current| Arc::ptr_eq(&current, mark))
    }

    /// Those of `names` that are known, with their stamps.
    fn marks(&self, names: &[String]) -> Marks {
        let with_stamp = |mark: Arc<Mark>| {
            let stamp = mark.stamp.load(Ordering::Relaxed);
            (mark, stamp)
        };
        Marks(names.iter().filter_map(|name| self.get(name).map(with_stamp)).collect())
    }
}

impl Stamps {
    pub(super) fn new(store: Option<Companion>) -> Self {
        Self { store, known: Mutex::default(), settling_until: AtomicI64::new(i64::MIN) }
    }

    /// Whether something that `marks` depend on is so old that it has to be read again.
    pub(super) fn are_due(&self, marks: &Marks, now: i64) -> bool {
        self.store.is_some() && marks.0.iter().any(|(mark, _)| mark.is_due(now))
    }

    /// Reads again what is old of that which `marks` depend on. Of several callers one does; the others go on. Where that
    /// fails, what is known stands for another second.
    pub(super) async fn refresh(&self, marks: impl Iterator<Item = &Marks>, now: i64) {
        let mut due: Vec<Arc<Mark>> = vec![];
        for (mark, _) in marks.flat_map(|marks| &marks.0) {
            if mark.is_due(now) && mark.read_at.swap(now, Ordering::Relaxed) != now {
                due.push(Arc::clone(mark));
            }
        }
        if let Some(store) = self.store.as_ref().filter(|_| !due.is_empty()) {
            // They stand.
            let _ = self.read(store, &due).await;
        }
    }

    async fn read(&self, store: &Companion, due: &[Arc<Mark>]) -> Result<(), CacheError> {
        let names: Vec<_> = due.iter().map(|mark| mark.name.clone()).collect();
        let stamps = match store.ask_reader(store.stamps.read(&names)).await {
            Ok(stamps) => stamps,
            Err(_) => store.ask(store.stamps.read_newest(&names)).await?,
        };
        let mut known = self.lock();
        for (mark, stamp) in due.iter().zip(stamps) {
            // What was invalidated here meanwhile is newer than what was read.
            if !known.is_current(mark) {
                continue;
            }
            match stamp {
                Some(stamp) => mark.stamp.store(stamp, Ordering::Relaxed),
                // It was lost, and with it what became of the name.
                None => known.retire(&mark.name),
            }
        }
        Ok(())
    }

    /// The stamps of `names` now. Those that are not known, or old, are read.
    ///
    /// # Errors
    /// [`CacheError`] where that fails, or where something was invalidated meanwhile, twice.
    pub(super) async fn of(&self, names: &[String], now: i64) -> Result<Marks, CacheError> {
        let renewals = self.lock().renewals;
        if let Some(marks) = self.ask(names, now, renewals).await? {
            return Ok(marks);
        }
        let renewals = self.lock().renewals;
        let changed = || CacheError::unanswered("stamps", "something is invalidated again and again");
        self.ask(names, now, renewals).await?.ok_or_else(changed)
    }

    /// What is known of the stamps of `names`, however old that is.
    pub(super) fn known(&self, names: &[String]) -> Marks {
        self.lock().marks(names)
    }

    /// `None`: something was invalidated meanwhile.
    async fn ask(&self, names: &[String], now: i64, renewals: u64) -> Result<Option<Marks>, CacheError> {
        if let Some(store) = &self.store {
            let due: Vec<_> = {
                let known = self.lock();
                names.iter().filter_map(|name| known.get(name)).filter(|mark| mark.is_due(now)).collect()
            };
            if !due.is_empty() {
                self.read(store, &due).await?;
                for mark in &due {
                    mark.read_at.store(now, Ordering::Relaxed);
                }
            }
        }
        let unknown: Vec<_> = {
            let known = self.lock();
            names.iter().filter(|name| known.get(name).is_none()).cloned().collect()
        };
        let stamps = match &self.store {
            Some(store) if !unknown.is_empty() => {
                let stamps = store.ask(store.stamps.ensure(&unknown, random())).await?;
                self.settle(now);
                stamps
            }
            _ => vec![0; unknown.len()],
        };
        let mut known = self.lock();
        if known.renewals != renewals {
            return Ok(None);
        }
        // Held until they are told, so that none is forgotten before.
        let mut added = vec![];
        for (name, stamp) in unknown.into_iter().zip(stamps) {
            // Another may have been faster.
            if known.get(&name).is_none() {
                added.push(known.add(name, stamp, now));
            }
        }
        let marks = known.marks(names);
        Ok((marks.0.len() == names.len()).then_some(marks))
    }

    /// Gives `names` another stamp: here at once, elsewhere within a second.
    ///
    /// # Errors
    /// [`CacheError`]: the others were not told.
    pub(super) async fn renew(&self, names: &[String], now: i64) -> Result<(), CacheError> {
        let stamp = random();
        // Held until the others know: meanwhile this is what holds here.
        let renewed: Vec<_> = {
            let mut known = self.lock();
            known.renewals += 1;
            names
                .iter()
                .map(|name| {
                    known.retire(name);
                    known.add(name.clone(), stamp, now)
                })
                .collect()
        };
        self.settle(now);
        // Even where the breaker is open: this is no question that can do without an answer.
        let told = match &self.store {
            Some(store) => store.stamps.write(names, stamp).await,
            None => Ok(()),
        };
        if told.is_err() {
            let mut known = self.lock();
            for mark in renewed.iter().filter(|mark| known.is_current(mark)).collect::<Vec<_>>() {
                known.retire(&mark.name);
            }
        }
        told
    }

    /// Whether a replica may have something that was taken away before a stamp that is known here.
    pub(super) fn are_settling(&self, now: i64) -> bool {
        now < self.settling_until.load(Ordering::Relaxed)
    }

    fn settle(&self, now: i64) {
        self.settling_until.store(now.saturating_add(INTERVAL), Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // Each change is complete before anything can panic.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stamp that nothing has yet.
fn random() -> u64 {
    (u64::from(ids::random()) << 32) | u64::from(ids::random()).max(1)
}
