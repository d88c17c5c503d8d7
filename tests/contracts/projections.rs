//! What writing the read models promises, and rebuilding them.

use mcp_core::domain::emotion::{Emotion, EmotionEvent, EmotionUpdated};
use mcp_core::domain::price::{PriceEvent, Quote};
use mcp_core::domain::projection::Changes;
use mcp_core::domain::{NewEvent, RecordedEvent, StreamId};
use mcp_core::store::Expected::Any;
use mcp_core::store::{HistoryQuery, Rebuild, Store};
use tokio::task::JoinSet;

use crate::contracts::build::{at, changes, metadata, part, tail, together};
use crate::contracts::fixture::Database;
use crate::contracts::{Fixture, contract};

contract!(
    an_emotion_is_projected,
    a_late_change_writes_over_nothing_newer,
    every_quote_has_its_place_in_the_history_whatever_the_order,
    a_stream_is_projected_as_far_as_its_newest_event,
    changes_go_to_the_shadow_too,
    readers_see_the_old_generation_until_the_swap,
    a_step_from_elsewhere_is_refused,
    a_rebuild_goes_on_where_it_was,
    what_is_neither_live_nor_shadow_is_swept,
    events_projected_during_a_rebuild_are_there_after_it,
);

fn quote(usd: i64) -> Quote {
    Quote {
        coin: "bitcoin".parse().unwrap(),
        usd: usd.into(),
        change24h: None,
        market_cap: None,
        updated_at: at(usd),
        source: "test".to_owned(),
    }
}

/// Appends a quote a number: the events.
async fn quoted(store: &dyn Store, numbers: std::ops::RangeInclusive<i64>) -> Vec<RecordedEvent> {
    let events = numbers.map(|usd| NewEvent::from_domain(&PriceEvent::Updated(quote(usd))).unwrap()).collect();
    store.append(&together(vec![part(&StreamId::of("price", "bitcoin"), Any, events)])).await.unwrap().events
}

async fn latest(store: &dyn Store) -> Option<Quote> {
    store.latest_prices(&["bitcoin".parse().unwrap()]).await.unwrap().pop()
}

async fn history(store: &dyn Store) -> Vec<i32> {
    let query =
        HistoryQuery { coin: "bitcoin".parse().unwrap(), from: None, to: None, before_version: None, limit: 1000 };
    store.price_history(&query).await.unwrap().iter().map(|point| point.version).collect()
}

async fn an_emotion_is_projected(fixture: Fixture) {
    let (store, stream) = (fixture.store.as_ref(), StreamId::of("emotion", "ada"));
    let updated = |points: i32| {
        let (old_emotion, new_emotion) = (Emotion::Curious, Emotion::at(points));
        let event = EmotionEvent::Updated(EmotionUpdated { old_emotion, new_emotion, points, feedback: points });
        NewEvent::from_domain(&event).unwrap()
    };
    let append = together(vec![part(&stream, Any, vec![updated(30), updated(60)])]);
    let events = store.append(&append).await.unwrap().events;
    store.apply_changes(&changes(&events)).await.unwrap();
    let [(owner, emotion)] = store.emotions(&[stream.aggregate_id]).await.unwrap().try_into().unwrap();
    assert_eq!((owner, emotion.version, emotion.emotion), (stream.aggregate_id, 2, Emotion::Happy));
    assert_eq!((emotion.points, emotion.user_id.as_deref()), (60, Some("ada")));
    assert_eq!(emotion.updated_at, metadata().occurred_at);
    store.apply_changes(&changes(&events[..1])).await.unwrap();
    assert_eq!(store.emotions(&[stream.aggregate_id]).await.unwrap()[0].1.points, 60);
}

