//! Values that have a source: from the cache while they are fresh, else from the source, which is asked for a key once in
//! the whole fleet; and when the source is slow or down, the last good value.
//!
//! In this process, who misses something at the same time is gathered into one load. Among processes, a short lease decides
//! who asks; the others serve what they have, or wait for a while and then ask all the same. Nothing goes on when the last
//! request that wants a value is gone: refreshing early or late happens within a request's time.

use std::collections::{HashMap, HashSet};
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout};

use super::batcher::{Batcher, Window};
use super::memory::Held;
use super::meter::add;
use super::tiers::Look;
use super::{Cache, EntryOptions, Fetched, Loaded, ReadOptions, Source, codec};
use crate::platform::clock::{Timestamp, after};
use crate::platform::ids;

/// How often a process that waits for another looks.
const LOOKS: Duration = Duration::from_millis(25);
/// How much longer than its load a lease lasts,
const GRACE: Duration = Duration::from_secs(1);
/// and how long at most, whatever patience there is.
const LONGEST_LEASE: Duration = Duration::from_secs(600);

/// The values of one source.
pub struct ReadThrough<T, E> {
    inner: Arc<Inner<T, E>>,
    batcher: Batcher<String, Answer<T, E>>,
}

type Answer<T, E> = Result<Fetched<T>, E>;

struct Inner<T, E> {
    cache: Arc<Cache>,
    source: Arc<dyn Source<T, E>>,
    options: ReadOptions,
    /// This process, for leases.
    holder: String,
}

/// What the cache knows of a key.
struct Known<T> {
    held: Arc<Held>,
    value: Arc<Option<T>>,
}

