//! Transactions that were handed in here.

use mcp_core::domain::chain::{Block, ChainId};
use mcp_core::domain::projection::{Changes, TransactionChange};
use mcp_core::domain::transaction::{Submission, TransactionAggregate, TransactionEvent, TransactionState};
use mcp_core::domain::{Aggregate, NewEvent, RecordedEvent, StreamId};
use mcp_core::platform::clock::Timestamp;
use mcp_core::store::Expected::Any;
use mcp_core::store::{Append, PendingQuery, Store};
use uuid::Uuid;

use crate::contracts::build::{at, changes, metadata, part, together};
use crate::contracts::projections::swept;
use crate::contracts::{Fixture, contract};

contract!(
    a_transaction_is_found_by_its_stream,
    every_event_alone_is_enough_for_a_row,
    a_late_event_brings_back_no_older_state,
    a_number_that_no_chain_has_is_left_out,
    only_what_is_not_settled_is_pending,
    pending_ones_come_in_pages_those_first_that_were_heard_of_longest_ago,
    many_pending_ones_are_all_seen_once,
    a_rebuild_brings_transactions_back_and_the_old_ones_are_swept,
);

fn submission(hash: &str) -> Submission {
    Submission {
        chain: ChainId::evm(1),
        hash: hash.to_owned(),
        from: "0xa".to_owned(),
        to: Some("0xb".to_owned()),
        nonce: Some(7),
        user_id: Some("ada".to_owned()),
        submitted_at: at(0),
    }
}

fn submitted(hash: &str) -> TransactionEvent {
    TransactionEvent::Submitted(submission(hash))
}

fn accepted(hash: &str) -> TransactionEvent {
    TransactionEvent::Accepted(submission(hash))
}

fn failed(hash: &str) -> TransactionEvent {
    let block = Block { number: 9, hash: "0x9".to_owned() };
    TransactionEvent::Failed { submission: submission(hash), block, error: Some("reverted".to_owned()) }
}

fn stream_of(hash: &str) -> StreamId {
    StreamId::of(TransactionAggregate::TYPE, &TransactionAggregate::subject(&ChainId::evm(1), hash))
}

/// Appends what happened to one transaction at a time: the events.
async fn happened(store: &dyn Store, seconds: i64, events: &[TransactionEvent]) -> Vec<RecordedEvent> {
    let stream = stream_of(&events[0].submission().hash);
    let events = events.iter().map(|event| NewEvent::from_domain(event).unwrap()).collect();
    let mut metadata = metadata();
    metadata.occurred_at = at(seconds);
    let append = Append { metadata, ..together(vec![part(&stream, Any, events)]) };
    store.append(&append).await.unwrap().events
}

async fn project(store: &dyn Store, events: &[RecordedEvent]) {
    store.apply_changes(&changes(events)).await.unwrap();
}

async fn found(store: &dyn Store, hash: &str) -> Option<TransactionChange> {
    store.transaction(stream_of(hash).aggregate_id).await.unwrap()
}

fn all_pending() -> PendingQuery {
    PendingQuery { older_than: at(1000), after: None, limit: 99 }
}

async fn pending(store: &dyn Store, query: &PendingQuery) -> Vec<(String, Timestamp, Uuid)> {
    let row = |(id, change): (Uuid, TransactionChange)| (change.submission.hash, change.updated_at, id);
    store.pending_transactions(query).await.unwrap().into_iter().map(row).collect()
}

async fn hashes(store: &dyn Store, query: &PendingQuery) -> Vec<String> {
    pending(store, query).await.into_iter().map(|(hash, ..)| hash).collect()
}

async fn a_transaction_is_found_by_its_stream(fixture: Fixture) {
    let store = fixture.store.as_ref();
    assert_eq!(found(store, "0x1").await, None);
    let bare = Submission { to: None, nonce: None, user_id: None, ..submission("0x2") };
    project(store, &happened(store, 1, &[submitted("0x1")]).await).await;
    project(store, &happened(store, 2, &[TransactionEvent::Submitted(bare.clone())]).await).await;
    project(store, &happened(store, 3, &[accepted("0x1"), failed("0x1")]).await).await;
    let row = TransactionChange {
        version: 3,
        submission: submission("0x1"),
        state: TransactionState::Failed,
        block: Some(9),
        reason: Some("reverted".to_owned()),
        updated_at: at(3),
    };
    assert_eq!(found(store, "0x1").await, Some(row));
    assert_eq!(found(store, "0x2").await.unwrap().submission, bare);
}

async fn every_event_alone_is_enough_for_a_row(fixture: Fixture) {
    let store = fixture.store.as_ref();
    let events = happened(store, 1, &[submitted("0x1"), accepted("0x1"), failed("0x1")]).await;
    for event in &events {
        project(store, std::slice::from_ref(event)).await;
        let row = found(store, "0x1").await.unwrap();
        assert_eq!((row.version, row.submission), (event.event_version, submission("0x1")));
    }
}

