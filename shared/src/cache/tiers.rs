//! The cache as services see it: the tier in this process and those behind it, as one.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::far::{Companion, Far, TierOptions, limited, put_far};
use super::memory::Held;
use super::meter::{Meter, TierMeter, add};
use super::stamps::Stamps;
use super::{CacheError, CacheTier, Entry, Marks, MemoryTier, codec};
use crate::breaker::Breakers;
use crate::platform::clock::{Clock, Timestamp, after};
use crate::platform::ids;
use crate::platform::metrics::{Measured, Sample};

/// The longest that the tier in this process keeps an entry where there are others: they may have a newer one.
const MEMORY_LIFE: Duration = Duration::from_secs(60);

/// Before the name of a family.
pub(super) const FAMILY: &str = "family:";

/// Ordered tiers. Without any but the one in this process, all works as well.
pub struct Cache {
    memory: MemoryTier,
    memory_meter: TierMeter,
    /// The nearest first.
    far: Vec<Far>,
    stamps: Stamps,
    companion: Option<Companion>,
    pub(super) meter: Meter,
    pub(super) clock: Arc<dyn Clock>,
}

/// A value that was found.
#[derive(Debug)]
pub struct Cached<T> {
    /// The value, shared by all who found it in this process.
    pub value: Arc<T>,
    /// Whether it is fresh; otherwise it is for when nothing better can be had.
    pub fresh: bool,
}

/// How a value is kept.
#[derive(Debug, Clone, Default)]
pub struct EntryOptions {
    /// It is fresh for so long,
    pub fresh: Duration,
    /// and may be served as stale until so long after it was put.
    pub retained: Duration,
    /// 0 to 100: it is fresh for up to so much less, at random, so that what was put together does not end together.
    pub jitter_percentage: u8,
    /// Whether the cold tier keeps it too.
    pub cold: bool,
    /// Names that it can be invalidated by, of at most 250 bytes, and at most 255 of them.
    pub tags: Vec<String>,
}

impl EntryOptions {
    /// Fresh and retained for so long, and nothing more.
    pub fn lasting(fresh: Duration, retained: Duration) -> Self {
        Self { fresh, retained, ..Self::default() }
    }
}

impl Cache {
    /// A cache in this process.
    pub fn new(memory: MemoryTier, clock: Arc<dyn Clock>) -> Self {
        Self {
            memory,
            memory_meter: TierMeter::default(),
            far: vec![],
            stamps: Stamps::new(None),
            companion: None,
            meter: Meter::default(),
            clock,
        }
    }

    /// The same, with another tier behind those that are there.
    #[must_use]
    pub fn before(mut self, tier: Arc<dyn CacheTier>, options: TierOptions, breakers: &Breakers) -> Self {
        self.far.push(Far::new(tier, options, breakers));
        self
    }

    /// The same, telling other processes what it invalidates and what it loads.
    #[must_use]
    pub fn beside(self, companion: Companion) -> Self {
        Self { stamps: Stamps::new(Some(companion.clone())), companion: Some(companion), ..self }
    }

    /// Forgets `keys` in every tier, the farthest first, so that none is promoted again; and in other processes within a
    /// second. What somebody is just making or promoting may come back: where that matters, invalidate a tag.
    ///
    /// # Errors
    /// [`CacheError`]: a tier could not be reached, or the others could not be told.
    pub async fn remove_many(&self, keys: &[String]) -> Result<(), CacheError> {
        let mut families: Vec<_> = keys.iter().map(|key| family(key)).collect();
        families.sort_unstable();
        families.dedup();
        add(&self.meter.invalidations, families.len() as u64);
        let mut outcome = Ok(());
        for far in self.far.iter().rev() {
            // Even where the breaker is open.
            outcome = outcome.and(far.tier.remove_many(keys).await);
        }
        for key in keys {
            self.memory.remove(key);
        }
        outcome.and(self.stamps.renew(&families, self.clock.micros()).await)
    }

