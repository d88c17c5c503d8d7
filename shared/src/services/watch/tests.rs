use std::sync::atomic::Ordering;

use chrono::{DateTime, TimeDelta};

use super::*;
use crate::domain::chain::Block;
use crate::domain::watch::{ChainEvent, WatchEvent};
use crate::platform::clock::ManualClock;
use crate::services::fake_store::FakeStore;
use crate::sources::SourceError;
use crate::sources::chains::ChainError;
use crate::sources::chains::fake::{FakeChain, FakeChains};

mod settling;

struct Fixture {
    chain: Arc<FakeChain>,
    store: Arc<FakeStore>,
    clock: ManualClock,
    watcher: Watcher,
}

fn filter(name: &str, chain: ChainId) -> EventFilter {
    EventFilter { name: name.to_owned(), chain, addresses: vec![], topics: vec![], from_block: Some(0) }
}

fn fixture() -> Fixture {
    let clock = ManualClock::at(DateTime::UNIX_EPOCH + TimeDelta::days(20_000));
    let (chain, store) = (FakeChain::new(1), Arc::new(FakeStore::default()));
    let watcher = watcher(&store, std::slice::from_ref(&chain), &clock);
    Fixture { chain, store, clock, watcher }
}

fn watcher(store: &Arc<FakeStore>, chains: &[Arc<FakeChain>], clock: &ManualClock) -> Watcher {
    Watcher {
        chains: Arc::new(FakeChains(chains.to_vec())),
        filters: chains.iter().map(|chain| filter("all", chain.chain().id.clone())).collect(),
        store: Arc::clone(store) as _,
        events: Arc::clone(store) as _,
        clock: Arc::new(clock.clone()),
    }
}

impl Fixture {
    fn soon(&self) -> Timestamp {
        self.clock.now() + TimeDelta::seconds(60)
    }

    async fn run(&self) -> Result<WatchSummary, Error> {
        self.watcher.run("one", self.soon()).await
    }

    fn recorded(&self) -> Vec<WatchEvent> {
        self.store.events.lock().unwrap().iter().map(|event| event.decode().unwrap()).collect()
    }

    /// What is observed and was not retracted, each once.
    #[track_caller]
    fn assert_holds_what_the_chain_holds(&self) {
        let mut live: Vec<ChainEvent> = vec![];
        for event in self.recorded() {
            match event {
                WatchEvent::Observed(observed) => {
                    assert!(!live.contains(&observed.event), "observed twice: {observed:?}");
                    live.push(observed.event);
                }
                WatchEvent::Retracted(gone) => {
                    let is_it = |event: &ChainEvent| event.block == gone.block && event.index == gone.index;
                    let place = live.iter().position(is_it);
                    live.remove(place.expect("it was observed"));
                }
                WatchEvent::Scanned(_) => {}
            }
        }
        live.sort_by_key(|event| (event.block.number, event.index));
        assert_eq!(live, self.chain.model.lock().unwrap().events());
    }
}

#[tokio::test]
async fn everything_is_observed_once() {
    let it = fixture();
    it.chain.grow(&[1, 0, 100, 3, 0]);
    let first = it.run().await.unwrap();
    let wanted = WatchSummary { filters: 1, scanned_blocks: 5, observed: 104, ..WatchSummary::default() };
    assert_eq!(first, wanted);
    it.assert_holds_what_the_chain_holds();
    assert_eq!(it.store.events.lock().unwrap()[0].metadata.correlation_id, "one");
    let again = it.run().await.unwrap();
    assert_eq!(again, WatchSummary { filters: 1, ..WatchSummary::default() });
    it.chain.grow(&[2]);
    assert_eq!(it.run().await.unwrap().observed, 2);
    it.assert_holds_what_the_chain_holds();
}

#[tokio::test]
async fn a_reorganisation_is_followed() {
    let it = fixture();
    it.chain.grow(&[1, 2, 3, 4]);
    it.run().await.unwrap();
    it.chain.model.lock().unwrap().cut(2);
    it.chain.grow(&[1, 0, 5]);
    let summary = it.run().await.unwrap();
    assert_eq!((summary.retracted, summary.observed, summary.scanned_blocks), (7, 6, 3));
    it.assert_holds_what_the_chain_holds();
    let Some(WatchEvent::Scanned(scanned)) = it.recorded().pop() else { panic!("the scan has ended") };
    assert_eq!(scanned.left_at, Some(2));
}

