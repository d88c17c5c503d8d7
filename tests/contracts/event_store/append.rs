//! Appending, one writer at a time.

use mcp_core::domain::StreamId;
use mcp_core::store::Expected::{Any, Exact};
use mcp_core::store::{Head, MAX_APPEND_ITEMS, StoreError};
use serde_json::json;

use crate::contracts::build::{
    a_stream, assert_conflict, event_of, events, given, ids, metadata, part, to, together, versions,
};
use crate::contracts::{Fixture, contract};

contract!(
    a_stale_writer_gets_a_conflict,
    an_append_is_atomic_over_its_streams,
    the_first_stale_stream_is_the_one_that_is_named,
    several_events_of_several_streams_are_appended_together,
    any_version_will_do_where_order_does_not_matter,
    versions_have_no_gaps,
    a_new_stream_is_at_version_zero,
    what_was_appended_is_what_is_read,
    a_head_is_written_with_its_events,
    an_append_that_no_store_could_take_is_refused,
    the_largest_append_is_taken,
    a_nul_character_does_no_harm,
);

pub(crate) async fn a_stale_writer_gets_a_conflict(fixture: Fixture) {
    let (store, stream) = (fixture.store.as_ref(), a_stream());
    store.append(&to(&stream, Exact(0), 1)).await.unwrap();
    store.append(&to(&stream, Exact(1), 1)).await.unwrap();
    assert_conflict(&store.append(&to(&stream, Exact(1), 1)).await, &stream, 1, 2);
    assert_conflict(&store.append(&to(&stream, Exact(7), 1)).await, &stream, 7, 2);
    assert_eq!(versions(store, &stream).await, [1, 2]);
}

pub(crate) async fn an_append_is_atomic_over_its_streams(fixture: Fixture) {
    let (store, fresh, stale) = (fixture.store.as_ref(), a_stream(), a_stream());
    given(store, &stale, 1).await;
    let both = together(vec![part(&fresh, Exact(0), events(2)), part(&stale, Exact(0), events(1))]);
    assert_conflict(&store.append(&both).await, &stale, 0, 1);
    assert_eq!(versions(store, &fresh).await, [0; 0]);
    assert_eq!(store.head(&fresh).await.unwrap(), None);
    assert_eq!(store.append(&to(&fresh, Exact(0), 1)).await.unwrap().events[0].event_version, 1);
}

async fn the_first_stale_stream_is_the_one_that_is_named(fixture: Fixture) {
    let store = fixture.store.as_ref();
    // Whatever the order of the ids.
    for _ in 0..4 {
        let streams = [a_stream(), a_stream(), a_stream()];
        let stale = streams.iter().enumerate().map(|(n, stream)| {
            let expected = if n == 0 { Any } else { Exact(4) };
            part(stream, expected, events(1))
        });
        let result = store.append(&together(stale.collect())).await;
        assert_conflict(&result, &streams[1], 4, 0);
    }
}

async fn several_events_of_several_streams_are_appended_together(fixture: Fixture) {
    let (store, a, b) = (fixture.store.as_ref(), a_stream(), a_stream());
    given(store, &b, 2).await;
    let append = together(vec![part(&a, Exact(0), events(3)), part(&b, Exact(2), events(2))]);
    let appended = store.append(&append).await.unwrap();
    assert!(!appended.replayed);
    let of = |stream: &StreamId| {
        let mine = appended.events.iter().filter(|event| event.stream == *stream);
        mine.map(|event| (event.event_version, event.id)).collect::<Vec<_>>()
    };
    let wanted = |part: usize, first: i32| {
        (first..).zip(append.streams[part].events.iter().map(|event| event.id)).collect::<Vec<_>>()
    };
    assert_eq!(of(&a), wanted(0, 1));
    assert_eq!(of(&b), wanted(1, 3));
    assert_eq!(store.load(&a, None).await.unwrap().events, appended.events[..3]);
}

