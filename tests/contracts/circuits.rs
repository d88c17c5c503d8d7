//! What sandboxes share of a circuit: the promises of the store, and fifty breakers over one Redis.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use futures_util::FutureExt;
use futures_util::future::join_all;
use mcp_core::breaker::{
    BreakerError, CircuitBreaker, Election, Options, RedisCircuits, SharedCircuits, SharedError, SharedState, State,
    Verdict,
};
use mcp_core::platform::BoxFuture;
use mcp_core::platform::clock::{Clock, ManualClock};
use mcp_core::platform::config::RedisEndpoint;
use mcp_core::platform::ids::new_id;
use mcp_core::platform::redis::{RedisClient, RedisOptions};

const RESET: Duration = Duration::from_secs(30);
const LEASE: Duration = Duration::from_secs(4);

/// A store whose time can be moved.
struct Store {
    circuits: Arc<dyn SharedCircuits>,
    clock: ManualClock,
}

fn client() -> Arc<RedisClient> {
    let endpoint = RedisEndpoint::parse("TEST_REDIS_URL", &support::services::redis_url()).unwrap();
    // Patient: tests share the machine with a build.
    let options = RedisOptions { deadline: Duration::from_secs(5), ..RedisOptions::default() };
    Arc::new(RedisClient::new(&endpoint, options).unwrap())
}

fn in_redis() -> Store {
    store_in(client())
}

fn store_in(client: Arc<RedisClient>) -> Store {
    let clock = ManualClock::at(DateTime::from_timestamp(1_750_000_000, 0).unwrap());
    let circuits = RedisCircuits::new(client, format!("test:{}:", new_id())).timed_by(Arc::new(clock.clone()));
    Store { circuits: Arc::new(circuits), clock }
}

impl Store {
    async fn state(&self) -> SharedState {
        self.circuits.read("x").await.unwrap().state
    }

    async fn opened(&self, holder: &str, trial: bool) -> SharedState {
        self.circuits.opened("x", holder, RESET, trial).await.unwrap().state
    }

    async fn elect(&self, holder: &str, seen: i64) -> Election {
        self.circuits.elect("x", holder, LEASE, seen).await.unwrap()
    }

    /// Open, and it is time to try.
    async fn due(&self) -> i64 {
        let epoch = self.circuits.opened("x", "a", RESET, false).await.unwrap().epoch;
        self.clock.advance(TimeDelta::seconds(30));
        epoch
    }
}

fn open(seconds: u64, openings: u32) -> SharedState {
    SharedState::Open { remaining: Duration::from_secs(seconds), openings }
}

async fn the_first_opening_counts(store: Store) {
    assert_eq!(store.state().await, SharedState::Unknown);
    assert_eq!(store.opened("a", false).await, open(30, 1));
    store.clock.advance(TimeDelta::seconds(10));
    assert_eq!(store.opened("b", false).await, open(20, 1));
    assert_eq!(store.state().await, open(20, 1));
}

async fn one_is_elected_and_only_when_it_is_time(store: Store) {
    let epoch = store.circuits.opened("x", "a", RESET, false).await.unwrap().epoch;
    assert!(matches!(
        store.elect("a", epoch).await,
        Election::Decided(Verdict { state: SharedState::Open { .. }, .. })
    ));
    store.clock.advance(TimeDelta::seconds(30));
    assert_eq!(store.elect("a", epoch).await, Election::Elected);
    assert!(matches!(store.elect("b", epoch).await, Election::Another(remaining) if remaining <= LEASE));
    assert_eq!(store.elect("a", epoch).await, Election::Elected, "whoever is elected stays so");
}

async fn who_was_elected_decides(store: Store) {
    let epoch = store.due().await;
    assert_eq!(store.elect("a", epoch).await, Election::Elected);
    assert_eq!(store.circuits.closed("x", "b", epoch).await.unwrap().state, open(0, 1), "only who tried may say so");
    let closed = store.circuits.closed("x", "a", epoch).await.unwrap();
    assert!(closed.state == SharedState::Closed && closed.epoch > epoch);
    assert_eq!(store.elect("b", epoch).await, Election::Decided(closed));
}