pub(crate) async fn a_late_event_brings_back_no_older_state(fixture: Fixture) {
    let store = fixture.store.as_ref();
    let events = happened(store, 1, &[submitted("0x1"), accepted("0x1"), failed("0x1")]).await;
    for place in [1, 2, 0, 1] {
        project(store, &events[place..=place]).await;
    }
    let row = found(store, "0x1").await.unwrap();
    assert_eq!((row.version, row.state), (3, TransactionState::Failed));
    assert_eq!(hashes(store, &all_pending()).await, [""; 0]);
}

async fn a_number_that_no_chain_has_is_left_out(fixture: Fixture) {
    let store = fixture.store.as_ref();
    let submission = Submission { nonce: Some(u64::MAX), ..submission("0x1") };
    let block = Block { number: u64::MAX, hash: String::new() };
    project(store, &happened(store, 1, &[TransactionEvent::Confirmed { submission, block }]).await).await;
    let row = found(store, "0x1").await.unwrap();
    assert_eq!((row.state, row.block, row.submission.nonce), (TransactionState::Confirmed, None, None));
}

async fn only_what_is_not_settled_is_pending(fixture: Fixture) {
    let store = fixture.store.as_ref();
    let (submission, reason) = (submission("0x4"), "no".to_owned());
    for events in [
        vec![submitted("0x1")],
        vec![submitted("0x2"), accepted("0x2")],
        vec![submitted("0x3"), failed("0x3")],
        vec![submitted("0x4"), TransactionEvent::Rejected { submission, reason }],
    ] {
        project(store, &happened(store, 1, &events).await).await;
    }
    let mut found = hashes(store, &all_pending()).await;
    found.sort();
    assert_eq!(found, ["0x1", "0x2"]);
    assert_eq!(hashes(store, &PendingQuery { older_than: at(1), ..all_pending() }).await, [""; 0]);
}

pub(crate) async fn pending_ones_come_in_pages_those_first_that_were_heard_of_longest_ago(fixture: Fixture) {
    let store = fixture.store.as_ref();
    for (hash, seconds) in [("0x1", 5), ("0x2", 1), ("0x3", 3), ("0x4", 3), ("0x5", 3)] {
        project(store, &happened(store, seconds, &[submitted(hash)]).await).await;
    }
    let (mut query, mut seen) = (PendingQuery { limit: 2, ..all_pending() }, vec![]);
    loop {
        let page = pending(store, &query).await;
        let Some((_, updated_at, id)) = page.last() else { break };
        query.after = Some((*updated_at, *id));
        seen.extend(page);
        assert!(seen.len() <= 5, "a page came again");
    }
    let order: Vec<_> = seen.iter().map(|(_, at, id)| (*at, *id)).collect();
    assert!(order.is_sorted());
    assert_eq!((seen.len(), seen[0].0.as_str(), seen[4].0.as_str()), (5, "0x2", "0x1"));
}

/// Every third is settled, and many were heard of at the same time.
async fn many_pending_ones_are_all_seen_once(fixture: Fixture) {
    let store = fixture.store.as_ref();
    let mut all = Changes::default();
    for n in 0..300 {
        let submission = submission(&format!("0x{n}"));
        let state = if n % 3 == 0 { TransactionState::Confirmed } else { TransactionState::Submitted };
        let id = stream_of(&submission.hash).aggregate_id;
        let (block, reason, updated_at) = (None, None, at((n * 7) % 10));
        let change = TransactionChange { version: 1, submission, state, block, reason, updated_at };
        all.transactions.insert(id, change);
        all.streams.insert(id, 1);
    }
    store.apply_changes(&all).await.unwrap();
    let mut wanted: Vec<_> =
        all.transactions.iter().filter(|(_, row)| row.state == TransactionState::Submitted).collect();
    wanted.sort_by_key(|(id, row)| (row.updated_at, **id));
    let (mut query, mut seen) = (PendingQuery { limit: 17, ..all_pending() }, vec![]);
    loop {
        let page = store.pending_transactions(&query).await.unwrap();
        let Some((id, row)) = page.last() else { break };
        query.after = Some((row.updated_at, *id));
        seen.extend(page);
        assert!(seen.len() <= wanted.len(), "a page came again");
    }
    assert_eq!(seen.iter().map(|(id, row)| (id, row)).collect::<Vec<_>>(), wanted);
}

async fn a_rebuild_brings_transactions_back_and_the_old_ones_are_swept(fixture: Fixture) {
    let store = fixture.store.as_ref();
    let mut events = happened(store, 1, &[submitted("0x1")]).await;
    events.extend(happened(store, 1, &[submitted("0x2")]).await);
    project(store, &events).await;
    let rebuild = store.begin_rebuild().await.unwrap();
    // Before the swap this goes to both, after it the shadow has nothing else.
    project(store, &events[..1]).await;
    assert!(store.finish_rebuild(&rebuild).await.unwrap());
    assert_eq!(hashes(store, &all_pending()).await, ["0x1"]);
    // Two transactions and two projected streams.
    assert_eq!(swept(store, 100).await.iter().sum::<u64>(), 4);
    assert_eq!(hashes(store, &all_pending()).await, ["0x1"]);
}
