//! Many callers, one call: what is asked at about the same time is gathered for a moment and loaded together, and what
//! is being loaded already is waited for.
//!
//! A batch is a shared future that its waiters drive: no task is spawned, a waiter that goes away harms no other, and
//! when the last one goes away the load is dropped with it.

use std::collections::{HashMap, HashSet};
use std::future::{Future, poll_fn};
use std::hash::Hash;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt, Shared, WeakShared, join_all};
use futures_util::task::AtomicWaker;
use tokio::time::Instant;

/// What is known of the keys of a batch.
type Results<K, V> = Arc<HashMap<K, V>>;
type Batch<K, V> = Shared<BoxFuture<'static, Results<K, V>>>;
type WeakBatch<K, V> = WeakShared<BoxFuture<'static, Results<K, V>>>;
type Load<K, V> = dyn Fn(Vec<K>) -> BoxFuture<'static, HashMap<K, V>> + Send + Sync;

/// How long keys are gathered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    /// Until no new key has come for so long,
    pub(crate) quiet: Duration,
    /// and at most so long.
    pub(crate) longest: Duration,
}

impl Window {
    /// No longer than it takes to ask whoever is about to ask.
    pub(crate) const NOW: Self = Self { quiet: Duration::ZERO, longest: Duration::ZERO };
}

/// Gathers keys and loads them together.
pub(crate) struct Batcher<K, V> {
    window: Window,
    load: Arc<Load<K, V>>,
    state: Arc<Mutex<State<K, V>>>,
}

struct State<K, V> {
    /// Batches so far.
    count: u64,
    /// The batch that still takes keys.
    gathering: Option<Gathering<K, V>>,
    /// The batch of each key that is being gathered or loaded. Weak, so that only waiters keep a batch alive.
    under_way: HashMap<K, (u64, WeakBatch<K, V>)>,
}

struct Gathering<K, V> {
    number: u64,
    keys: HashSet<K>,
    batch: WeakBatch<K, V>,
}

impl<K: Eq + Hash, V> State<K, V> {
    /// The keys of a batch are no longer under way, but for those that a later one took over.
    fn forget(&mut self, batch: u64, keys: &HashSet<K>) {
        for key in keys {
            if self.under_way.get(key).is_some_and(|(number, _)| *number == batch) {
                self.under_way.remove(key);
            }
        }
    }
}

impl<K, V> Batcher<K, V>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Gathers for `window`, then calls `load`, which answers for every key that it is given.
    pub(crate) fn new<F>(window: Window, load: impl Fn(Vec<K>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = HashMap<K, V>> + Send + 'static,
    {
        let state = State { count: 0, gathering: None, under_way: HashMap::new() };
        Self { window, load: Arc::new(move |keys| load(keys).boxed()), state: Arc::new(Mutex::new(state)) }
    }

    /// What is known of `keys`.
    pub(crate) async fn get(&self, keys: &[K]) -> HashMap<K, V> {
        let results = join_all(self.join(keys)).await;
        let value = |key: &K| results.iter().find_map(|result| result.get(key)).cloned();
        keys.iter().filter_map(|key| Some((key.clone(), value(key)?))).collect()
    }

    /// Whether somebody waits for `key`.
    pub(crate) fn is_under_way(&self, key: &K) -> bool {
        self.lock().under_way.contains_key(key)
    }

    /// The batches that bring `keys`.
    fn join(&self, keys: &[K]) -> Vec<Batch<K, V>> {
        let mut batches: Vec<(u64, Batch<K, V>)> = vec![];
        // Declared before the guard, so that a batch whose last waiter just left is dropped after it: its end locks too.
        let mut locked = self.lock();
        let state = &mut *locked;
        for key in keys {
            let known = |batches: &[(u64, _)], number| batches.iter().any(|(other, _)| *other == number);
            if let Some((number, batch)) = state.under_way.get(key) {
                if known(&batches, *number) {
                    continue;
                }
                if let Some(batch) = batch.upgrade() {
                    batches.push((*number, batch));
                    continue;
                }
            }
            let joined = state.gathering.as_ref().and_then(|gathering| {
                let own = batches.iter().find(|(number, _)| *number == gathering.number);
                own.map(|(_, batch)| batch.clone()).or_else(|| gathering.batch.upgrade())
            });
            let batch = joined.unwrap_or_else(|| self.begin(state));
            let Some(gathering) = &mut state.gathering else { continue };
            gathering.keys.insert(key.clone());
            state.under_way.insert(key.clone(), (gathering.number, gathering.batch.clone()));
            if !known(&batches, gathering.number) {
                batches.push((gathering.number, batch));
            }
        }
        drop(locked);
        batches.into_iter().map(|(_, batch)| batch).collect()
    }

    /// A new batch that takes keys.
    fn begin(&self, state: &mut State<K, V>) -> Batch<K, V> {
        // One that is still there lost its waiters, and its end is about to find out.
        if let Some(lost) = state.gathering.take() {
            state.forget(lost.number, &lost.keys);
        }
        state.count += 1;
        let number = state.count;
        let (window, load) = (self.window, Arc::clone(&self.load));
        let end = End { number, keys: HashSet::new(), state: Arc::clone(&self.state) };
        let batch = async move {
            let mut end = end;
            end.gather(window).await;
            let keys = end.close();
            Arc::new(load(keys).await)
        };
        let batch = batch.boxed().shared();
        // A future that has not been polled to its end can always be downgraded.
        if let Some(weak) = batch.downgrade() {
            state.gathering = Some(Gathering { number, keys: HashSet::new(), batch: weak });
        }
        batch
    }

    fn lock(&self) -> MutexGuard<'_, State<K, V>> {
        lock(&self.state)
    }
}

