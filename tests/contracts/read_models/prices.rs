//! The latest prices and their history.

use std::time::Instant;

use mcp_core::domain::coin::Coin;
use mcp_core::domain::price::{PriceEvent, Quote};
use mcp_core::domain::{NewEvent, StreamId};
use mcp_core::store::Expected::{Any, Exact};
use mcp_core::store::{HistoryQuery, PricePoint, Store, StoreError};
use tokio::task::JoinSet;

use crate::contracts::build::{append_and_project, at, changes, keyed, part, together};
use crate::contracts::fixture::Database;
use crate::contracts::{Fixture, contract};

contract!(
    the_latest_quote_of_each_coin_is_kept,
    decimals_are_kept_to_the_last_digit,
    several_quotes_of_a_coin_in_one_append_end_with_the_newest,
    history_is_newest_first_and_comes_in_pages,
    history_can_be_cut_by_time,
    times_need_not_grow_with_versions,
    concurrent_pollers_and_projectors_never_deadlock,
);

fn coin(name: &str) -> Coin {
    name.parse().unwrap()
}

fn quote(name: &str, usd: &str, seconds: i64) -> Quote {
    Quote {
        coin: coin(name),
        usd: usd.parse().unwrap(),
        change24h: Some("-1.25".parse().unwrap()),
        market_cap: None,
        updated_at: at(seconds),
        source: "coingecko".to_owned(),
    }
}

fn updated(quote: &Quote) -> NewEvent {
    NewEvent::from_domain(&PriceEvent::Updated(quote.clone())).unwrap()
}

fn stream_of(quote: &Quote) -> StreamId {
    StreamId::of("price", quote.coin.as_str())
}

/// As the poller does: several coins in one append.
fn polled(quotes: &[Quote]) -> mcp_core::store::Append {
    together(quotes.iter().map(|quote| part(&stream_of(quote), Any, vec![updated(quote)])).collect())
}

async fn poll(store: &dyn Store, quotes: &[Quote]) {
    append_and_project(store, &polled(quotes)).await;
}

async fn latest(store: &dyn Store, coins: &[&str]) -> Vec<Quote> {
    let coins: Vec<_> = coins.iter().map(|name| coin(name)).collect();
    let mut quotes = store.latest_prices(&coins).await.unwrap();
    quotes.sort_by(|a, b| a.coin.cmp(&b.coin));
    quotes
}

fn all_of(name: &str, limit: u32) -> HistoryQuery {
    HistoryQuery { coin: coin(name), from: None, to: None, before_version: None, limit }
}

async fn history(store: &dyn Store, query: HistoryQuery) -> Vec<(i32, String)> {
    let points = store.price_history(&query).await.unwrap();
    points.into_iter().map(|point| (point.version, point.usd.to_string())).collect()
}

async fn the_latest_quote_of_each_coin_is_kept(fixture: Fixture) {
    let store = fixture.store.as_ref();
    let (first, second) = (quote("bitcoin", "1", 0), quote("bitcoin", "2", 1));
    let ethereum = Quote { change24h: None, market_cap: Some("5".parse().unwrap()), ..quote("ethereum", "3", 0) };
    poll(store, &[first, ethereum.clone()]).await;
    poll(store, std::slice::from_ref(&second)).await;
    assert_eq!(latest(store, &["ethereum", "bitcoin", "unknown"]).await, [second, ethereum]);
    assert_eq!(latest(store, &[]).await, []);
}

async fn decimals_are_kept_to_the_last_digit(fixture: Fixture) {
    let store = fixture.store.as_ref();
    for text in ["67123.450", "0.0000000000000000000000000001", "79228162514264337593543950335", "0", "-0.10"] {
        poll(store, &[Quote { market_cap: Some(text.parse().unwrap()), ..quote("bitcoin", text, 0) }]).await;
        let kept = latest(store, &["bitcoin"]).await.remove(0);
        assert_eq!((kept.usd.to_string().as_str(), kept.market_cap.unwrap().to_string().as_str()), (text, text));
        assert_eq!(history(store, all_of("bitcoin", 1)).await[0].1, text);
    }
}

async fn several_quotes_of_a_coin_in_one_append_end_with_the_newest(fixture: Fixture) {
    let store = fixture.store.as_ref();
    let quotes = [quote("bitcoin", "1", 0), quote("bitcoin", "2", 1), quote("bitcoin", "3", 2)];
    let append = part(&stream_of(&quotes[0]), Exact(0), quotes.iter().map(updated).collect());
    append_and_project(store, &together(vec![append])).await;
    assert_eq!(latest(store, &["bitcoin"]).await, quotes[2..]);
    assert_eq!(history(store, all_of("bitcoin", 9)).await.len(), 3);
}