async fn a_failed_trial_opens_it_once_more(store: Store) {
    let epoch = store.due().await;
    assert_eq!(store.elect("a", epoch).await, Election::Elected);
    assert_eq!(store.opened("b", true).await, open(0, 1), "not by somebody else");
    assert_eq!(store.opened("a", true).await, open(30, 2));
    store.clock.advance(TimeDelta::seconds(30));
    assert_eq!(store.elect("b", epoch).await, Election::Elected, "the next trial is anybody's");
}

async fn what_is_told_too_late_is_not_believed(store: Store) {
    let epoch = store.due().await;
    // Its lease is over, and another found that the service is still down.
    let newer = store.circuits.opened("x", "b", RESET, true).await.unwrap();
    assert!(newer.epoch > epoch);
    assert_eq!(store.circuits.closed("x", "a", epoch).await.unwrap().state, open(30, 2));
    assert_eq!(store.circuits.closed("x", "a", newer.epoch).await.unwrap().state, SharedState::Closed);
}

async fn a_trial_ends_with_its_outcome(store: Store) {
    // The store does not know that it was open.
    assert_eq!(store.elect("a", 0).await, Election::Elected);
    assert_eq!(store.circuits.closed("x", "a", 0).await.unwrap().state, SharedState::Unknown);
    assert_eq!(store.opened("b", false).await, open(30, 1), "nobody tries any more");
}

async fn isolated_it_stays_so(store: Store) {
    let isolated = store.circuits.isolate("x", true).await.unwrap();
    assert_eq!(isolated.state, SharedState::Isolated);
    store.clock.advance(TimeDelta::hours(1));
    assert_eq!(store.opened("a", false).await, SharedState::Isolated);
    assert_eq!(store.circuits.closed("x", "a", i64::MAX).await.unwrap().state, SharedState::Isolated);
    assert_eq!(store.elect("a", isolated.epoch).await, Election::Decided(isolated));
    assert_eq!(store.circuits.isolate("x", false).await.unwrap().state, SharedState::Closed);
}

async fn a_decision_is_newer_than_the_one_before(store: Store) {
    let mut epochs = vec![store.circuits.opened("x", "a", RESET, false).await.unwrap().epoch];
    for _ in 0..3 {
        epochs.push(store.circuits.closed("x", "a", i64::MAX).await.unwrap().epoch);
        epochs.push(store.circuits.opened("x", "a", RESET, false).await.unwrap().epoch);
    }
    assert!(epochs.windows(2).all(|pair| pair[0] < pair[1]), "{epochs:?}");
}

/// Makes each promise a test.
macro_rules! contract {
    ($($promise:ident),* $(,)?) => {
        /// All promises, in the Redis of `client`.
        pub(crate) async fn every_promise(client: Arc<RedisClient>) {
            $(
                $promise(store_in(client.clone())).await;
            )*
        }

        mod redis {
            $(
                #[tokio::test]
                async fn $promise() {
                    super::$promise(super::in_redis()).await;
                }
            )*
        }
    };
}

contract!(
    the_first_opening_counts,
    one_is_elected_and_only_when_it_is_time,
    who_was_elected_decides,
    a_failed_trial_opens_it_once_more,
    what_is_told_too_late_is_not_believed,
    a_trial_ends_with_its_outcome,
    isolated_it_stays_so,
    a_decision_is_newer_than_the_one_before,
);

/// A store that breaks a promise.
struct Broken {
    inner: Arc<dyn SharedCircuits>,
    elects_all: bool,
    forgets_openings: bool,
}

impl SharedCircuits for Broken {
    fn read<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Verdict, SharedError>> {
        self.inner.read(name)
    }