/// The end of a batch, done or dropped: its keys are no longer under way.
struct End<K: Eq + Hash, V> {
    number: u64,
    keys: HashSet<K>,
    state: Arc<Mutex<State<K, V>>>,
}

impl<K: Clone + Eq + Hash, V> End<K, V> {
    /// Waits while keys keep coming. Callers that are about to ask are let through before the silence is believed.
    async fn gather(&self, window: Window) {
        let_others_go_first().await;
        let until = Instant::now() + window.longest;
        let mut seen = 1;
        while Instant::now() < until {
            tokio::time::sleep(window.quiet).await;
            let_others_go_first().await;
            let keys = lock(&self.state).gathering.as_ref().map_or(0, |gathering| gathering.keys.len());
            if keys == seen {
                break;
            }
            seen = keys;
        }
    }

    /// Ends the gathering: the keys to load.
    fn close(&mut self) -> Vec<K> {
        if let Some(gathering) = lock(&self.state).gathering.take_if(|gathering| gathering.number == self.number) {
            self.keys = gathering.keys;
        }
        self.keys.iter().cloned().collect()
    }
}

impl<K: Eq + Hash, V> Drop for End<K, V> {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        state.forget(self.number, &self.keys);
        if let Some(own) = state.gathering.take_if(|gathering| gathering.number == self.number) {
            state.forget(own.number, &own.keys);
        }
    }
}

/// Gives way until the runtime comes back, however often it is polled meanwhile: each waiter polls the batch that it shares,
/// and to tokio's `yield_now` the second poll is the end, whoever's it is.
async fn let_others_go_first() {
    let turn = Arc::new(Turn::default());
    let mut begun = false;
    poll_fn(move |context| {
        turn.waiting.register(context.waker());
        if turn.is_over.load(Ordering::Acquire) {
            return Poll::Ready(());
        }
        if !begun {
            begun = true;
            let waker = Waker::from(Arc::clone(&turn));
            // It has just begun, and wakes at its end.
            let _ = pin!(tokio::task::yield_now()).poll(&mut Context::from_waker(&waker));
        }
        Poll::Pending
    })
    .await;
}

/// The turn of all others.
#[derive(Default)]
struct Turn {
    is_over: AtomicBool,
    waiting: AtomicWaker,
}

impl Wake for Turn {
    fn wake(self: Arc<Self>) {
        self.is_over.store(true, Ordering::Release);
        self.waiting.wake();
    }
}

