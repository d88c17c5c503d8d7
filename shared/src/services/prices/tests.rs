use std::sync::atomic::Ordering;

use chrono::{DateTime, TimeDelta};
use futures_util::future::join_all;

use super::*;
use crate::breaker::{self, Breakers};
use crate::cache::MemoryTier;
use crate::platform::clock::{Clock, ManualClock};
use crate::services::fake_store::FakeStore;
use crate::services::poll::Poller;
use crate::sources::SourceError;
use crate::sources::prices::fake::{FakeSource, coin, quote};

struct Fixture {
    clock: ManualClock,
    source: Arc<FakeSource>,
    store: Arc<FakeStore>,
    prices: Prices,
    poller: Poller,
}

/// A service whose only source knows the coins a (1 dollar), b (2) and c (3).
fn fixture() -> Fixture {
    let clock = ManualClock::at(DateTime::UNIX_EPOCH + TimeDelta::days(20_000));
    let shared: Arc<dyn Clock> = Arc::new(clock.clone());
    let source = FakeSource::new("fake", Ok(vec![quote("a", "1"), quote("b", "2"), quote("c", "3")]));
    let sources = [(Arc::clone(&source) as _, breaker::Options::new("fake"))];
    let sources = Arc::new(OrderedSources::new(sources, &shared, &Breakers::new(shared.clone())));
    let every = Duration::from_secs(30);
    let cache = PriceCache::new(
        Arc::new(Cache::new(MemoryTier::new(1 << 20, Arc::clone(&shared)), Arc::clone(&shared))),
        every,
    );
    let store = Arc::new(FakeStore::default());
    let prices = Prices::new(cache.clone(), Arc::clone(&sources), Arc::clone(&store) as _);
    let coins = ids(&["a", "b", "c"]);
    let poller = Poller {
        sources,
        events: Arc::clone(&store) as _,
        store: Arc::clone(&store) as _,
        cache,
        coins,
        every,
        clock: shared,
    };
    Fixture { clock, source, store, prices, poller }
}

fn ids(names: &[&str]) -> Vec<Coin> {
    names.iter().map(|name| coin(name)).collect()
}

fn down() -> SourceError {
    SourceError::Unavailable("HTTP 503".to_owned())
}

impl Fixture {
    /// The prices of these coins, as `coin=dollars`, with `~` if stale.
    async fn ask(&self, names: &[&str]) -> Result<String, Error> {
        let prices = self.prices.prices(&ids(names)).await?;
        let text =
            |price: Price| format!("{}={}{}", price.quote.coin, price.quote.usd, if price.stale { "~" } else { "" });
        Ok(prices.into_iter().map(text).collect::<Vec<_>>().join(" "))
    }

    fn advance(&self, seconds: i64) {
        self.clock.advance(TimeDelta::seconds(seconds));
    }
}

#[tokio::test(start_paused = true)]
async fn prices_come_in_the_order_asked_with_duplicates() {
    let it = fixture();
    assert_eq!(it.ask(&["c", "a", "c", "b"]).await.unwrap(), "c=3 a=1 c=3 b=2");
    assert_eq!(it.source.calls(), [ids(&["a", "b", "c"])]);
}

#[tokio::test(start_paused = true)]
async fn a_fresh_price_is_not_asked_for_again_and_an_old_one_is() {
    let it = fixture();
    it.ask(&["a"]).await.unwrap();
    it.advance(31);
    it.ask(&["a", "b"]).await.unwrap();
    assert_eq!(it.source.calls(), [ids(&["a"]), ids(&["b"])]);
    it.advance(4);
    it.source.set(Ok(vec![quote("a", "9")]));
    assert_eq!(it.ask(&["a"]).await.unwrap(), "a=9");
}

