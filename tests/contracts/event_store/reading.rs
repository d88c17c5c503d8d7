//! Reading everything, by cursor.

use mcp_core::store::Expected::Any;
use mcp_core::store::{Cursor, StoreError};

use tokio::task::JoinSet;

use crate::contracts::build::{Reader, a_stream, as_promised, events, given, keyed, part, tail, to, together};
use crate::contracts::{Fixture, contract};

contract!(
    a_reader_sees_every_event_exactly_once,
    a_reader_at_the_end_keeps_its_cursor,
    a_cursor_survives_as_text,
    a_page_holds_at_most_what_was_asked,
    the_order_of_everything_agrees_with_each_streams,
    a_cursor_of_nowhere_is_refused,
);

pub(crate) async fn a_reader_sees_every_event_exactly_once(fixture: Fixture) {
    let (store, a, b) = (fixture.store.as_ref(), a_stream(), a_stream());
    let (mut reader, mut written, mut read) = (Reader::default(), Vec::new(), Vec::new());
    for round in 1..=12 {
        let stream = if round % 3 == 0 { &a } else { &b };
        written.extend(given(store, stream, round).await.events);
        if round % 4 == 0 {
            read.extend(reader.read_on(&fixture, written.len() - read.len()).await);
        }
    }
    assert_eq!(as_promised(store, read), as_promised(store, written));
}

async fn a_reader_at_the_end_keeps_its_cursor(fixture: Fixture) {
    let (store, mut cursor) = (fixture.store.as_ref(), None);
    let empty = store.read_all(None, 5).await.unwrap();
    assert_eq!((empty.events, empty.next), (vec![], None));
    given(store, &a_stream(), 1).await;
    tail(&fixture, &mut cursor, 1).await;
    assert!(cursor.is_some());
    assert_eq!(store.read_all(cursor.as_ref(), 5).await.unwrap().next, cursor);
}

async fn a_cursor_survives_as_text(fixture: Fixture) {
    let (store, stream) = (fixture.store.as_ref(), a_stream());
    let appended = given(store, &stream, 5).await;
    tail(&fixture, &mut None, 5).await;
    let begun = store.read_all(None, 3).await.unwrap();
    assert_eq!(begun.events, appended.events[..3]);
    let mut kept = begun.next.map(|cursor| Cursor::from_text(cursor.as_text()));
    let other = fixture.behind(fixture.database.open().await);
    assert_eq!(tail(&other, &mut kept, 2).await, appended.events[3..]);
}

async fn a_page_holds_at_most_what_was_asked(fixture: Fixture) {
    let (store, mut cursor) = (fixture.store.as_ref(), None);
    given(store, &a_stream(), 10).await;
    tail(&fixture, &mut cursor, 10).await;
    let page = store.read_all(None, 4).await.unwrap();
    assert_eq!(page.events.len(), 4);
    assert_eq!(store.read_all(page.next.as_ref(), 100).await.unwrap().events.len(), 6);
    assert_eq!(store.read_all(None, 0).await.unwrap().events, []);
}

/// Writers of the same streams wait for each other: who comes first in a stream comes first for the reader.
async fn the_order_of_everything_agrees_with_each_streams(fixture: Fixture) {
    let (a, b) = (a_stream(), a_stream());
    let mut writers = JoinSet::new();
    for n in 0..fixture.crowd(60) {
        let store = fixture.store.clone();
        let append = match n % 3 {
            0 => together(vec![part(&a, Any, events(2)), part(&b, Any, events(2))]),
            1 => keyed(to(&a, Any, 3), &format!("k{n}"), "f"),
            _ => to(&b, Any, 1),
        };
        writers.spawn(async move { store.append(&append).await.unwrap() });
    }
    let count = writers.join_all().await.iter().map(|appended| appended.events.len()).sum();
    let everything = tail(&fixture, &mut None, count).await;
    assert_eq!(everything.len(), count);
    for stream in [a, b] {
        let of_stream = everything.iter().filter(|event| event.stream == stream);
        let versions: Vec<_> = of_stream.map(|event| event.event_version).collect();
        assert_eq!(versions, (1..).take(versions.len()).collect::<Vec<_>>());
    }
}

async fn a_cursor_of_nowhere_is_refused(fixture: Fixture) {
    for text in ["", "x", "-1", "1:", ":1", "1:2:3", "1:-2", "99999999999999999999999:1", "1;2"] {
        let result = fixture.store.read_all(Some(&Cursor::from_text(text)), 1).await;
        assert!(matches!(result, Err(StoreError::Invalid(_))), "{text:?}: {result:?}");
    }
}