fn lock<K, V>(state: &Mutex<State<K, V>>) -> MutexGuard<'_, State<K, V>> {
    // A panic in between leaves at worst a key under way, whose batch cannot be upgraded.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    const WINDOW: Window = Window { quiet: Duration::from_millis(2), longest: Duration::from_millis(20) };

    struct Fixture {
        batcher: Batcher<u32, u32>,
        loads: Arc<AtomicUsize>,
    }

    /// Doubles its keys, slowly.
    fn fixture() -> Fixture {
        with_window(WINDOW)
    }

    fn with_window(window: Window) -> Fixture {
        let loads = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&loads);
        let batcher = Batcher::new(window, move |keys: Vec<u32>| {
            counter.fetch_add(1, Ordering::SeqCst);
            async move {
                tokio::time::sleep(Duration::from_millis(100)).await;
                keys.into_iter().map(|key| (key, 2 * key)).collect()
            }
        });
        Fixture { batcher, loads }
    }

    impl Fixture {
        fn loads(&self) -> usize {
            self.loads.load(Ordering::SeqCst)
        }

        fn is_idle(&self) -> bool {
            let state = self.batcher.lock();
            state.under_way.is_empty() && state.gathering.is_none()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_hundred_callers_make_one_load() {
        let it = fixture();
        let keys: Vec<_> = (0..100).map(|key| [key]).collect();
        let results = join_all(keys.iter().map(|key| it.batcher.get(key))).await;
        assert!((0..100).zip(&results).all(|(key, result)| *result == HashMap::from([(key, 2 * key)])));
        assert_eq!(it.loads(), 1);
        let same = join_all((0..100).map(|_| it.batcher.get(&[1, 2, 1]))).await;
        assert!(same.iter().all(|result| *result == HashMap::from([(1, 2), (2, 4)])));
        assert_eq!(it.loads(), 2);
        assert!(it.is_idle());
    }

    /// Each of them polls the batch.
    #[tokio::test(start_paused = true)]
    async fn without_a_window_who_asks_at_once_is_still_together() {
        let it = with_window(Window::NOW);
        for callers in [1, 2, 3, 30, 31, 100] {
            let before = it.loads();
            let keys: Vec<_> = (0..callers).map(|key| [key]).collect();
            let results = join_all(keys.iter().map(|key| it.batcher.get(key))).await;
            assert!((0..callers).zip(&results).all(|(key, result)| *result == HashMap::from([(key, 2 * key)])));
            assert_eq!(it.loads() - before, 1, "{callers} callers");
        }
        assert!(it.is_idle());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_being_loaded_is_waited_for() {
        let it = fixture();
        let later = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            it.batcher.get(&[1, 3]).await
        };
        let (first, second) = tokio::join!(it.batcher.get(&[1, 2]), later);
        assert_eq!(first, HashMap::from([(1, 2), (2, 4)]));
        assert_eq!(second, HashMap::from([(1, 2), (3, 6)]));
        assert_eq!(it.loads(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_goes_away_harms_no_other() {
        for millis in [0, 1, 50] {
            let it = fixture();
            let mut leader = Box::pin(it.batcher.get(&[1]));
            assert!(leader.as_mut().now_or_never().is_none());
            let follower = it.batcher.get(&[1, 2]);
            let leave = async {
                let _ = tokio::time::timeout(Duration::from_millis(millis), leader).await;
            };
            let (result, ()) = tokio::join!(follower, leave);
            assert_eq!(result, HashMap::from([(1, 2), (2, 4)]));
            assert_eq!(it.loads(), 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn when_all_go_away_nothing_is_left_behind() {
        for (millis, loads) in [(1, 0), (50, 1)] {
            let it = fixture();
            tokio::time::timeout(Duration::from_millis(millis), it.batcher.get(&[1, 2])).await.unwrap_err();
            assert!(it.is_idle());
            assert_eq!(it.loads(), loads);
            assert_eq!(it.batcher.get(&[1]).await, HashMap::from([(1, 2)]));
        }
    }

    #[tokio::test]
    async fn many_threads_agree() {
        let it = Arc::new(fixture());
        let caller = |start: u32| {
            let it = Arc::clone(&it);
            tokio::spawn(async move {
                for key in start..start + 50 {
                    let limit = Duration::from_millis(u64::from(key % 7) * 60);
                    if let Ok(result) = tokio::time::timeout(limit, it.batcher.get(&[key, key + 1])).await {
                        assert_eq!(result[&key], 2 * key);
                    }
                }
            })
        };
        let callers: Vec<_> = (0..8).map(|start| caller(start * 3)).collect();
        for caller in callers {
            caller.await.unwrap();
        }
        assert!(it.is_idle());
    }
}