#[tokio::test(start_paused = true)]
async fn a_hundred_callers_make_one_call() {
    let it = fixture();
    let many: Vec<_> = (0..100).map(|number| quote(&format!("c{number}"), "5")).collect();
    it.source.set(Ok(many.clone()));
    let asked: Vec<_> = many.iter().map(|quote| [quote.coin.clone()]).collect();
    let answers = join_all(asked.iter().map(|coins| it.prices.prices(coins))).await;
    assert!(answers.iter().zip(&many).all(|(answer, quote)| answer.as_ref().unwrap()[0].quote == *quote));
    let answers = join_all((0..100).map(|_| it.ask(&["c1", "c2"]))).await;
    assert!(answers.iter().all(|answer| answer.as_ref().unwrap() == "c1=5 c2=5"));
    assert_eq!(it.source.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_unknown_coin_refuses_all_and_every_unknown_one_is_named() {
    let it = fixture();
    let error = it.ask(&["y", "a", "x", "y"]).await.unwrap_err();
    assert!(matches!(&error, Error::UnknownCoins(coins) if *coins == ids(&["y", "x"])), "{error:?}");
    // Nobody is asked again for a while.
    it.ask(&["x"]).await.unwrap_err();
    assert_eq!(it.source.calls().len(), 1);
    it.advance(60);
    it.source.set(Ok(vec![quote("x", "7")]));
    assert_eq!(it.ask(&["x"]).await.unwrap(), "x=7");
    let resolved = it.prices.resolve(&ids(&["x", "y"])).await.unwrap();
    assert!(resolved[&coin("x")].is_ok());
    assert!(matches!(resolved[&coin("y")], Err(Error::UnknownCoins(_))));
}

#[tokio::test(start_paused = true)]
async fn none_and_too_many_coins_are_refused() {
    let it = fixture();
    let many: Vec<_> = (0..251).map(|number| coin(&format!("c{number}"))).collect();
    assert!(matches!(it.prices.prices(&[]).await, Err(Error::Invalid(_))));
    assert!(matches!(it.prices.prices(&many).await, Err(Error::Invalid(_))));
    assert!(it.source.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn without_a_source_the_last_good_price_is_served_as_stale() {
    let it = fixture();
    it.ask(&["a"]).await.unwrap();
    it.source.set(Err(down()));
    it.advance(60);
    // From the cache, without the store.
    it.store.down.store(true, Ordering::SeqCst);
    assert_eq!(it.ask(&["a"]).await.unwrap(), "a=1~");
    let error = it.ask(&["a", "b"]).await.unwrap_err();
    assert!(matches!(&error, Error::Unavailable { service, .. } if service == "fake"), "{error:?}");
    // And an hour later no more.
    it.advance(3600);
    assert!(it.ask(&["a"]).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn without_a_source_and_a_cached_price_the_stored_one_is_served_as_stale() {
    let it = fixture();
    it.poller.round("test").await.unwrap();
    it.source.set(Err(down()));
    it.advance(7200);
    assert_eq!(it.ask(&["a", "c"]).await.unwrap(), "a=1~ c=3~");
    assert!(matches!(it.ask(&["x"]).await, Err(Error::Unavailable { .. })));
    it.source.set(Ok(vec![quote("a", "4")]));
    assert_eq!(it.ask(&["a"]).await.unwrap(), "a=4");
}

#[tokio::test(start_paused = true)]
async fn what_was_polled_is_fresh() {
    let it = fixture();
    it.poller.round("test").await.unwrap();
    assert_eq!(it.ask(&["a", "b"]).await.unwrap(), "a=1 b=2");
    assert_eq!(it.source.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_history_comes_in_pages() {
    let it = fixture();
    for usd in ["1", "2", "3", "4", "5"] {
        it.source.set(Ok(vec![quote("a", usd)]));
        it.poller.round("test").await.unwrap();
    }
    let mut request = HistoryFilter { coin: coin("a"), from: None, to: None, first: 2, after: None };
    let mut pages = vec![];
    loop {
        let page = it.prices.history(&request).await.unwrap();
        pages.push(page.items.iter().map(|item| item.node.usd.to_string()).collect::<Vec<_>>().join(" "));
        request.after = page.items.last().map(|item| item.cursor.clone());
        if !page.has_next {
            break;
        }
    }
    assert_eq!(pages, ["5 4", "3 2", "1"]);
}

#[tokio::test]
async fn a_history_request_that_makes_no_sense_is_refused() {
    let it = fixture();
    let good = HistoryFilter { coin: coin("a"), from: None, to: None, first: 100, after: None };
    assert!(it.prices.history(&good).await.unwrap().items.is_empty());
    let now = Some(it.clock.now());
    for bad in [
        HistoryFilter { first: 0, ..good.clone() },
        HistoryFilter { first: -1, ..good.clone() },
        HistoryFilter { first: 1001, ..good.clone() },
        HistoryFilter { after: Some("!".to_owned()), ..good.clone() },
        HistoryFilter { from: now, to: now, ..good.clone() },
    ] {
        assert!(matches!(it.prices.history(&bad).await, Err(Error::Invalid(_))), "{bad:?}");
    }
}