async fn history_is_newest_first_and_comes_in_pages(fixture: Fixture) {
    let store = fixture.store.as_ref();
    for n in 1..=5 {
        poll(store, &[quote("bitcoin", &n.to_string(), n), quote("ethereum", "9", n)]).await;
    }
    let first = history(store, all_of("bitcoin", 2)).await;
    assert_eq!(first, [(5, "5".to_owned()), (4, "4".to_owned())]);
    let rest = history(store, HistoryQuery { before_version: Some(4), ..all_of("bitcoin", 9) }).await;
    assert_eq!(rest.iter().map(|(version, _)| *version).collect::<Vec<_>>(), [3, 2, 1]);
    let newest = store.price_history(&all_of("bitcoin", 1)).await.unwrap();
    let wanted = PricePoint { version: 5, usd: 5.into(), at: at(5), source: "coingecko".to_owned() };
    assert_eq!(newest, [wanted]);
    assert_eq!(history(store, all_of("unknown", 9)).await, []);
    assert_eq!(history(store, all_of("bitcoin", 0)).await, []);
}

async fn history_can_be_cut_by_time(fixture: Fixture) {
    let store = fixture.store.as_ref();
    for n in 1..=5 {
        poll(store, &[quote("bitcoin", "1", n * 10)]).await;
    }
    let cut = async |from: Option<i64>, to: Option<i64>| {
        let query = HistoryQuery { from: from.map(at), to: to.map(at), ..all_of("bitcoin", 9) };
        history(store, query).await.into_iter().map(|(version, _)| version).collect::<Vec<_>>()
    };
    assert_eq!(cut(Some(20), None).await, [5, 4, 3, 2]);
    assert_eq!(cut(None, Some(20)).await, [1]);
    assert_eq!(cut(Some(20), Some(40)).await, [3, 2]);
    assert_eq!(cut(Some(21), Some(29)).await, [0; 0]);
}

/// Days apart, and the days in disorder.
async fn times_need_not_grow_with_versions(fixture: Fixture) {
    const DAY: i64 = 86_400;
    let store = fixture.store.as_ref();
    for days in [5, 1, 4, 2, 9, 2, 0] {
        poll(store, &[quote("bitcoin", "1", days * DAY)]).await;
    }
    let cut = async |from: Option<i64>, to: Option<i64>, before_version: Option<i32>, limit: u32| {
        let [from, to] = [from, to].map(|days| days.map(|days| at(days * DAY)));
        let query = HistoryQuery { from, to, before_version, ..all_of("bitcoin", limit) };
        history(store, query).await.into_iter().map(|(version, _)| version).collect::<Vec<_>>()
    };
    assert_eq!(cut(Some(2), Some(5), None, 9).await, [6, 4, 3]);
    assert_eq!(cut(Some(2), Some(5), None, 2).await, [6, 4]);
    assert_eq!(cut(Some(2), Some(5), Some(4), 9).await, [3]);
    assert_eq!(cut(Some(5), None, None, 9).await, [5, 1]);
    assert_eq!(cut(None, Some(2), None, 9).await, [7, 2]);
    assert_eq!(cut(Some(6), Some(9), None, 9).await, [0; 0]);
    assert_eq!(cut(Some(10), None, None, 9).await, [0; 0]);
}

async fn concurrent_pollers_and_projectors_never_deadlock(fixture: Fixture) {
    let coins = ["a", "b", "c", "d", "e"];
    let mut pollers = JoinSet::new();
    // DynamoDB has no queue: where others are always faster, an append gives up, and may be made again.
    let tries_again = matches!(*fixture.database, Database::DynamoDb(_));
    for turn in 0..30 {
        let (store, started, patience) = (fixture.store.clone(), Instant::now(), fixture.patience);
        pollers.spawn(async move {
            let mut quotes: Vec<_> = coins.iter().map(|name| quote(name, &turn.to_string(), 0)).collect();
            quotes.rotate_left(usize::try_from(turn).unwrap() % coins.len());
            let append = keyed(polled(&quotes), &turn.to_string(), "poll");
            let appended = loop {
                match store.append(&append).await {
                    Err(error) if tries_again && error.is_transient() && started.elapsed() < patience => {}
                    appended => break appended?,
                }
            };
            store.apply_changes(&changes(&appended.events)).await
        });
    }
    let results: Result<Vec<()>, StoreError> = pollers.join_all().await.into_iter().collect();
    results.unwrap();
    for name in coins {
        let newest = fixture.store.price_history(&all_of(name, 99)).await.unwrap();
        assert_eq!(newest.len(), 30);
        assert_eq!(latest(fixture.store.as_ref(), &[name]).await[0].usd, newest[0].usd);
    }
}