    /// Makes everything with one of `tags` a miss: here at once, in other processes within a second.
    ///
    /// # Errors
    /// [`CacheError`]: the others could not be told.
    pub async fn invalidate_tags(&self, tags: &[&str]) -> Result<(), CacheError> {
        add(&self.meter.invalidations, tags.len() as u64);
        self.stamps.renew(&tags.iter().map(|tag| tag_name(tag)).collect::<Vec<_>>(), self.clock.micros()).await
    }

    /// The value of `key`, from any tier but the cold one. What cannot be read as a `T` is a miss; so a key names the shape
    /// of its value: `price:1:bitcoin`. What stands before the first colon is its family. Never fails: a tier that does not
    /// answer has nothing.
    pub async fn get_value<T: DeserializeOwned + Send + Sync + 'static>(&self, key: &str) -> Option<Cached<T>> {
        let now = self.clock.now();
        if let Some(held) = self.memory.get(key, now)
            && held.entry.fresh_until > now
        {
            if self.stamps.are_due(&held.marks, now.timestamp_micros()) {
                self.stamps.refresh([&held.marks].into_iter(), now.timestamp_micros()).await;
            }
            if held.marks.hold() {
                self.memory_meter.hit(held.entry.value.len());
                return Some(Cached { value: held.value(codec::decode)?, fresh: true });
            }
        }
        self.get_values(&[key.to_owned()]).await.pop().flatten()
    }

    /// The values of `keys`, in their order; see [`get_value`](Self::get_value).
    pub async fn get_values<T>(&self, keys: &[String]) -> Vec<Option<Cached<T>>>
    where
        T: DeserializeOwned + Send + Sync + 'static,
    {
        self.read(keys, false).await
    }

    /// The same, from the cold tier too: for what is kept there.
    pub async fn get_cold_values<T>(&self, keys: &[String]) -> Vec<Option<Cached<T>>>
    where
        T: DeserializeOwned + Send + Sync + 'static,
    {
        self.read(keys, true).await
    }

    async fn read<T>(&self, keys: &[String], cold: bool) -> Vec<Option<Cached<T>>>
    where
        T: DeserializeOwned + Send + Sync + 'static,
    {
        let now = self.clock.now();
        let read = |held: Option<Arc<Held>>| {
            let held = held?;
            Some(Cached { value: held.value(codec::decode)?, fresh: held.entry.fresh_until > now })
        };
        let look = Look { cold, ..Look::fresh_after(now) };
        self.look_up(keys, &look).await.into_iter().map(read).collect()
    }

    /// Keeps values in every tier.
    pub async fn put_values<T: Serialize>(
        &self,
        values: impl IntoIterator<Item = (String, T)>,
        options: &EntryOptions,
    ) {
        let values: Vec<_> = values.into_iter().collect();
        if let Some(marks) = self.marks(values.iter().map(|(key, _)| key.as_str()), &options.tags).await {
            self.put_made(values, options, &marks).await;
        }
    }
}

/// What is looked for.
pub(super) struct Look {
    /// Farther tiers are asked for what is not fresh until after this time.
    pub(super) fresh_after: Timestamp,
    /// The cold tier is one of them.
    pub(super) cold: bool,
    /// Nothing that was put before may be missing.
    pub(super) newest: bool,
    /// It is a caller's, and not one more of the same.
    pub(super) counted: bool,
}

impl Look {
    pub(super) fn fresh_after(time: Timestamp) -> Self {
        Self { fresh_after: time, cold: false, newest: false, counted: true }
    }
}

