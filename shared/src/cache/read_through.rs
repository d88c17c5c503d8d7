//! Values that have a source: from the cache while they are fresh, else from the source, which is asked for a key once in
//! the whole fleet; and when the source is slow or down, the last good value.
//!
//! In this process, who misses something at the same time is gathered into one load. Among processes, a short lease decides
//! who asks; the others serve what they have, or wait for a while and then ask all the same. Nothing goes on when the last
//! request that wants a value is gone: refreshing early or late happens within a request's time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep, timeout};

use super::batcher::{Batcher, Window};
use super::memory::Held;
use super::meter::add;
use super::{Cache, EntryOptions, codec};
use crate::platform::BoxFuture;
use crate::platform::clock::{Timestamp, delta};
use crate::platform::ids;

/// How often a process that waits for another looks.
const LOOKS: Duration = Duration::from_millis(25);
/// How much longer than its load a lease lasts.
const GRACE: Duration = Duration::from_secs(1);

/// Where values come from.
pub trait Source<T, E>: Send + Sync + 'static {
    /// The values of `keys`. What is not in the answer counts as absent.
    fn load<'a>(&'a self, keys: &'a [String]) -> BoxFuture<'a, HashMap<String, Loaded<T, E>>>;

    /// For keys that the source failed to give and of which the cache has nothing: values from elsewhere that were good
    /// once, if there are any. They are served as stale, and not kept.
    fn last_good<'a>(&'a self, keys: &'a [String]) -> BoxFuture<'a, HashMap<String, T>> {
        let _ = keys;
        Box::pin(async { HashMap::new() })
    }

    /// The error for a load that took longer than it may.
    fn timed_out(&self) -> E;
}

/// What a source says of a key.
#[derive(Debug, Clone)]
pub enum Loaded<T, E> {
    /// This is its value.
    Value(T),
    /// There is none, and that is known.
    Absent,
    /// It cannot say.
    Failed(E),
}

/// A value, or that there is none.
#[derive(Debug)]
pub struct Fetched<T> {
    value: Arc<Option<T>>,
    /// Whether it is the last good one rather than a fresh one.
    pub stale: bool,
}

impl<T> Fetched<T> {
    /// The value; `None` where there is none.
    pub fn value(&self) -> Option<&T> {
        self.value.as_ref().as_ref()
    }
}

impl<T> Clone for Fetched<T> {
    fn clone(&self) -> Self {
        Self { value: Arc::clone(&self.value), stale: self.stale }
    }
}

/// How values with a source are kept and fetched.
#[derive(Debug, Clone)]
pub struct ReadOptions {
    /// How a value is kept; `retained` is how long it may be served as the last good one.
    pub entry: EntryOptions,
    /// How long it is believed that there is none.
    pub absent: Duration,
    /// In so much of the end of its freshness a value is refreshed, by one request, while all others are given it.
    pub refresh_ahead: Duration,
    /// For so long after its freshness the same is so: stale while revalidating.
    pub serve_stale: Duration,
    /// The longest that a request waits for the source where it has a value, if a stale one,
    pub soft_timeout: Duration,
    /// and where it has none.
    pub hard_timeout: Duration,
    /// How long the source is not asked again for a value that it failed to give, while there is a last good one.
    pub failure_pause: Duration,
    /// The longest that a process waits for another that asks.
    pub wait: Duration,
    /// How long those who want something are gathered.
    pub gathering: Duration,
}

impl ReadOptions {
    /// Refreshed only when no longer fresh; absence believed for as long as a value; half a second and ten; a pause of a
    /// second; as long a wait for others as for the source; nobody is gathered longer than it takes to ask whoever is there.
    pub fn new(entry: EntryOptions) -> Self {
        Self {
            absent: entry.fresh,
            entry,
            refresh_ahead: Duration::ZERO,
            serve_stale: Duration::ZERO,
            soft_timeout: Duration::from_millis(500),
            hard_timeout: Duration::from_secs(10),
            failure_pause: Duration::from_secs(1),
            wait: Duration::from_secs(10),
            gathering: Duration::ZERO,
        }
    }
}

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
        let Inner { cache, options, holder, .. } = &*self.inner;
        let now = cache.clock.now();
        let mut answers = HashMap::with_capacity(keys.len());
        let (mut needed, mut due) = (vec![], vec![]);
        for (key, known) in keys.iter().zip(self.inner.known(keys, now).await) {
            match known {
                None => needed.push(key.clone()),
                Some(known) if known.fresh_until() > now + delta(options.refresh_ahead) => {
                    answers.insert(key.clone(), Ok(known.fetched(now)));
                }
                Some(known) => {
                    let pauses = known.held.retry_at.is_some_and(|retry_at| retry_at > now);
                    let may_do = known.fresh_until() + delta(options.serve_stale) > now;
                    if !pauses && may_do && !self.batcher.is_under_way(key) {
                        due.push(key.clone());
                    }
                    if pauses || may_do {
                        self.inner.note_stale(known.fresh_until() <= now);
                        answers.insert(key.clone(), Ok(known.fetched(now)));
                    } else {
                        needed.push(key.clone());
                    }
                }
            }
        }
        let lease = options.hard_timeout + GRACE;
        let taken = cache.take_leases(&due, holder, lease).await;
        let due: Vec<_> = due.into_iter().zip(taken).filter_map(|(key, taken)| taken.then_some(key)).collect();
        if needed.is_empty() && due.is_empty() {
            return answers;
        }
        let refreshed = async {
            let refreshed = timeout(options.soft_timeout, self.batcher.get(&due)).await;
            if refreshed.is_err() {
                cache.give_back_leases(&due, holder).await;
            }
            refreshed.unwrap_or_default()
        };
        let (loaded, refreshed) = tokio::join!(self.batcher.get(&needed), refreshed);
        // Whoever had a value keeps it where the source gave none.
        answers.extend(refreshed.into_iter().filter(|(_, answer)| answer.is_ok()));
        answers.extend(loaded);
        answers
    }
}