#[tokio::test]
async fn who_dies_between_any_two_appends_loses_and_doubles_nothing() {
    for appends in 0..12 {
        let it = fixture();
        it.chain.set_step(3);
        it.chain.grow(&[1, 100, 0, 200, 3, 0, 1]);
        *it.store.appends_left.lock().unwrap() = Some(appends);
        let first = it.run().await;
        *it.store.appends_left.lock().unwrap() = None;
        let done = first.is_ok();
        it.run().await.unwrap();
        it.assert_holds_what_the_chain_holds();
        // And while it follows the chain to another branch.
        it.chain.model.lock().unwrap().cut(6);
        it.chain.grow(&[1, 100, 0, 2, 120, 1, 4]);
        *it.store.appends_left.lock().unwrap() = Some(appends);
        let second = it.run().await;
        *it.store.appends_left.lock().unwrap() = None;
        // The chain may be on another branch again by the time that somebody comes.
        it.chain.model.lock().unwrap().cut(3);
        it.chain.grow(&[7, 0, 0, 7]);
        it.run().await.unwrap();
        it.assert_holds_what_the_chain_holds();
        assert_eq!((done, second.is_ok()), (appends >= 6, appends >= 8), "{appends} appends");
    }
}

#[tokio::test]
async fn two_watchers_at_once_double_nothing() {
    let it = fixture();
    it.chain.grow(&[1, 100, 0, 200, 3]);
    // A lease of a paused process runs out: both believe that they are alone.
    let other = fixture();
    let filter = it.watcher.filters[0].clone();
    let twin = watcher(&it.store, std::slice::from_ref(&it.chain), &other.clock);
    let (mut a, mut b) = (Progress::default(), Progress::default());
    let deadline = it.soon();
    let (one, two) = tokio::join!(
        it.watcher.catch_up(&filter, "lease-a", "one", deadline, &mut a),
        twin.catch_up(&filter, "lease-b", "two", deadline, &mut b),
    );
    one.and(two).unwrap();
    it.assert_holds_what_the_chain_holds();
    assert_eq!(a.observed + b.observed, 304);
}

#[tokio::test]
async fn an_older_view_that_comes_late_retracts_nothing() {
    let it = fixture();
    it.chain.grow(&[1; 5]);
    let filter = it.watcher.filters[0].clone();
    let mut late = Reader::load(&it.watcher, &filter, "late").await.unwrap();
    let old_view = it.chain.events_after(&filter, late.trail()).await.unwrap();
    it.chain.grow(&[1; 5]);
    it.run().await.unwrap();
    let mut progress = Progress::default();
    assert!(!late.record(old_view, &mut progress).await.unwrap());
    assert_eq!((progress.observed, progress.retracted), (0, 0));
    it.assert_holds_what_the_chain_holds();
}

#[tokio::test]
async fn a_filter_that_another_watcher_holds_is_left_to_it() {
    let it = fixture();
    it.chain.grow(&[1]);
    let ttl = Duration::from_secs(40);
    assert!(it.store_as_leases().acquire("chain-watch:eip155:1/all", "two", it.clock.now(), ttl).await.unwrap());
    assert_eq!(it.run().await.unwrap().observed, 0);
    it.clock.advance(TimeDelta::seconds(41));
    assert_eq!(it.run().await.unwrap().observed, 1);
    // It is given back.
    assert!(it.store_as_leases().acquire("chain-watch:eip155:1/all", "two", it.clock.now(), ttl).await.unwrap());
}

impl Fixture {
    fn store_as_leases(&self) -> &dyn crate::store::Leases {
        self.store.as_ref()
    }
}

#[tokio::test]
async fn a_chain_that_is_down_stops_no_other() {
    let mut it = fixture();
    let down = FakeChain::new(2);
    down.down.store(true, Ordering::SeqCst);
    it.chain.grow(&[1, 1]);
    it.watcher = watcher(&it.store, &[down.clone(), it.chain.clone()], &it.clock);
    let unknown = filter("all", ChainId::evm(3));
    it.watcher.filters.push(unknown);
    let summary = it.run().await.unwrap();
    assert_eq!((summary.filters, summary.failed, summary.observed), (3, 2, 2));
    it.chain.down.store(true, Ordering::SeqCst);
    it.watcher.filters.pop();
    let error = it.run().await.unwrap_err();
    assert!(matches!(&error, Error::Unavailable { service, .. } if service.starts_with("chain-")), "{error:?}");
}

