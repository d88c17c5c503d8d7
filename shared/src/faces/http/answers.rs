//! Answers that are the same for everybody, kept to be given again: what is asked for most is not executed each time.
//!
//! Whether an operation may run, what it takes from the limits and whether its answer depends on who asks is decided anew
//! for each request, before anything is looked up here. What is kept are complete answers without errors, under a key
//! that is made of all that they depend on, as the bytes that are sent.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use moka::sync::Cache as Memory;
use serde::{Deserialize, Serialize};

use crate::cache::{Cache, EntryOptions};
use crate::faces::graphql::{Graph, Operation};
use crate::platform::clock::Clock;

/// The longest answer that is kept, in bytes.
const LONGEST: usize = 256 * 1024;
/// The size of all of them that are kept in this process alone, in bytes.
const CAPACITY: u64 = 4 * 1024 * 1024;
/// What lives shorter is kept in this process alone: to fetch it from elsewhere would take a part of its life.
const SHORT: Duration = Duration::from_secs(5);

/// Answers that are kept.
pub struct Answers {
    /// For those that live long enough to be shared.
    cache: Arc<Cache>,
    /// For the others.
    short: Memory<String, Arc<Kept>>,
}

/// An answer that is kept.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    /// When it was made, in microseconds since 1970.
    made: i64,
    body: String,
}

impl Kept {
    fn age(&self, clock: &dyn Clock) -> Duration {
        Duration::from_micros(u64::try_from(clock.micros().saturating_sub(self.made)).unwrap_or(0))
    }
}

/// An answer that was found.
#[derive(Debug, Clone)]
pub(super) struct Found(Arc<Kept>);

impl Found {
    /// For how long it has been kept.
    pub(super) fn age(&self, clock: &dyn Clock) -> Duration {
        self.0.age(clock)
    }
}

impl AsRef<[u8]> for Found {
    fn as_ref(&self) -> &[u8] {
        self.0.body.as_bytes()
    }
}

impl From<Found> for Bytes {
    fn from(body: Found) -> Self {
        // Without a copy.
        Self::from_owner(body)
    }
}

/// Where an answer belongs.
pub(super) struct Place {
    key: String,
    life: Duration,
}

impl Answers {
    /// In the tiers of `cache`.
    pub fn new(cache: Arc<Cache>) -> Self {
        let weigh = |key: &String, kept: &Arc<Kept>| u32::try_from(key.len() + kept.body.len()).unwrap_or(u32::MAX);
        Self { cache, short: Memory::builder().weigher(weigh).max_capacity(CAPACITY).build() }
    }

    /// Where the answer of an operation belongs, if it may be given again.
    pub(super) fn place(graph: &Graph, operation: &Operation) -> Option<Place> {
        Some(Place { life: operation.repeatable()?, key: format!("answer:1:{}", graph.key_of(operation)?) })
    }

    /// The answer that is there.
    pub(super) async fn find(&self, place: &Place, clock: &dyn Clock) -> Option<Found> {
        let kept = if place.life < SHORT {
            self.short.get(&place.key)
        } else {
            let found = self.cache.get_value::<Kept>(&place.key).await;
            found.filter(|found| found.fresh).map(|found| found.value)
        };
        // Its life is that of the operation as it is judged today.
        kept.filter(|kept| kept.age(clock) < place.life).map(Found)
    }

    /// Keeps an answer that has just been made.
    pub(super) async fn keep(&self, place: Place, body: &[u8], clock: &dyn Clock) {
        let Some(body) = str::from_utf8(body).ok().filter(|body| body.len() <= LONGEST) else { return };
        let kept = Kept { made: clock.micros(), body: body.to_owned() };
        if place.life < SHORT {
            self.short.insert(place.key, Arc::new(kept));
        } else {
            let options = EntryOptions::lasting(place.life, place.life);
            self.cache.put_values([(place.key, kept)], &options).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::MemoryTier;
    use crate::platform::clock::{ManualClock, SystemClock, delta};

    #[tokio::test]
    async fn an_answer_is_there_for_its_life_and_no_longer_wherever_it_is_kept() {
        for life in [Duration::from_secs(1), Duration::from_secs(300)] {
            let clock = Arc::new(ManualClock::at(SystemClock.now()));
            let cache = Arc::new(Cache::new(MemoryTier::new(1 << 20, clock.clone()), clock.clone()));
            let answers = Answers::new(cache);
            let place = || Place { key: "answer:1:x".to_owned(), life };
            assert!(answers.find(&place(), &*clock).await.is_none());
            answers.keep(place(), b"{}", &*clock).await;
            clock.advance(delta(life / 2));
            let found = answers.find(&place(), &*clock).await.unwrap();
            assert_eq!(found.age(&*clock), life / 2);
            assert_eq!(Bytes::from(found), Bytes::from_static(b"{}"));
            clock.advance(delta(life / 2));
            assert!(answers.find(&place(), &*clock).await.is_none(), "{life:?}");
        }
    }

    #[tokio::test]
    async fn an_answer_that_is_too_long_is_not_kept() {
        let clock = Arc::new(ManualClock::at(SystemClock.now()));
        let answers = Answers::new(Arc::new(Cache::new(MemoryTier::new(1 << 20, clock.clone()), clock.clone())));
        let place = || Place { key: "answer:1:x".to_owned(), life: Duration::from_secs(1) };
        answers.keep(place(), &b"x".repeat(LONGEST + 1), &*clock).await;
        assert!(answers.find(&place(), &*clock).await.is_none());
        answers.keep(place(), &b"x".repeat(LONGEST), &*clock).await;
        assert!(answers.find(&place(), &*clock).await.is_some());
    }
}