impl<T, E> ReadThrough<T, E>
where
    T: Serialize + DeserializeOwned + Send + Sync + 'static,
    E: Clone + Send + Sync + 'static,
{
    /// Values of `source`, kept in `cache` as `options` say.
    pub fn new(cache: Arc<Cache>, source: Arc<dyn Source<T, E>>, options: ReadOptions) -> Self {
        let window = Window { quiet: options.gathering, longest: options.gathering.saturating_mul(32) };
        let inner = Arc::new(Inner { cache, source, options, holder: ids::new_id().to_string() });
        let loader = Arc::clone(&inner);
        let batcher = Batcher::new(window, move |keys| Arc::clone(&loader).load(keys));
        Self { inner, batcher }
    }

    /// What is known of each of `keys`, which name the shape of their values and begin with their family.
    pub async fn get(&self, keys: &[String]) -> HashMap<String, Answer<T, E>> {
        let now = self.inner.cache.clock.now();
        let look = Look { cold: self.inner.options.entry.cold, ..Look::fresh_after(now) };
        let known = self.inner.known(keys, &look).await;
        let Sorted { mut answers, missing, old, due } = self.sort(keys.iter().cloned().zip(known), now);
        let due = self.inner.lease(due).await;
        if missing.is_empty() && old.is_empty() && due.is_empty() {
            return answers;
        }
        let (loaded, refreshed) = tokio::join!(self.batcher.get(&missing), self.refresh(old, due, now));
        answers.extend(refreshed);
        answers.extend(loaded);
        answers
    }

    /// What can be answered at once, and what is to be done about the rest.
    fn sort(&self, known: impl Iterator<Item = (String, Option<Known<T>>)>, now: Timestamp) -> Sorted<T, E> {
        let options = &self.inner.options;
        let mut sorted = Sorted { answers: HashMap::new(), missing: vec![], old: vec![], due: vec![] };
        for (key, known) in known {
            let Some(known) = known.filter(|known| known.is_fresh(now) || known.value.is_some()) else {
                sorted.missing.push(key);
                continue;
            };
            let is_early = known.fresh_until() > after(now, options.refresh_ahead);
            let pauses = known.held.retry_at.is_some_and(|retry_at| retry_at > now);
            let may_do = after(known.fresh_until(), options.serve_stale) > now;
            // Somebody is patient with a slow source: nobody else has to be.
            let is_awaited = known.held.strikes > 0 && self.batcher.is_under_way(&key);
            if is_early || pauses || may_do || is_awaited {
                self.inner.note_stale(!known.is_fresh(now));
                sorted.answers.insert(key.clone(), Ok(known.fetched(now)));
                if may_do && !is_early && !pauses && !self.batcher.is_under_way(&key) {
                    sorted.due.push((key, known));
                }
            } else {
                sorted.old.push((key, known));
            }
        }
        sorted
    }

    /// Loads what is old, and what is due and leased to this process, and waits for that no longer than it is worth, with
    /// the old values at hand. One of those who wait for an old value is more patient each time that was too short, so that
    /// a slow source is not given up for ever; the others are given what there is.
    async fn refresh(
        &self,
        old: Vec<(String, Known<T>)>,
        due: Vec<(String, Known<T>)>,
        now: Timestamp,
    ) -> HashMap<String, Answer<T, E>> {
        let Inner { cache, options, holder, .. } = &*self.inner;
        let strikes = old.iter().map(|(_, known)| known.held.strikes).max().unwrap_or_default();
        let keys: Vec<_> = old.iter().chain(&due).map(|(key, _)| key.clone()).collect();
        let first: HashSet<_> = keys.iter().filter(|key| !self.batcher.is_under_way(key)).cloned().collect();
        let patience = options.soft_timeout.saturating_mul(2_u32.saturating_pow(strikes)).min(options.hard_timeout);
        let loaded = timeout(patience, self.batcher.get(&keys)).await;
        if loaded.is_err() {
            let until = after(cache.clock.now(), options.failure_pause);
            // What was waited for since before is another's to note; what is only due is no reason for more patience.
            let noted = old.iter().map(|it| (it, 1)).chain(due.iter().map(|it| (it, 0)));
            for ((key, known), more) in noted.filter(|((key, _), _)| first.contains(key)) {
                cache.note_failure(key, &known.held, until, known.held.strikes.saturating_add(more));
            }
            // The load ended with the last who waited for it.
            let idle: Vec<_> = keys.iter().filter(|key| !self.batcher.is_under_way(key)).cloned().collect();
            cache.give_back_leases(&idle, holder).await;
        }
        let mut answers = loaded.unwrap_or_default();
        // Whoever had a value keeps it where the source gave none.
        answers.retain(|_, answer| answer.is_ok());
        for (key, known) in old {
            answers.entry(key).or_insert_with(|| {
                self.inner.note_stale(true);
                Ok(known.fetched(now))
            });
        }
        answers
    }
}

/// What is to be done about each key.
struct Sorted<T, E> {
    answers: HashMap<String, Answer<T, E>>,
    /// There is no value.
    missing: Vec<String>,
    /// There is one that may be served if nothing better comes.
    old: Vec<(String, Known<T>)>,
    /// There is one that is served; somebody should see to the next.
    due: Vec<(String, Known<T>)>,
}

impl<T> Known<T> {
    fn fresh_until(&self) -> Timestamp {
        self.held.entry.fresh_until
    }

    fn is_fresh(&self, now: Timestamp) -> bool {
        self.fresh_until() > now
    }

    fn fetched(&self, now: Timestamp) -> Fetched<T> {
        Fetched { value: Arc::clone(&self.value), stale: !self.is_fresh(now) }
    }
}