/// For whoever makes values: [`super::ReadThrough`].
impl Cache {
    /// What entries with these keys and tags depend on. To be asked for before the values are made. `None` where it is not
    /// known what became of a tag: then nothing should be kept.
    pub(super) async fn marks<'a>(&self, keys: impl Iterator<Item = &'a str>, tags: &[String]) -> Option<Marks> {
        let mut names: Vec<_> = keys.map(family).chain(tags.iter().map(|tag| tag_name(tag))).collect();
        names.sort_unstable();
        names.dedup();
        match self.stamps.of(&names, self.clock.micros()).await {
            Ok(marks) => Some(marks),
            // Without tags an entry may be kept here for a minute without knowing more.
            Err(_) => tags.is_empty().then(|| self.stamps.known(&names)),
        }
    }

    /// Keeps values that were made since `marks` were taken.
    pub(super) async fn put_made<T: Serialize>(
        &self,
        values: impl IntoIterator<Item = (String, T)>,
        options: &EntryOptions,
        marks: &Marks,
    ) {
        let now = self.clock.now();
        let mut entries = vec![];
        for (key, value) in values {
            let less = options.fresh / 100 * u32::from(options.jitter_percentage.min(100));
            let fresh = if less.is_zero() { options.fresh } else { options.fresh.saturating_sub(ids::jitter(less)) };
            match codec::encode(&value) {
                Ok(value) => {
                    let (fresh_until, expires_at) = (after(now, fresh), after(now, options.retained.max(fresh)));
                    let tags = of_entry(marks, &key, &options.tags).tags(&family(&key));
                    entries.push((key, Entry { value: value.into(), fresh_until, expires_at, tags }));
                }
                Err(error) => tracing::warn!(key, %error, "a value cannot be cached"),
            }
        }
        // What was invalidated while it was made is no use to anybody.
        if entries.is_empty() || !marks.hold() {
            return;
        }
        for (key, entry) in &entries {
            let marks = of_entry(marks, key, &options.tags);
            self.memory.put(key.clone(), Held::new(limited(entry, now, self.memory_life()), marks));
            self.memory_meter.written(entry.value.len());
        }
        put_far(&self.far, &entries, now, options.cold).await;
    }

    /// What is known of `keys`. What a farther tier had is kept in the nearer ones for its remaining life. An entry that is
    /// not fresh is only the answer if no farther tier has a fresher one: another process may have put it there.
    pub(super) async fn look_up(&self, keys: &[String], look: &Look) -> Vec<Option<Arc<Held>>> {
        let now = self.clock.now();
        let is_fresh =
            |held: &Option<Arc<Held>>| held.as_ref().is_some_and(|held| held.entry.fresh_until > look.fresh_after);
        let mut found: Vec<_> = keys.iter().map(|key| self.memory.get(key, now)).collect();
        self.stamps.refresh(found.iter().flatten().map(|held| &held.marks), now.timestamp_micros()).await;
        for held in &mut found {
            held.take_if(|held| !held.marks.hold());
        }
        if look.counted {
            let size =
                |held: &Option<Arc<Held>>| is_fresh(held).then(|| held.as_ref().map_or(0, |it| it.entry.value.len()));
            self.memory_meter.read(found.iter().map(size));
        }
        if self.far.is_empty() || found.iter().all(is_fresh) {
            return found;
        }
        // Before the reading, so that what is removed meanwhile is not kept here.
        let families = self.marks(keys.iter().map(String::as_str), &[]).await.unwrap_or_default();
        for (depth, far) in self.far.iter().enumerate().filter(|(_, far)| look.cold || !far.options.cold) {
            let wanting: Vec<_> = (0..keys.len()).filter(|&index| !is_fresh(&found[index])).collect();
            if wanting.is_empty() {
                break;
            }
            let asked: Vec<_> = wanting.iter().map(|&index| keys[index].clone()).collect();
            let newest = look.newest || self.stamps.are_settling(now.timestamp_micros());
            let answers = if newest {
                far.ask(far.tier.get_newest(&asked)).await
            } else {
                far.ask_reader(far.tier.get_many(&asked)).await
            };
            let Some(answers) = answers else { continue };
            if look.counted {
                let fresh = |entry: &&Entry| entry.fresh_until > look.fresh_after;
                far.meter.read(answers.iter().map(|entry| entry.as_ref().filter(fresh).map(|entry| entry.value.len())));
            }
            let better = |(index, answer): (usize, Option<Entry>)| {
                let nearer = found[index].as_ref().map(|held| held.entry.fresh_until);
                let entry =
                    answer.filter(|it| it.expires_at > now && nearer.is_none_or(|than| it.fresh_until > than))?;
                Some((index, entry))
            };
            let better: Vec<_> = wanting.into_iter().zip(answers).filter_map(better).collect();
            let mut promoted = vec![];
            for (index, held) in self.holding(keys, better, &families, now).await {
                let near = limited(&held.entry, now, self.memory_life());
                self.memory.promote(&keys[index], Held::new(near, held.marks.clone()));
                promoted.push((keys[index].clone(), held.entry.clone()));
                found[index] = Some(Arc::new(held));
            }
            put_far(&self.far[..depth], &promoted, now, true).await;
        }
        found
    }

    /// Of entries from a farther tier, by the index of their key, those of which no tag was invalidated; with what they
    /// depend on.
    async fn holding(
        &self,
        keys: &[String],
        entries: Vec<(usize, Entry)>,
        families: &Marks,
        now: Timestamp,
    ) -> Vec<(usize, Held)> {
        let tags = self.tags_of(entries.iter().map(|(_, entry)| entry), now).await;
        let held = |(index, entry): (usize, Entry)| {
            let mut marks = families.of([family(&keys[index]).as_str()].into_iter());
            if !entry.tags.is_empty() {
                // What carries a tag of which nothing is known does not count.
                let tags = tags.as_ref().filter(|tags| tags.are(&entry.tags))?;
                marks = marks.and(tags.of(entry.tags.iter().map(|(name, _)| name.as_str())));
            }
            Some((index, Held::new(entry, marks)))
        };
        entries.into_iter().filter_map(held).collect()
    }

    /// The stamps of all that these entries carry, if they can be had.
    async fn tags_of<'a>(&self, entries: impl Iterator<Item = &'a Entry>, now: Timestamp) -> Option<Marks> {
        let mut names: Vec<_> = entries.flat_map(|entry| entry.tags.iter().map(|(name, _)| name.clone())).collect();
        names.sort_unstable();
        names.dedup();
        if names.is_empty() {
            return None;
        }
        self.stamps.of(&names, now.timestamp_micros()).await.ok()
    }

    /// Notes that there is no use in asking the source for `key` again before `until`.
    pub(super) fn note_failure(&self, key: &str, held: &Held, until: Timestamp, strikes: u32) {
        self.memory.note_failure(key, held, until, strikes);
    }

    /// Takes the leases of `keys`: whether each may be loaded here. Where nobody else can be asked, each may.
    pub(super) async fn take_leases(&self, keys: &[String], holder: &str, lease: Duration) -> Vec<bool> {
        let Some(companion) = self.companion.as_ref().filter(|_| !keys.is_empty()) else {
            return vec![true; keys.len()];
        };
        let taken = companion.ask(companion.leases.take(keys, holder, lease)).await;
        taken.unwrap_or_else(|_| vec![true; keys.len()])
    }

    pub(super) async fn give_back_leases(&self, keys: &[String], holder: &str) {
        if let Some(companion) = self.companion.as_ref().filter(|_| !keys.is_empty()) {
            // They end by themselves.
            let _ = companion.ask(companion.leases.give_back(keys, holder)).await;
        }
    }

    fn memory_life(&self) -> Duration {
        if self.far.is_empty() { Duration::MAX } else { MEMORY_LIFE }
    }
}

/// Of all that was asked for, what an entry depends on.
fn of_entry(marks: &Marks, key: &str, tags: &[String]) -> Marks {
    let names = std::iter::once(family(key)).chain(tags.iter().map(|tag| tag_name(tag)));
    marks.of(names.collect::<Vec<_>>().iter().map(String::as_str))
}

fn family(key: &str) -> String {
    format!("{FAMILY}{}", key.split_once(':').map_or(key, |(family, _)| family))
}

fn tag_name(tag: &str) -> String {
    format!("tag:{tag}")
}

impl Measured for Cache {
    fn samples(&self) -> Vec<Sample> {
        let far = self.far.iter().flat_map(|far| far.meter.samples_of_calls(far.tier.name()));
        self.memory_meter.samples("memory").into_iter().chain(far).chain(self.meter.samples()).collect()
    }
}

#[cfg(test)]
mod tests;