#[tokio::test]
async fn a_long_quiet_stretch_is_read_to_its_end_in_small_steps_and_written_now_and_then() {
    let it = fixture();
    it.chain.set_step(50);
    it.chain.grow(&[0; 600]);
    let summary = it.run().await.unwrap();
    assert_eq!(summary.scanned_blocks, 600);
    let through: Vec<_> = it.recorded().iter().map(through).collect();
    assert_eq!(through, [49, 349]);
    // What is not written is read again, and what is in it then is observed.
    it.chain.model.lock().unwrap().cut(100);
    it.chain.grow(&[1; 101]);
    assert_eq!(it.run().await.unwrap().observed, 101);
    it.assert_holds_what_the_chain_holds();
}

fn through(event: &WatchEvent) -> u64 {
    let WatchEvent::Scanned(scanned) = event else { panic!("{event:?} of a quiet chain") };
    scanned.block.number
}

#[tokio::test]
async fn a_filter_that_lost_its_first_blocks_goes_on_where_it_began() {
    let mut it = fixture();
    it.watcher.filters[0].from_block = None;
    it.chain.grow(&[0, 0, 0, 100]);
    it.run().await.unwrap();
    it.chain.model.lock().unwrap().cut(1);
    it.chain.grow(&[2, 1, 1]);
    // It dies after the first retractions: the trail is empty, and the newest block is not where to begin.
    *it.store.appends_left.lock().unwrap() = Some(1);
    it.watcher.filters[0].from_block = Some(3);
    it.run().await.unwrap_err();
    it.watcher.filters[0].from_block = None;
    *it.store.appends_left.lock().unwrap() = None;
    it.run().await.unwrap();
    it.assert_holds_what_the_chain_holds();
}

#[tokio::test]
async fn no_round_is_started_that_could_not_end() {
    let it = fixture();
    let error = it.watcher.run("one", it.clock.now() + TimeDelta::seconds(19)).await.unwrap_err();
    assert!(matches!(error, Error::TooShort(_)));
}

#[tokio::test(start_paused = true)]
async fn a_follower_records_what_comes_and_goes_on_after_failures() {
    let it = fixture();
    it.chain.grow(&[1, 2]);
    let filter = it.watcher.filters[0].clone();
    let follower = it.watcher.follow(&filter);
    let story = async {
        let settled = async || tokio::time::sleep(Duration::from_secs(300)).await;
        settled().await;
        it.assert_holds_what_the_chain_holds();
        it.chain.grow(&[0, 3]);
        settled().await;
        it.assert_holds_what_the_chain_holds();
        it.chain.down.store(true, Ordering::SeqCst);
        it.chain.model.lock().unwrap().cut(2);
        it.chain.grow(&[4, 4, 4]);
        settled().await;
        it.chain.down.store(false, Ordering::SeqCst);
        settled().await;
        it.assert_holds_what_the_chain_holds();
        // Another watcher goes ahead of it: nothing of that is taken back.
        it.chain.pause_subscriptions.store(true, Ordering::SeqCst);
        it.chain.grow(&[1, 1]);
        it.run().await.unwrap();
        let before = it.recorded().len();
        it.chain.pause_subscriptions.store(false, Ordering::SeqCst);
        settled().await;
        it.chain.grow(&[1]);
        settled().await;
        it.assert_holds_what_the_chain_holds();
        assert_eq!(it.recorded().len(), before + 2);
    };
    tokio::select! {
        () = follower => panic!("a follower never ends"),
        () = story => {}
    }
}

#[test]
fn a_pause_grows_up_to_a_minute() {
    for (failures, whole) in [(0, 1), (1, 2), (5, 32), (6, 60), (u32::MAX, 60)] {
        let pause = pause(failures);
        assert!(
            pause >= Duration::from_secs(whole) / 2 && pause <= Duration::from_secs(whole),
            "{failures}: {pause:?}"
        );
    }
}

#[test]
fn what_a_chain_refuses_is_the_callers_and_what_it_does_not_answer_is_not() {
    let source = SourceError::CircuitOpen { retry_after: Duration::from_secs(7) };
    let error = Error::from(ChainError::Unavailable { chain: "base".to_owned(), source });
    assert!(matches!(&error, Error::Unavailable { service, retry_after: Some(after) }
        if service == "base" && after.as_secs() == 7));
    for error in [ChainError::Invalid("no".to_owned()), ChainError::Refused("no".to_owned())] {
        assert!(matches!(Error::from(error), Error::Invalid(problem) if problem == "no"));
    }
}

/// A block that nothing else is told of.
fn block(number: u64) -> Block {
    Block { number, hash: format!("0x{number}") }
}
