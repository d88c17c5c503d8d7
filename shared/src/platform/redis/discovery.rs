//! Addresses that are looked up when a connection is opened, once for all clients of the process.
//!
//! What was found stands until a connection there cannot be opened; the next one looks again, and goes where it went before
//! where nothing can be found. A lookup is shared by all who wait for it.
//!
//! However often connections fail, lookups begin [`LOOK_AGAIN`] apart at least: what answers them is slow, shared with every
//! other sandbox, and least to be crowded during an outage.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt, Shared, TryFutureExt};
use redis::RedisError;
use tokio::time::Instant;

use crate::platform::config::{RedisConfig, RedisEndpoint};

const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// Which of the addresses a client is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The one where everything may be sent.
    Primary,
    /// The one for reads; the primary where there is none.
    Reader,
}

/// Why there are no addresses. Without secrets.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct DiscoveryError(pub String);

/// A lookup that may be under way.
pub type Lookup = BoxFuture<'static, Result<RedisConfig, DiscoveryError>>;

/// The addresses of a Redis, looked up when they are needed.
pub struct Discovery {
    look: Box<dyn Fn() -> Lookup + Send + Sync>,
    state: Mutex<State>,
}

type Answer = Shared<BoxFuture<'static, Result<Arc<RedisConfig>, DiscoveryError>>>;

#[derive(Default)]
struct State {
    /// The last lookup, and when it began, by which it is known.
    last: Option<(Instant, Answer)>,
    /// Whether the last one found nothing, or nothing that can be reached.
    doubted: bool,
    /// What was found last, by whichever lookup.
    found: Option<Arc<RedisConfig>>,
    /// Whether lookups fail, which is logged once.
    failing: bool,
}