pub(crate) async fn a_late_change_writes_over_nothing_newer(fixture: Fixture) {
    let store = fixture.store.as_ref();
    let events = quoted(store, 1..=3).await;
    store.apply_changes(&changes(&events[1..2])).await.unwrap();
    store.apply_changes(&changes(&events[..1])).await.unwrap();
    assert_eq!(latest(store).await, Some(quote(2)));
    store.apply_changes(&changes(&events)).await.unwrap();
    store.apply_changes(&changes(&events[..2])).await.unwrap();
    assert_eq!(latest(store).await, Some(quote(3)));
}

async fn every_quote_has_its_place_in_the_history_whatever_the_order(fixture: Fixture) {
    let store = fixture.store.as_ref();
    let events = quoted(store, 1..=4).await;
    for place in [2, 0, 3, 0, 1] {
        store.apply_changes(&changes(&events[place..=place])).await.unwrap();
    }
    assert_eq!(history(store).await, [4, 3, 2, 1]);
}

async fn a_stream_is_projected_as_far_as_its_newest_event(fixture: Fixture) {
    let store = fixture.store.as_ref();
    let stream = StreamId::of("price", "bitcoin").aggregate_id;
    assert!(store.projected_versions(&[stream]).await.unwrap().is_empty());
    let events = quoted(store, 1..=3).await;
    store.apply_changes(&changes(&events)).await.unwrap();
    store.apply_changes(&changes(&events[..1])).await.unwrap();
    assert_eq!(store.projected_versions(&[stream]).await.unwrap(), [(stream, 3)].into());
}

/// Reads everything that a rebuild has to read.
async fn step_to_the_end(fixture: &Fixture, rebuild: &mut Rebuild, count: usize) {
    let mut cursor = rebuild.cursor.clone();
    let events = tail(fixture, &mut cursor, count).await;
    let cursor = cursor.unwrap();
    let done = events.len() as u64;
    assert!(fixture.store.rebuild_step(rebuild, &changes(&events), &cursor, done).await.unwrap());
    *rebuild = Rebuild { cursor: Some(cursor), done: rebuild.done + done, ..rebuild.clone() };
}

async fn changes_go_to_the_shadow_too(fixture: Fixture) {
    let store = fixture.store.as_ref();
    let rebuild = store.begin_rebuild().await.unwrap();
    let events = quoted(store, 1..=1).await;
    store.apply_changes(&changes(&events)).await.unwrap();
    assert_eq!(latest(store).await, Some(quote(1)));
    assert!(store.finish_rebuild(&rebuild).await.unwrap());
    assert_eq!(latest(store).await, Some(quote(1)));
    assert!(!store.finish_rebuild(&rebuild).await.unwrap(), "it is over");
}

async fn readers_see_the_old_generation_until_the_swap(fixture: Fixture) {
    let store = fixture.store.as_ref();
    let events = quoted(store, 1..=2).await;
    // What the live generation has is wrong: it is what a rebuild is for.
    let mut wrong = changes(&events);
    wrong.latest_prices.values_mut().for_each(|(_, quote)| quote.usd = 666.into());
    wrong.price_history.clear();
    store.apply_changes(&wrong).await.unwrap();
    let mut rebuild = store.begin_rebuild().await.unwrap();
    assert_eq!((rebuild.total.unwrap_or(2), rebuild.done, &rebuild.cursor), (2, 0, &None));
    step_to_the_end(&fixture, &mut rebuild, 2).await;
    assert_eq!(latest(store).await.unwrap().usd, 666.into());
    assert!(store.finish_rebuild(&rebuild).await.unwrap());
    assert_eq!(latest(store).await, Some(quote(2)));
    assert_eq!(history(store).await, [2, 1]);
}

async fn a_step_from_elsewhere_is_refused(fixture: Fixture) {
    let store = fixture.store.as_ref();
    quoted(store, 1..=1).await;
    let mut rebuild = store.begin_rebuild().await.unwrap();
    let stale = rebuild.clone();
    step_to_the_end(&fixture, &mut rebuild, 1).await;
    let cursor = rebuild.cursor.clone().unwrap();
    assert!(!store.rebuild_step(&stale, &Changes::default(), &cursor, 1).await.unwrap());
    assert!(store.finish_rebuild(&rebuild).await.unwrap());
    assert!(!store.rebuild_step(&rebuild, &Changes::default(), &cursor, 1).await.unwrap());
}

