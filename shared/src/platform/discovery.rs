//! Addresses that are looked up when they are needed, once for all clients of the process.
//!
//! What was found stands until nothing can be reached there; who comes next looks again, and goes where all went before
//! where nothing can be found. A lookup is shared by all who wait for it.
//!
//! However often connections fail, lookups begin [`LOOK_AGAIN`] apart at least: what answers them is slow, shared with every
//! other sandbox, and least to be crowded during an outage. While no lookup has ever found anything nobody gets anywhere, so the
//! first ones follow each other sooner.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt, Shared, TryFutureExt};
use tokio::time::Instant;

const LOOK_AGAIN: Duration = Duration::from_secs(10);
/// The first time between two lookups while nothing was ever found; it doubles.
const LOOK_AGAIN_SOON: Duration = Duration::from_millis(500);

/// Why there are no addresses. Without secrets.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct DiscoveryError(pub String);

/// A lookup that may be under way.
pub type Lookup<T> = BoxFuture<'static, Result<T, DiscoveryError>>;

/// The addresses of something, looked up when they are needed.
pub struct Discovery<T> {
    of: &'static str,
    look: Box<dyn Fn() -> Lookup<T> + Send + Sync>,
    state: Mutex<State<T>>,
}

type Answer<T> = Shared<BoxFuture<'static, Result<Arc<T>, DiscoveryError>>>;

struct State<T> {
    /// The last lookup, and when it began, by which it is known.
    last: Option<(Instant, Answer<T>)>,
    /// Whether the last one found nothing, or nothing that can be reached.
    doubted: bool,
    /// What was found last, by whichever lookup.
    found: Option<Arc<T>>,
    /// How many lookups have failed since; the first is logged.
    failures: u32,
}

impl<T: Send + Sync + 'static> Discovery<T> {
    /// One that nobody has asked yet, for the addresses `of` something; `look` begins a lookup that ends by itself.
    pub fn new(of: &'static str, look: impl Fn() -> Lookup<T> + Send + Sync + 'static) -> Arc<Self> {
        let state = State { last: None, doubted: false, found: None, failures: 0 };
        Arc::new(Self { of, look: Box::new(look), state: Mutex::new(state) })
    }

    /// The addresses, and the lookup that they are to be doubted by.
    ///
    /// # Errors
    /// Why the last lookup failed, where none has ever found any.
    pub async fn addresses(&self) -> Result<(Instant, Arc<T>), DiscoveryError> {
        let (began, answer) = self.last();
        let answer = answer.await;
        let mut state = self.state();
        match &answer {
            Ok(found) => {
                state.failures = 0;
                state.found = Some(found.clone());
            }
            Err(error) => {
                if state.doubt(began) {
                    state.failures = state.failures.saturating_add(1);
                    if state.failures == 1 {
                        tracing::warn!(%error, "the addresses of {} cannot be found", self.of);
                    }
                }
            }
        }
        match &state.found {
            Some(found) => Ok((began, found.clone())),
            None => answer.map(|found| (began, found)),
        }
    }

    /// Nothing can be reached at what that lookup found.
    pub fn doubt(&self, lookup: Instant) {
        self.state().doubt(lookup);
    }

    /// The last lookup, or a new one where it is time for one.
    fn last(&self) -> (Instant, Answer<T>) {
        let mut state = self.state();
        let now = Instant::now();
        match &state.last {
            Some((began, answer)) if !state.doubted || now < *began + state.pause() => (*began, answer.clone()),
            _ => {
                let answer = (self.look)().map_ok(Arc::new).boxed().shared();
                state.doubted = false;
                state.last.insert((now, answer)).clone()
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        // Each change is complete before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    /// Whether that is news.
    fn doubt(&mut self, lookup: Instant) -> bool {
        let is_last = self.last.as_ref().is_some_and(|(began, _)| *began == lookup);
        is_last && !std::mem::replace(&mut self.doubted, true)
    }

    /// The least time between two lookups.
    fn pause(&self) -> Duration {
        if self.found.is_some() {
            return LOOK_AGAIN;
        }
        (LOOK_AGAIN_SOON * 2_u32.saturating_pow(self.failures.saturating_sub(1).min(8))).min(LOOK_AGAIN)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::time::advance;

    use super::*;

    /// Finds 1, then 2 and so on, except where `fails`; and how often it looked.
    fn discovery(fails: fn(usize) -> bool) -> (Arc<Discovery<usize>>, Arc<AtomicUsize>) {
        let lookups = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&lookups);
        let look = move || {
            let number = counter.fetch_add(1, Ordering::SeqCst) + 1;
            async move {
                tokio::task::yield_now().await;
                if fails(number) { Err(DiscoveryError(format!("no {number}"))) } else { Ok(number) }
            }
            .boxed()
        };
        (Discovery::new("a test", look), lookups)
    }

    async fn address(discovery: &Discovery<usize>) -> usize {
        *discovery.addresses().await.unwrap().1
    }

    /// No connection can be opened.
    async fn fail_to_connect(discovery: &Discovery<usize>) {
        let (lookup, _) = discovery.addresses().await.unwrap();
        discovery.doubt(lookup);
    }

    #[tokio::test]
    async fn one_lookup_is_for_all_who_wait_and_any_of_them_drives_it() {
        let (discovery, lookups) = discovery(|_| false);
        let mut left_alone = Box::pin(discovery.addresses());
        assert!((&mut left_alone).now_or_never().is_none());
        assert_eq!(address(&discovery).await, 1);
        left_alone.await.unwrap();
        assert_eq!(lookups.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_found_stands_until_no_connection_can_be_opened_there() {
        let (discovery, _) = discovery(|_| false);
        assert_eq!(address(&discovery).await, 1);
        advance(LOOK_AGAIN * 100).await;
        assert_eq!(address(&discovery).await, 1);
        fail_to_connect(&discovery).await;
        assert_eq!(address(&discovery).await, 2);
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
        assert_eq!(address(&discovery).await, 2);
        discovery.doubt(first);
        advance(LOOK_AGAIN).await;
        assert_eq!(address(&discovery).await, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn where_nothing_is_found_the_way_is_as_before() {
        let (discovery, _) = discovery(|number| number == 2);
        fail_to_connect(&discovery).await;
        advance(LOOK_AGAIN).await;
        assert_eq!(address(&discovery).await, 1);
        advance(LOOK_AGAIN).await;
        assert_eq!(address(&discovery).await, 3);
    }

    #[tokio::test(start_paused = true)]
    async fn without_any_address_it_looks_again_soon_and_then_less_and_less_often() {
        let (discovery, lookups) = discovery(|number| number <= 20);
        for _ in 0..100 {
            assert_eq!(discovery.addresses().await.unwrap_err().to_string(), "no 1");
        }
        assert_eq!(lookups.load(Ordering::SeqCst), 1);
        advance(LOOK_AGAIN_SOON).await;
        assert_eq!(discovery.addresses().await.unwrap_err().to_string(), "no 2");
        advance(LOOK_AGAIN_SOON).await;
        assert_eq!(discovery.addresses().await.unwrap_err().to_string(), "no 2");
        for number in 3..=20 {
            advance(LOOK_AGAIN).await;
            assert_eq!(discovery.addresses().await.unwrap_err().to_string(), format!("no {number}"));
            advance(LOOK_AGAIN / 11).await;
            assert_eq!(discovery.addresses().await.unwrap_err().to_string(), format!("no {number}"));
        }
        advance(LOOK_AGAIN).await;
        assert_eq!(address(&discovery).await, 21);
    }
}