async fn any_version_will_do_where_order_does_not_matter(fixture: Fixture) {
    let (store, stream) = (fixture.store.as_ref(), a_stream());
    store.append(&to(&stream, Any, 1)).await.unwrap();
    store.append(&to(&stream, Exact(1), 2)).await.unwrap();
    store.append(&to(&stream, Any, 1)).await.unwrap();
    assert_eq!(versions(store, &stream).await, [1, 2, 3, 4]);
}

async fn versions_have_no_gaps(fixture: Fixture) {
    let (store, stream) = (fixture.store.as_ref(), a_stream());
    for count in [1, 5, 2] {
        given(store, &stream, count).await;
        store.append(&to(&stream, Exact(0), 3)).await.unwrap_err();
    }
    assert_eq!(versions(store, &stream).await, [1, 2, 3, 4, 5, 6, 7, 8]);
}

async fn a_new_stream_is_at_version_zero(fixture: Fixture) {
    let (store, stream) = (fixture.store.as_ref(), a_stream());
    assert_eq!(store.head(&stream).await.unwrap(), None);
    assert_conflict(&store.append(&to(&stream, Exact(3), 1)).await, &stream, 3, 0);
}

async fn what_was_appended_is_what_is_read(fixture: Fixture) {
    let (store, stream) = (fixture.store.as_ref(), a_stream());
    let data = json!({
        "text": "naïve 🦀 'quoted' \"double\" \\ back\nline", "empty": "", "null": null, "list": [1, [], {}],
        "deep": {"decimal": "0.000000012345678901234567", "negative": -5, "big": 9_007_199_254_740_991_i64},
    });
    let mut append = together(vec![part(&stream, Any, vec![event_of("Said", data.clone())])]);
    append.metadata.traceparent = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned());
    let appended = store.append(&append).await.unwrap();
    let [event] = appended.events.as_slice() else { panic!("one event, not {appended:?}") };
    assert_eq!((&event.data, &event.metadata, event.schema_version), (&data, &append.metadata, 1));
    assert_eq!((event.id, event.event_type.as_str()), (append.streams[0].events[0].id, "Said"));
    assert_eq!(store.load(&stream, None).await.unwrap().events, appended.events);
}

async fn a_head_is_written_with_its_events(fixture: Fixture) {
    let (store, stream) = (fixture.store.as_ref(), a_stream());
    given(store, &stream, 2).await;
    given(store, &stream, 1).await;
    let head = Head { version: 3, published_version: 0, lease_until: None };
    assert_eq!(store.head(&stream).await.unwrap(), Some(head));
}

async fn an_append_that_no_store_could_take_is_refused(fixture: Fixture) {
    let (store, stream) = (fixture.store.as_ref(), a_stream());
    let invalid = [
        together(vec![]),
        to(&stream, Any, 0),
        to(&stream, Any, MAX_APPEND_ITEMS),
        together(vec![part(&stream, Any, events(1)), part(&stream, Any, events(1))]),
    ];
    for append in invalid {
        assert!(matches!(store.append(&append).await, Err(StoreError::Invalid(_))), "{append:?}");
    }
    assert_eq!(versions(store, &stream).await, [0; 0]);
}

async fn the_largest_append_is_taken(fixture: Fixture) {
    let (store, stream) = (fixture.store.as_ref(), a_stream());
    let most = MAX_APPEND_ITEMS - 2;
    let appended = given(store, &stream, most).await;
    assert_eq!(ids(&appended.events), ids(&store.load(&stream, None).await.unwrap().events));
    assert_eq!(appended.events.len(), most);
}

/// Postgres cannot hold one. It is refused for good there, and nothing breaks.
async fn a_nul_character_does_no_harm(fixture: Fixture) {
    let (store, stream) = (fixture.store.as_ref(), a_stream());
    let mut append = together(vec![part(&stream, Any, vec![event_of("Said", json!({"text": "a\0b"}))])]);
    append.metadata = metadata();
    let result = store.append(&append).await;
    assert!(matches!(result, Ok(_) | Err(StoreError::Invalid(_))), "{result:?}");
    let stored = versions(store, &stream).await.len();
    assert_eq!(stored, usize::from(result.is_ok()));
}