impl Discovery {
    /// One that nobody has asked yet; `look` begins a lookup that ends by itself.
    pub fn new(look: impl Fn() -> Lookup + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { look: Box::new(look), state: Mutex::default() })
    }

    /// The addresses, and the lookup that they are to be doubted by.
    pub(super) async fn addresses(&self) -> Result<(Instant, Arc<RedisConfig>), RedisError> {
        let (began, answer) = self.last();
        let answer = answer.await;
        let mut state = self.state();
        match answer {
            Ok(found) => {
                state.failing = false;
                state.found = Some(found);
            }
            Err(error) => {
                state.doubt(began);
                if !std::mem::replace(&mut state.failing, true) {
                    tracing::warn!(%error, "the addresses of redis cannot be found");
                }
            }
        }
        let unknown = || std::io::Error::other("its addresses are not known");
        Ok((began, state.found.clone().ok_or_else(unknown)?))
    }

    /// No connection can be opened to what that lookup found.
    pub(super) fn doubt(&self, lookup: Instant) {
        self.state().doubt(lookup);
    }

    /// The last lookup, or a new one where it is time for one.
    fn last(&self) -> (Instant, Answer) {
        let mut state = self.state();
        let now = Instant::now();
        match &state.last {
            Some((began, answer)) if !state.doubted || now < *began + LOOK_AGAIN => (*began, answer.clone()),
            _ => {
                let answer = (self.look)().map_ok(Arc::new).boxed().shared();
                state.doubted = false;
                state.last.insert((now, answer)).clone()
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is complete before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn doubt(&mut self, lookup: Instant) {
        self.doubted |= self.last.as_ref().is_some_and(|(began, _)| *began == lookup);
    }
}

impl Role {
    pub(super) fn of(self, addresses: &RedisConfig) -> &RedisEndpoint {
        match (self, &addresses.reader) {
            (Self::Reader, Some(reader)) => reader,
            _ => &addresses.primary,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::time::advance;

    use super::*;

    /// Finds `redis://1`, then `redis://2` and so on, except where `fails`; and how often it looked.
    fn discovery(fails: fn(usize) -> bool) -> (Arc<Discovery>, Arc<AtomicUsize>) {
        let lookups = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&lookups);
        let look = move || {
            let number = counter.fetch_add(1, Ordering::SeqCst) + 1;
            async move {
                tokio::task::yield_now().await;
                if fails(number) {
                    return Err(DiscoveryError("no".to_owned()));
                }
                let primary = RedisEndpoint::parse("TEST", &format!("redis://{number}")).unwrap();
                Ok(RedisConfig { primary, reader: None })
            }
            .boxed()
        };
        (Discovery::new(look), lookups)
    }

    async fn address(discovery: &Discovery) -> String {
        discovery.addresses().await.unwrap().1.primary.url.expose().to_owned()
    }

    /// No connection can be opened.
    async fn fail_to_connect(discovery: &Discovery) {
        let (lookup, _) = discovery.addresses().await.unwrap();
        discovery.doubt(lookup);
    }

    #[tokio::test]
    async fn one_lookup_is_for_all_who_wait_and_any_of_them_drives_it() {
        let (discovery, lookups) = discovery(|_| false);
        let mut left_alone = Box::pin(discovery.addresses());
        assert!((&mut left_alone).now_or_never().is_none());
        assert_eq!(address(&discovery).await, "redis://1");
        left_alone.await.unwrap();
        assert_eq!(lookups.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_found_stands_until_no_connection_can_be_opened_there() {
        let (discovery, _) = discovery(|_| false);
        assert_eq!(address(&discovery).await, "redis://1");
        advance(LOOK_AGAIN * 100).await;
        assert_eq!(address(&discovery).await, "redis://1");
        fail_to_connect(&discovery).await;
        assert_eq!(address(&discovery).await, "redis://2");
    }

    #[tokio::test(start_paused = true)]
    async fn however_many_connections_fail_it_looks_seldom() {
        let (discovery, lookups) = discovery(|_| false);
        for _ in 0..100 {
            fail_to_connect(&discovery).await;
            advance(LOOK_AGAIN / 20).await;
        }
        assert_eq!(lookups.load(Ordering::SeqCst), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_doubt_is_not_of_what_was_found_since() {
        let (discovery, _) = discovery(|_| false);
        let (first, _) = discovery.addresses().await.unwrap();
        discovery.doubt(first);
        advance(LOOK_AGAIN).await;
        assert_eq!(address(&discovery).await, "redis://2");
        discovery.doubt(first);
        advance(LOOK_AGAIN).await;
        assert_eq!(address(&discovery).await, "redis://2");
    }

    #[tokio::test(start_paused = true)]
    async fn where_nothing_is_found_the_way_is_as_before() {
        let (discovery, _) = discovery(|number| number == 2);
        fail_to_connect(&discovery).await;
        advance(LOOK_AGAIN).await;
        assert_eq!(address(&discovery).await, "redis://1");
        advance(LOOK_AGAIN).await;
        assert_eq!(address(&discovery).await, "redis://3");
    }

    #[tokio::test(start_paused = true)]
    async fn without_any_address_redis_is_unreachable_until_one_is_found() {
        let (discovery, lookups) = discovery(|number| number == 1);
        for _ in 0..100 {
            assert!(discovery.addresses().await.unwrap_err().is_io_error());
        }
        assert_eq!(lookups.load(Ordering::SeqCst), 1);
        advance(LOOK_AGAIN).await;
        assert_eq!(address(&discovery).await, "redis://2");
    }

    #[test]
    fn a_reader_without_an_address_of_its_own_goes_to_the_primary() {
        let endpoint = |url| RedisEndpoint::parse("TEST", url).unwrap();
        let mut addresses = RedisConfig { primary: endpoint("redis://p"), reader: Some(endpoint("redis://r")) };
        assert_eq!(Role::Reader.of(&addresses).url.expose(), "redis://r");
        assert_eq!(Role::Primary.of(&addresses).url.expose(), "redis://p");
        addresses.reader = None;
        assert_eq!(Role::Reader.of(&addresses).url.expose(), "redis://p");
    }
}
