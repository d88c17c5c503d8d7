//! The keys of an issuer, fetched from its URL and kept.
//!
//! A set is fresh for ten minutes. After that one caller fetches it again, under a deadline, while the others use what
//! there is; if the fetch fails, the last good set keeps serving for a day: an issuer whose key server is down must not
//! take this service down with it. The price: a key that was withdrawn is believed for up to ten minutes, and for up to
//! a day while the key server does not answer. A key id that is not in the set is how a rotation shows, so it causes a
//! fetch, but not more often than every 30 seconds, because anyone can make up key ids.
//!
//! Nothing runs between requests: a fetch is part of the request that needs it, and every age is computed from
//! timestamps. A clock that was set back makes a set stale and a fetch due, no more.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use chrono::TimeDelta;

use crate::platform::BoxFuture;
use crate::platform::clock::{Clock, Timestamp};

use super::AuthError;
use super::keys::{Key, KeySet};

/// How long a fetch may take, from the connection to the last byte.
const DEADLINE: Duration = Duration::from_secs(3);
/// How long a set is used without asking.
const FRESH: TimeDelta = TimeDelta::minutes(10);
/// How long a set is used when asking fails.
const USABLE: TimeDelta = TimeDelta::hours(24);
/// The time between two fetches while there are keys, and while there are none.
const PAUSE: TimeDelta = TimeDelta::seconds(30);
const PAUSE_WITHOUT_KEYS: TimeDelta = TimeDelta::seconds(1);

/// Who publishes an issuer's keys. Asked under a deadline, and never by two callers at once.
pub trait KeySource: Send + Sync {
    /// The JWK set as it was published, or what went wrong, without secrets. No longer than a few hundred KiB, and from
    /// nowhere else: a redirect could lead away from https.
    fn key_set(&self) -> BoxFuture<'_, Result<Bytes, String>>;
}

/// The keys of an issuer.
pub(super) struct Jwks {
    source: Arc<dyn KeySource>,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    /// Held by the one who fetches.
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Clone, Default)]
struct State {
    keys: Option<(Arc<KeySet>, Timestamp)>,
    /// When the last fetch ended, well or not.
    last_fetch: Option<Timestamp>,
}

impl Jwks {
    /// The keys that `source` has; nothing is fetched yet.
    pub(super) fn new(source: Arc<dyn KeySource>, clock: Arc<dyn Clock>) -> Self {
        Self { source, clock, state: Mutex::default(), fetching: tokio::sync::Mutex::default() }
    }

    /// The key that a token names.
    pub(super) async fn key(&self, id: Option<&str>, algorithm: &str) -> Result<Arc<Key>, AuthError> {
        let state = self.current().await;
        let found = state.usable(self.clock.now())?.find(id, algorithm);
        if found.is_ok() || found.as_ref().err() != Some(&AuthError::UnknownKey) || id.is_none() {
            return found;
        }
        self.fetch_if_due().await;
        self.state().usable(self.clock.now())?.find(id, algorithm)
    }

    /// The state, after a fetch if one is due. Who has keys does not wait for another's fetch.
    async fn current(&self) -> State {
        let state = self.state().clone();
        let now = self.clock.now();
        if state.is_fresh(now) {
            return state;
        }
        if state.usable(now).is_err() {
            self.fetch_if_due().await;
        } else if let Ok(_guard) = self.fetching.try_lock()
            && self.state().may_fetch(now)
        {
            self.fetch().await;
        }
        self.state().clone()
    }

    /// Fetches, unless the last fetch ended just now: those who waited for it share it, a failed one too.
    async fn fetch_if_due(&self) {
        let _guard = self.fetching.lock().await;
        if self.state().may_fetch(self.clock.now()) {
            self.fetch().await;
        }
    }

    /// To be called with `fetching` held.
    async fn fetch(&self) {
        let outcome = match tokio::time::timeout(DEADLINE, self.source.key_set()).await {
            Ok(Ok(body)) => KeySet::parse(&body).ok_or_else(|| "no usable key in the answer".to_owned()),
            Ok(Err(problem)) => Err(problem),
            Err(_) => Err(format!("no answer within {} s", DEADLINE.as_secs())),
        };
        let now = self.clock.now();
        let mut state = self.state();
        state.last_fetch = Some(now);
        match outcome {
            Ok(keys) => {
                tracing::debug!(keys = keys.len(), "fetched the issuer's keys");
                state.keys = Some((Arc::new(keys), now));
            }
            Err(problem) => tracing::warn!(problem, "cannot fetch the issuer's keys"),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_fresh(&self, now: Timestamp) -> bool {
        self.keys.as_ref().is_some_and(|(_, since)| within(*since, FRESH, now))
    }

    fn usable(&self, now: Timestamp) -> Result<Arc<KeySet>, AuthError> {
        let usable = self.keys.as_ref().filter(|(_, since)| now - since < USABLE);
        usable.map(|(keys, _)| keys.clone()).ok_or(AuthError::KeysUnavailable)
    }

    fn may_fetch(&self, now: Timestamp) -> bool {
        let pause = if self.usable(now).is_ok() { PAUSE } else { PAUSE_WITHOUT_KEYS };
        !self.last_fetch.is_some_and(|last| within(last, pause, now))
    }
}

/// Whether `now` is less than `period` after `since`, and not before it.
fn within(since: Timestamp, period: TimeDelta, now: Timestamp) -> bool {
    let age = now - since;
    age >= TimeDelta::zero() && age < period
}
