//! Where values come from, and how they are kept and fetched.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::EntryOptions;
use crate::platform::BoxFuture;

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
    pub(super) value: Arc<Option<T>>,
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
    /// The longest that a request waits for the source where it has a value, if a stale one. Where that was too short, one
    /// request waits twice as long the next time, up to
    pub soft_timeout: Duration,
    /// how long it waits where it has none.
    pub hard_timeout: Duration,
    /// How long the source is not asked again for a value that it failed to give, while there is a last good one.
    pub failure_pause: Duration,
    /// The longest that a process waits for another that asks, before it serves what it has, or asks as well.
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