    fn opened<'a>(
        &'a self,
        name: &'a str,
        holder: &'a str,
        reset: Duration,
        trial: bool,
    ) -> BoxFuture<'a, Result<Verdict, SharedError>> {
        Box::pin(async move {
            if self.forgets_openings {
                self.inner.isolate(name, false).await?;
            }
            self.inner.opened(name, holder, reset, trial).await
        })
    }

    fn closed<'a>(&'a self, name: &'a str, holder: &'a str, seen: i64) -> BoxFuture<'a, Result<Verdict, SharedError>> {
        self.inner.closed(name, holder, seen)
    }

    fn elect<'a>(
        &'a self,
        name: &'a str,
        holder: &'a str,
        lease: Duration,
        seen: i64,
    ) -> BoxFuture<'a, Result<Election, SharedError>> {
        Box::pin(async move {
            match self.inner.elect(name, holder, lease, seen).await? {
                Election::Another(_) if self.elects_all => Ok(Election::Elected),
                election => Ok(election),
            }
        })
    }

    fn isolate<'a>(&'a self, name: &'a str, isolated: bool) -> BoxFuture<'a, Result<Verdict, SharedError>> {
        self.inner.isolate(name, isolated)
    }
}

#[tokio::test]
async fn the_suite_catches_a_store_that_breaks_a_promise() {
    type Promise = fn(Store) -> BoxFuture<'static, ()>;
    let broken: [(bool, bool, Promise); 2] = [
        (true, false, |store| one_is_elected_and_only_when_it_is_time(store).boxed()),
        (false, true, |store| the_first_opening_counts(store).boxed()),
    ];
    for (elects_all, forgets_openings, promise) in broken {
        let Store { circuits, clock } = in_redis();
        let circuits = Arc::new(Broken { inner: circuits, elects_all, forgets_openings });
        assert!(tokio::spawn(promise(Store { circuits, clock })).await.is_err());
    }
}

/// Breakers of as many sandboxes around one service, each with a connection of its own.
struct Sandboxes {
    breakers: Vec<CircuitBreaker>,
    clock: ManualClock,
    calls: AtomicUsize,
}

fn sandboxes(count: usize) -> Sandboxes {
    let clock = ManualClock::at(DateTime::from_timestamp(1_750_000_000, 0).unwrap());
    let shared: Arc<dyn Clock> = Arc::new(clock.clone());
    let prefix = format!("test:{}:", new_id());
    let breaker = |_| {
        let circuits = RedisCircuits::new(client(), prefix.clone()).timed_by(shared.clone());
        CircuitBreaker::new(Options::new("service"), shared.clone()).shared_through(Arc::new(circuits))
    };
    Sandboxes { breakers: (0..count).map(breaker).collect(), clock, calls: AtomicUsize::new(0) }
}

impl Sandboxes {
    async fn call(&self, index: usize, works: bool) -> Result<(), BreakerError<&'static str>> {
        let call = async {
            self.calls.fetch_add(1, Ordering::SeqCst);
            // Long enough for all the others to ask meanwhile.
            tokio::time::sleep(Duration::from_millis(300)).await;
            if works { Ok(()) } else { Err("down") }
        };
        self.breakers[index].call(call).await
    }

    /// All at once: how many calls reached the service.
    async fn call_all(&self, works: bool) -> usize {
        let before = self.calls.load(Ordering::SeqCst);
        join_all((0..self.breakers.len()).map(|index| self.call(index, works))).await;
        self.calls.load(Ordering::SeqCst) - before
    }

    async fn open_by_the_first(&self) {
        join_all((0..5).map(|_| self.call(0, false))).await;
        assert_eq!(self.breakers[0].state(), State::Open);
    }
}

#[tokio::test]
async fn when_one_of_fifty_opens_none_of_the_others_calls() {
    let all = sandboxes(50);
    assert_eq!(all.call_all(true).await, 50);
    all.open_by_the_first().await;
    // Within a second they may go by what they knew.
    all.clock.advance(TimeDelta::seconds(1));
    assert_eq!(all.call_all(true).await, 0);
    assert!(all.breakers.iter().all(|breaker| breaker.state() == State::Open));
    let refused = all.call(49, true).await.unwrap_err();
    assert_eq!(refused, BreakerError::Open { retry_after: Duration::from_secs(29) });
}

