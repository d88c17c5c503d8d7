use std::sync::atomic::Ordering;

use chrono::{DateTime, TimeDelta};
use tokio::time::Instant;

use super::*;
use crate::breaker::{self, Breakers};
use crate::cache::{Cache, MemoryTier};
use crate::platform::config::Vars;
use crate::services::fake_store::FakeStore;
use crate::sources::SourceError;
use crate::sources::prices::fake::{FakeSource, coin, quote};

/// A clock that goes with Tokio's, which jumps ahead while a test waits.
struct PausedClock(Instant);

impl Clock for PausedClock {
    fn now(&self) -> Timestamp {
        DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + delta(self.0.elapsed())
    }
}

struct Fixture {
    source: Arc<FakeSource>,
    store: Arc<FakeStore>,
    poller: Poller,
}

fn fixture() -> Fixture {
    let clock: Arc<dyn Clock> = Arc::new(PausedClock(Instant::now()));
    let source = FakeSource::new("fake", Ok(vec![quote("a", "1"), quote("b", "2")]));
    let sources = Arc::new(OrderedSources::new(
        [(Arc::clone(&source) as _, breaker::Options::new("fake"))],
        &clock,
        &Breakers::new(clock.clone()),
    ));
    let store = Arc::new(FakeStore::default());
    let every = Duration::from_secs(20);
    let cache = PriceCache::new(Arc::new(Cache::new(MemoryTier::new(1 << 20, clock.clone()), clock.clone())), every);
    let coins = vec![coin("a"), coin("b"), coin("unknown")];
    let poller =
        Poller { sources, events: Arc::clone(&store) as _, store: Arc::clone(&store) as _, cache, coins, every, clock };
    Fixture { source, store, poller }
}

impl Fixture {
    fn in_seconds(&self, seconds: i64) -> Timestamp {
        self.poller.clock.now() + TimeDelta::seconds(seconds)
    }
}

#[tokio::test(start_paused = true)]
async fn an_invocation_makes_the_rounds_of_a_minute_and_appends_what_changed() {
    let it = fixture();
    let started = Instant::now();
    let change = async {
        tokio::time::sleep(Duration::from_secs(30)).await;
        it.source.set(Ok(vec![quote("a", "1"), quote("b", "3")]));
    };
    let (summary, ()) = tokio::join!(it.poller.run("one", it.in_seconds(60)), change);
    assert_eq!(summary.unwrap(), PollSummary { rounds: 3, failed: 0, skipped: 0, fetched: 6, appended: 3 });
    assert_eq!(started.elapsed().as_secs(), 40);
    assert_eq!(it.store.events.lock().unwrap()[2].event_version, 2);
    assert_eq!(it.store.events.lock().unwrap()[2].metadata.correlation_id, "one");
}

#[tokio::test(start_paused = true)]
async fn a_second_invocation_at_the_same_time_does_nothing() {
    let it = fixture();
    let second = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        it.poller.run("two", it.in_seconds(60)).await
    };
    let (first, second) = tokio::join!(it.poller.run("one", it.in_seconds(60)), second);
    assert_eq!(first.unwrap().rounds, 3);
    assert_eq!(second.unwrap(), PollSummary { skipped: 3, ..PollSummary::default() });
    // And afterwards, one that finds nothing new appends nothing.
    let third = it.poller.run("three", it.in_seconds(60)).await.unwrap();
    assert_eq!((third.rounds, third.appended), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn no_round_is_started_that_could_not_end() {
    let it = fixture();
    let summary = it.poller.run("one", it.in_seconds(51)).await.unwrap();
    assert_eq!((summary.rounds, summary.skipped), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_failed_round_is_counted_and_only_if_all_fail_the_invocation_does() {
    let it = fixture();
    let unavailable = || Err(SourceError::Unavailable("HTTP 503".to_owned()));
    it.source.set(unavailable());
    let recover = async {
        tokio::time::sleep(Duration::from_secs(30)).await;
        it.source.set(Ok(vec![quote("a", "1")]));
    };
    let (summary, ()) = tokio::join!(it.poller.run("one", it.in_seconds(60)), recover);
    assert_eq!(summary.unwrap(), PollSummary { rounds: 3, failed: 2, skipped: 0, fetched: 1, appended: 1 });
    it.source.set(unavailable());
    let error = it.poller.run("two", it.in_seconds(60)).await.unwrap_err();
    assert!(matches!(&error, Error::Unavailable { service, .. } if service == "fake"), "{error:?}");
    it.store.down.store(true, Ordering::SeqCst);
    let error = it.poller.run("three", it.in_seconds(60)).await.unwrap_err();
    assert!(matches!(&error, Error::Unavailable { service, .. } if service == "database"), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn many_changes_are_appended_in_several_transactions() {
    let mut it = fixture();
    let quotes: Vec<_> = (0..100).map(|number| quote(&format!("c{number}"), "1")).collect();
    it.poller.coins = quotes.iter().map(|quote| quote.coin.clone()).collect();
    it.source.set(Ok(quotes));
    assert_eq!(it.poller.round("test").await.unwrap(), Round { fetched: 100, appended: 100 });
    assert_eq!(*it.store.appends.lock().unwrap(), [49, 49, 2]);
}

#[test]
fn a_coin_of_the_configuration_that_is_none_is_named() {
    let coins = |text: &str| polled_coins(&PriceConfig::from_vars(&Vars::from_iter([("PRICE_COINS", text)])).unwrap());
    assert_eq!(coins("Bitcoin, solana,bitcoin").unwrap(), [coin("bitcoin"), coin("solana")]);
    let error = coins("bitcoin,bit coin").unwrap_err();
    assert!(error.to_string().starts_with("PRICE_COINS: \"bit coin\" is not"), "{error}");
}