impl<T, E> Inner<T, E>
where
    T: Serialize + DeserializeOwned + Send + Sync + 'static,
    E: Clone + Send + Sync + 'static,
{
    fn lease_time(&self) -> Duration {
        self.options.hard_timeout.saturating_add(GRACE).min(LONGEST_LEASE)
    }

    /// Of what is due, that which nobody else sees to.
    async fn lease(&self, due: Vec<(String, Known<T>)>) -> Vec<(String, Known<T>)> {
        let keys: Vec<_> = due.iter().map(|(key, _)| key.clone()).collect();
        let taken = self.cache.take_leases(&keys, &self.holder, self.lease_time()).await;
        due.into_iter().zip(taken).filter_map(|(due, taken)| taken.then_some(due)).collect()
    }

    /// Loads what requests of this process miss, all at once.
    async fn load(self: Arc<Self>, keys: Vec<String>) -> HashMap<String, Answer<T, E>> {
        let taken = self.cache.take_leases(&keys, &self.holder, self.lease_time()).await;
        let (mut ours, mut theirs) = (vec![], vec![]);
        for (key, taken) in keys.into_iter().zip(taken) {
            if taken { ours.push(key) } else { theirs.push(key) }
        }
        let (mut loaded, waited) = tokio::join!(self.look_and_ask(ours), self.wait_for(theirs));
        loaded.extend(waited);
        loaded
    }

    /// Looks once more, now that the leases of `keys` are ours: another process, or a batch before this one, may have been
    /// faster. Then asks for what is still not there.
    async fn look_and_ask(&self, keys: Vec<String>) -> HashMap<String, Answer<T, E>> {
        let now = self.cache.clock.now();
        let early = after(now, self.options.refresh_ahead);
        let known = self.known(&keys, &Look { newest: true, counted: false, ..Look::fresh_after(early) }).await;
        let (mut answers, mut old, mut idle, mut wanted) = (HashMap::new(), HashMap::new(), vec![], vec![]);
        for (key, known) in keys.into_iter().zip(known) {
            match known {
                Some(known) if known.fresh_until() > early => {
                    answers.insert(key.clone(), Ok(known.fetched(now)));
                    idle.push(key);
                }
                known => {
                    old.extend(known.map(|known| (key.clone(), known)));
                    wanted.push(key);
                }
            }
        }
        self.cache.give_back_leases(&idle, &self.holder).await;
        answers.extend(self.ask(&wanted, &old).await);
        answers
    }

    /// Asks the source for `keys`, whose leases are held here, and gives these back.
    async fn ask(&self, keys: &[String], old: &HashMap<String, Known<T>>) -> HashMap<String, Answer<T, E>> {
        if keys.is_empty() {
            return HashMap::new();
        }
        let (cache, options) = (&self.cache, &self.options);
        add(&cache.meter.refreshes, keys.len() as u64);
        let marks = cache.marks(keys.iter().map(String::as_str), &options.entry.tags).await;
        let loaded = timeout(options.hard_timeout, self.source.load(keys)).await;
        let mut loaded = loaded.map_err(|_| self.source.timed_out());
        let (mut answers, mut found, mut absent, mut failed) = (HashMap::new(), vec![], vec![], vec![]);
        for key in keys {
            let said = match &mut loaded {
                Ok(loaded) => loaded.remove(key).unwrap_or(Loaded::Absent),
                Err(error) => Loaded::Failed(error.clone()),
            };
            match said {
                Loaded::Value(value) => found.push((key.clone(), Arc::new(Some(value)))),
                Loaded::Absent => absent.push((key.clone(), Arc::new(None))),
                Loaded::Failed(error) => failed.push((key.clone(), error)),
            }
        }
        if let Some(marks) = &marks {
            let none = EntryOptions { fresh: options.absent, retained: options.absent, ..options.entry.clone() };
            cache.put_made(found.iter().map(|(key, value)| (key.clone(), value.as_ref())), &options.entry, marks).await;
            cache.put_made(absent.iter().map(|(key, value)| (key.clone(), value.as_ref())), &none, marks).await;
        }
        cache.give_back_leases(keys, &self.holder).await;
        answers.extend(found.into_iter().chain(absent).map(|(key, value)| (key, Ok(Fetched { value, stale: false }))));
        answers.extend(self.fall_back(failed, old).await);
        answers
    }

    /// The last good values of what the source failed to give.
    async fn fall_back(
        &self,
        failed: Vec<(String, E)>,
        old: &HashMap<String, Known<T>>,
    ) -> HashMap<String, Answer<T, E>> {
        let mut answers = HashMap::with_capacity(failed.len());
        let mut lost = vec![];
        add(&self.cache.meter.failures, failed.len() as u64);
        let now = self.cache.clock.now();
        for (key, error) in failed {
            match old.get(&key) {
                // That there was none is no value to serve in place of one.
                Some(known) if known.value.is_some() => {
                    let until = after(now, self.options.failure_pause);
                    self.cache.note_failure(&key, &known.held, until, known.held.strikes);
                    self.note_stale(!known.is_fresh(now));
                    answers.insert(key, Ok(known.fetched(now)));
                }
                _ => lost.push((key, error)),
            }
        }
        if lost.is_empty() {
            return answers;
        }
        let keys: Vec<_> = lost.iter().map(|(key, _)| key.clone()).collect();
        let mut last_good = self.source.last_good(&keys).await;
        for (key, error) in lost {
            let value = last_good.remove(&key);
            self.note_stale(value.is_some());
            let answer = value.map(|value| Fetched { value: Arc::new(Some(value)), stale: true }).ok_or(error);
            answers.insert(key, answer);
        }
        answers
    }

    /// Waits for what other processes load. What does not come in time is served as it was, or asked for here.
    async fn wait_for(&self, mut keys: Vec<String>) -> HashMap<String, Answer<T, E>> {
        let mut answers = HashMap::with_capacity(keys.len());
        let mut asked = FuturesUnordered::new();
        add(&self.cache.meter.waits, keys.len() as u64);
        let started = Instant::now();
        while !keys.is_empty() {
            let is_over = started.elapsed() >= self.options.wait;
            if !is_over {
                // What is asked for here goes on meanwhile.
                let _ = timeout(LOOKS, async {
                    while let Some(more) = asked.next().await {
                        answers.extend(more);
                    }
                    pending::<()>().await;
                })
                .await;
            }
            let (found, ours) = self.look_for(&mut keys, is_over).await;
            answers.extend(found);
            // The other one failed, or died, or takes too long.
            if !ours.is_empty() {
                asked.push(self.look_and_ask(ours));
            }
        }
        while let Some(more) = asked.next().await {
            answers.extend(more);
        }
        answers
    }

    /// Takes out of `keys` what is there by now, and what is to be asked for here.
    async fn look_for(&self, keys: &mut Vec<String>, is_over: bool) -> (HashMap<String, Answer<T, E>>, Vec<String>) {
        let now = self.cache.clock.now();
        let known = self.known(keys, &Look { counted: false, ..Look::fresh_after(now) }).await;
        let (mut answers, mut still, mut ours) = (HashMap::new(), vec![], vec![]);
        for (key, known) in std::mem::take(keys).into_iter().zip(known) {
            match known.filter(|known| known.is_fresh(now) || (is_over && known.value.is_some())) {
                Some(known) => {
                    if !known.is_fresh(now) {
                        let until = after(now, self.options.failure_pause);
                        self.cache.note_failure(&key, &known.held, until, known.held.strikes);
                    }
                    answers.insert(key, Ok(known.fetched(now)));
                }
                None => still.push(key),
            }
        }
        let taken = self.cache.take_leases(&still, &self.holder, self.lease_time()).await;
        for (key, taken) in still.into_iter().zip(taken) {
            if taken || is_over { ours.push(key) } else { keys.push(key) }
        }
        (answers, ours)
    }

    async fn known(&self, keys: &[String], look: &Look) -> Vec<Option<Known<T>>> {
        let held = self.cache.look_up(keys, look).await;
        let known = |held: Arc<Held>| Some(Known { value: held.value(codec::decode)?, held });
        held.into_iter().map(|held| known(held?)).collect()
    }

    fn note_stale(&self, stale: bool) {
        add(&self.cache.meter.stale_served, u64::from(stale));
    }
}

#[cfg(test)]
mod tests;