impl<T> Known<T> {
    fn fresh_until(&self) -> Timestamp {
        self.held.entry.fresh_until
    }

    fn fetched(&self, now: Timestamp) -> Fetched<T> {
        Fetched { value: Arc::clone(&self.value), stale: self.fresh_until() <= now }
    }
}

impl<T, E> Inner<T, E>
where
    T: Serialize + DeserializeOwned + Send + Sync + 'static,
    E: Clone + Send + Sync + 'static,
{
    /// Loads what requests of this process miss, all at once.
    async fn load(self: Arc<Self>, keys: Vec<String>) -> HashMap<String, Answer<T, E>> {
        let taken = self.cache.take_leases(&keys, &self.holder, self.options.hard_timeout + GRACE).await;
        // A look again, now that the leases are ours: another process, or a batch before this one, may have been faster.
        let (mut answers, mut old) = (HashMap::with_capacity(keys.len()), HashMap::new());
        let (mut ours, mut theirs, mut idle) = (vec![], vec![], vec![]);
        let now = self.cache.clock.now();
        let ahead = now + delta(self.options.refresh_ahead);
        for ((key, known), taken) in keys.iter().zip(self.known(&keys, ahead).await).zip(taken) {
            match known {
                Some(known) if known.fresh_until() > ahead => {
                    answers.insert(key.clone(), Ok(known.fetched(now)));
                    if taken {
                        idle.push(key.clone());
                    }
                    continue;
                }
                Some(known) => _ = old.insert(key.clone(), known),
                None => {}
            }
            if taken { ours.push(key.clone()) } else { theirs.push(key.clone()) }
        }
        self.cache.give_back_leases(&idle, &self.holder).await;
        let (asked, waited) = tokio::join!(self.ask(&ours, &old), self.wait_for(theirs, &old));
        answers.extend(asked);
        answers.extend(waited);
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
        let patience =
            if keys.iter().all(|key| old.contains_key(key)) { options.soft_timeout } else { options.hard_timeout };
        let mut loaded = timeout(patience, self.source.load(keys)).await.map_err(|_| self.source.timed_out());
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
                    self.cache.note_failure(&key, &known.held, now + delta(self.options.failure_pause));
                    self.note_stale(true);
                    answers.insert(key, Ok(Fetched { value: Arc::clone(&known.value), stale: true }));
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

    /// Waits for what other processes load; what does not come in time is served as it was, or asked for here.
    async fn wait_for(&self, mut keys: Vec<String>, old: &HashMap<String, Known<T>>) -> HashMap<String, Answer<T, E>> {
        let mut answers = HashMap::with_capacity(keys.len());
        let mut ours = vec![];
        add(&self.cache.meter.waits, keys.len() as u64);
        let until = Instant::now() + self.options.wait;
        while !keys.is_empty() {
            if Instant::now() >= until {
                ours.append(&mut keys);
                break;
            }
            sleep(LOOKS).await;
            let now = self.cache.clock.now();
            let found = self.known(&keys, now + delta(self.options.refresh_ahead)).await;
            let mut still = vec![];
            for (key, known) in std::mem::take(&mut keys).into_iter().zip(found) {
                match known.filter(|known| known.fresh_until() > now) {
                    Some(known) => _ = answers.insert(key, Ok(known.fetched(now))),
                    None => still.push(key),
                }
            }
            let taken = self.cache.take_leases(&still, &self.holder, self.options.hard_timeout + GRACE).await;
            for (key, taken) in still.into_iter().zip(taken) {
                if taken { ours.push(key) } else { keys.push(key) }
            }
        }
        // The other one failed, or died, or took too long.
        let missing = self.look_once_more(ours, &mut answers).await;
        answers.extend(self.ask(&missing, old).await);
        answers
    }

    /// Whoever had the lease before may have put the value just before giving it back.
    async fn look_once_more(&self, keys: Vec<String>, answers: &mut HashMap<String, Answer<T, E>>) -> Vec<String> {
        let now = self.cache.clock.now();
        let (mut missing, mut idle) = (vec![], vec![]);
        let found = self.known(&keys, now).await;
        for (key, known) in keys.into_iter().zip(found) {
            match known.filter(|known| known.fresh_until() > now) {
                Some(known) => {
                    answers.insert(key.clone(), Ok(known.fetched(now)));
                    idle.push(key);
                }
                None => missing.push(key),
            }
        }
        self.cache.give_back_leases(&idle, &self.holder).await;
        missing
    }

    async fn known(&self, keys: &[String], fresh_after: Timestamp) -> Vec<Option<Known<T>>> {
        let held = self.cache.look_up(keys, fresh_after).await;
        let known = |held: Arc<Held>| Some(Known { value: held.value(codec::decode)?, held });
        held.into_iter().map(|held| known(held?)).collect()
    }

    fn note_stale(&self, stale: bool) {
        add(&self.cache.meter.stale_served, u64::from(stale));
    }
}

#[cfg(test)]
mod tests;
