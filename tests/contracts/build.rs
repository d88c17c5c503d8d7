//! What the promises are told with: streams, events, appends.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta};
use mcp_core::domain::projection::Changes;
use mcp_core::domain::{Metadata, NewEvent, RecordedEvent, StreamId};
use mcp_core::platform::clock::Timestamp;
use mcp_core::platform::ids::new_id;
use mcp_core::store::{Append, Appended, Cursor, Expected, IdempotencyKey, ReadOrder, Store, StoreError, StreamAppend};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Fixture;

/// A stream that nobody else uses, of a kind without a read model.
pub(crate) fn a_stream() -> StreamId {
    StreamId::of("test", &Uuid::now_v7().to_string())
}

/// Seconds after an arbitrary point in time.
pub(crate) fn at(seconds: i64) -> Timestamp {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(1_800_000_000 + seconds)
}

pub(crate) fn metadata() -> Metadata {
    Metadata {
        user_id: Some("ada".to_owned()),
        correlation_id: "c-1".to_owned(),
        causation_id: None,
        traceparent: None,
        idempotency_key: None,
        occurred_at: at(0),
    }
}

pub(crate) fn event_of(event_type: &str, data: Value) -> NewEvent {
    NewEvent { id: new_id(), event_type: event_type.to_owned(), schema_version: 1, data }
}

pub(crate) fn events(count: usize) -> Vec<NewEvent> {
    (0..count).map(|n| event_of("Happened", json!({"n": n}))).collect()
}

pub(crate) fn part(stream: &StreamId, expected: Expected, events: Vec<NewEvent>) -> StreamAppend {
    StreamAppend { stream: stream.clone(), expected, events }
}

pub(crate) fn together(streams: Vec<StreamAppend>) -> Append {
    Append { streams, metadata: metadata(), idempotency: None }
}

/// An append of `count` events to one stream.
pub(crate) fn to(stream: &StreamId, expected: Expected, count: usize) -> Append {
    together(vec![part(stream, expected, events(count))])
}

pub(crate) fn keyed(append: Append, key: &str, fingerprint: &str) -> Append {
    Append { idempotency: Some(idempotency_key(key, fingerprint)), ..append }
}

pub(crate) fn idempotency_key(key: &str, fingerprint: &str) -> IdempotencyKey {
    IdempotencyKey { key: key.to_owned(), fingerprint: fingerprint.to_owned() }
}

/// Appends `count` events, whatever was there.
pub(crate) async fn given(store: &dyn Store, stream: &StreamId, count: usize) -> Appended {
    store.append(&to(stream, Expected::Any, count)).await.unwrap()
}

/// Appends, and brings the read models up to that, as the projector does.
pub(crate) async fn append_and_project(store: &dyn Store, append: &Append) {
    let appended = store.append(append).await.unwrap();
    store.apply_changes(&changes(&appended.events)).await.unwrap();
}

/// What follows from events.
pub(crate) fn changes(events: &[RecordedEvent]) -> Changes {
    let mut changes = Changes::default();
    events.iter().for_each(|event| changes.add(event).unwrap());
    changes
}

pub(crate) async fn versions(store: &dyn Store, stream: &StreamId) -> Vec<i32> {
    store.load(stream, None).await.unwrap().events.iter().map(|event| event.event_version).collect()
}

pub(crate) fn ids(events: &[RecordedEvent]) -> Vec<Uuid> {
    events.iter().map(|event| event.id).collect()
}

#[track_caller]
pub(crate) fn assert_conflict(result: &Result<Appended, StoreError>, on: &StreamId, wanted: i32, found: i32) {
    match result {
        Err(StoreError::Conflict { stream, expected, actual }) => {
            assert_eq!((stream, *expected, *actual), (on, wanted, found));
        }
        other => panic!("expected a conflict on {on}, not {other:?}"),
    }
}

/// Reads on from `cursor` until `count` events were seen, and one empty page after them. What other
/// transactions on the server hold back comes later, so it waits.
pub(crate) async fn tail(fixture: &Fixture, cursor: &mut Option<Cursor>, count: usize) -> Vec<RecordedEvent> {
    let started = Instant::now();
    let mut seen = Vec::new();
    loop {
        let page = fixture.store.read_all(cursor.as_ref(), 7).await.unwrap();
        *cursor = page.next;
        let done = page.events.is_empty() && seen.len() >= count;
        seen.extend(page.events);
        if done {
            return seen;
        }
        assert!(started.elapsed() < fixture.patience, "{} of {count} events came", seen.len());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Events in the order that the store promises: all in one, or in each stream alone, where the streams' order is ours.
pub(crate) fn as_promised(store: &dyn Store, mut events: Vec<RecordedEvent>) -> Vec<RecordedEvent> {
    if store.order() == ReadOrder::PerStream {
        events.sort_by_key(|event| event.stream.aggregate_id);
    }
    events
}

/// A reader of everything that goes on as events are appended. Where a pass ends, it begins another and leaves out what it
/// has seen before.
#[derive(Default)]
pub(crate) struct Reader {
    cursor: Option<Cursor>,
    seen: HashSet<Uuid>,
}

impl Reader {
    /// What is new since it last read, `count` events.
    pub(crate) async fn read_on(&mut self, fixture: &Fixture, count: usize) -> Vec<RecordedEvent> {
        if fixture.store.order() == ReadOrder::PerStream {
            self.cursor = None;
            let mut events = tail(fixture, &mut self.cursor, self.seen.len() + count).await;
            let ids: HashSet<_> = events.iter().map(|event| event.id).collect();
            assert_eq!(ids.len(), events.len(), "none twice in a pass");
            events.retain(|event| self.seen.insert(event.id));
            return events;
        }
        tail(fixture, &mut self.cursor, count).await
    }
}