#[tokio::test]
async fn one_of_fifty_tries_and_what_it_finds_holds_for_all() {
    let all = sandboxes(50);
    all.open_by_the_first().await;
    all.clock.advance(TimeDelta::seconds(30));
    assert_eq!(all.call_all(false).await, 1);
    all.clock.advance(TimeDelta::seconds(1));
    assert_eq!(all.call_all(false).await, 0, "the trial failed: open for all");
    all.clock.advance(TimeDelta::seconds(29));
    assert_eq!(all.call_all(true).await, 1);
    all.clock.advance(TimeDelta::seconds(1));
    assert_eq!(all.call_all(true).await, 50, "the trial succeeded: closed for all");
}

#[tokio::test]
async fn a_trial_whose_sandbox_died_is_anothers_when_its_time_is_over() {
    let all = sandboxes(2);
    all.open_by_the_first().await;
    all.clock.advance(TimeDelta::seconds(30));
    let dead = tokio::time::timeout(Duration::from_millis(100), all.call(0, true)).await;
    assert!(dead.is_err());
    // The lease is the server's to end: four seconds.
    let found = async {
        while all.call(1, true).await.is_err() {
            all.clock.advance(TimeDelta::seconds(1));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), found).await.expect("nobody else was elected");
    assert_eq!(all.breakers[1].state(), State::Closed);
}

#[tokio::test]
async fn a_sandbox_whose_clock_is_ahead_does_not_try_before_its_time() {
    let store = in_redis();
    let clock = ManualClock::at(store.clock.now());
    let breaker =
        CircuitBreaker::new(Options::new("x"), Arc::new(clock.clone())).shared_through(store.circuits.clone());
    for _ in 0..5 {
        breaker.call(async { Err::<(), _>("down") }).await.unwrap_err();
    }
    clock.advance(TimeDelta::milliseconds(30_000));
    store.clock.advance(TimeDelta::milliseconds(29_800));
    for _ in 0..3 {
        let refused = breaker.call(async { Ok::<_, &str>(()) }).await.unwrap_err();
        assert_eq!(refused, BreakerError::Open { retry_after: Duration::from_millis(200) });
    }
    clock.advance(TimeDelta::milliseconds(200));
    store.clock.advance(TimeDelta::milliseconds(200));
    breaker.call(async { Ok::<_, &str>(()) }).await.unwrap();
}

#[tokio::test]
async fn what_was_isolated_for_all_stays_so_when_it_is_let_in_here() {
    let store = in_redis();
    let clock: Arc<dyn Clock> = Arc::new(store.clock.clone());
    let breaker = CircuitBreaker::new(Options::new("x"), clock).shared_through(store.circuits.clone());
    let call = async || {
        store.clock.advance(TimeDelta::seconds(1));
        breaker.call(async { Ok::<_, &str>(()) }).await
    };
    breaker.isolate();
    store.circuits.isolate("x", true).await.unwrap();
    call().await.unwrap_err();
    breaker.close();
    call().await.unwrap_err();
    assert_eq!(breaker.state(), State::Isolated);
    store.circuits.isolate("x", false).await.unwrap();
    call().await.unwrap();
    // And the other way round: what is isolated here stays so.
    breaker.isolate();
    store.circuits.isolate("x", true).await.unwrap();
    store.circuits.isolate("x", false).await.unwrap();
    call().await.unwrap_err();
}

#[tokio::test]
async fn without_the_store_each_goes_on_by_itself() {
    let clock = ManualClock::at(DateTime::UNIX_EPOCH);
    let endpoint =
        RedisEndpoint::parse("REDIS_URL", &format!("redis://127.0.0.1:{}", support::ports::free_port())).unwrap();
    let nowhere = Arc::new(RedisClient::new(&endpoint, RedisOptions::default()).unwrap());
    let breaker = CircuitBreaker::new(Options::new("service"), Arc::new(clock.clone()))
        .shared_through(Arc::new(RedisCircuits::new(nowhere, "circuit:")));
    for _ in 0..5 {
        breaker.call(async { Err::<(), _>("down") }).await.unwrap_err();
    }
    assert_eq!(breaker.state(), State::Open);
    clock.advance(TimeDelta::seconds(30));
    breaker.call(async { Ok::<_, &str>(()) }).await.unwrap();
    assert_eq!(breaker.state(), State::Closed);
}