async fn a_rebuild_goes_on_where_it_was(fixture: Fixture) {
    let store = fixture.store.as_ref();
    quoted(store, 1..=3).await;
    let mut rebuild = store.begin_rebuild().await.unwrap();
    step_to_the_end(&fixture, &mut rebuild, 3).await;
    let again = store.begin_rebuild().await.unwrap();
    assert_eq!(again, rebuild);
    assert_eq!((again.done, again.total.unwrap_or(3)), (3, 3));
}

async fn what_is_neither_live_nor_shadow_is_swept(fixture: Fixture) {
    let store = fixture.store.as_ref();
    let events = quoted(store, 1..=5).await;
    store.apply_changes(&changes(&events)).await.unwrap();
    let mut rebuild = store.begin_rebuild().await.unwrap();
    step_to_the_end(&fixture, &mut rebuild, 5).await;
    assert_eq!(swept(store, 100).await, [0], "both are in use");
    assert!(store.finish_rebuild(&rebuild).await.unwrap());
    // A latest price, five points of history, a projected stream; three rows a table at most. DynamoDB keeps the day of
    // the points beside them, and has one table.
    let calls = swept(store, 3).await;
    match *fixture.database {
        Database::DynamoDb(_) => assert!(calls.iter().sum::<u64>() == 8 && calls.iter().all(|rows| *rows <= 3)),
        _ => assert_eq!(calls, [5, 2, 0]),
    }
    assert_eq!(swept(store, 3).await.iter().sum::<u64>(), 0);
    assert_eq!((history(store).await.len(), latest(store).await), (5, Some(quote(5))));
}

/// Sweeps until it is over: the rows of each call.
pub(crate) async fn swept(store: &dyn Store, limit: u32) -> Vec<u64> {
    let mut calls = vec![];
    loop {
        let swept = store.sweep_generations(limit).await.unwrap();
        calls.push(swept.rows);
        if swept.over {
            return calls;
        }
        assert!(calls.len() < 1000, "it ends");
    }
}

/// Appended and projected while a rebuild begins, reads and ends, over and over: nothing is missing in the end.
async fn events_projected_during_a_rebuild_are_there_after_it(fixture: Fixture) {
    let mut writers = JoinSet::new();
    for _ in 0..4 {
        let store = fixture.store.clone();
        writers.spawn(async move {
            for _ in 0..15 {
                let events = quoted(store.as_ref(), 1..=2).await;
                store.apply_changes(&changes(&events)).await.unwrap();
            }
        });
    }
    let rebuilder = fixture.behind(fixture.store.clone());
    let rebuilding = tokio::spawn(async move {
        for _ in 0..4 {
            let store = rebuilder.store.as_ref();
            let mut rebuild = store.begin_rebuild().await.unwrap();
            loop {
                let settled = store.rebuild_has_settled(&rebuild).await.unwrap();
                let page = store.read_all(rebuild.cursor.as_ref(), 7).await.unwrap();
                if page.events.is_empty() && settled {
                    break;
                }
                let (Some(next), done) = (page.next, page.events.len() as u64) else { continue };
                if done > 0 {
                    assert!(store.rebuild_step(&rebuild, &changes(&page.events), &next, done).await.unwrap());
                    rebuild.cursor = Some(next);
                }
            }
            assert!(store.finish_rebuild(&rebuild).await.unwrap());
        }
    });
    writers.join_all().await;
    rebuilding.await.unwrap();
    assert_eq!(history(fixture.store.as_ref()).await, (1..=120).rev().collect::<Vec<_>>());
}
