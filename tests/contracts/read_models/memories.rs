//! A user's memories.

use mcp_core::domain::memory::{MemoryAdded, MemoryDeleted, MemoryEvent};
use mcp_core::domain::{NewEvent, StreamId};
use mcp_core::store::Expected::Any;
use mcp_core::store::{MemoryQuery, MemoryRow, Store};
use uuid::Uuid;

use crate::contracts::build::{append_and_project, at, changes, metadata, part, together};
use crate::contracts::fixture::Item;
use crate::contracts::{Fixture, contract};

contract!(
    memories_are_listed_newest_first_and_in_pages,
    every_word_must_occur_in_any_case,
    signs_of_patterns_are_letters_like_others,
    a_deleted_memory_is_gone_with_its_text,
    a_memory_can_be_deleted_in_the_append_that_adds_it,
    a_memory_may_come_back_under_its_id,
    news_of_a_memory_may_come_in_any_order,
    a_user_sees_only_their_own,
    memories_are_found_by_their_ids,
);

fn added(id: Uuid, content: &str) -> MemoryEvent {
    MemoryEvent::Added(MemoryAdded { memory_id: id, content: content.to_owned() })
}

fn deleted(id: Uuid) -> MemoryEvent {
    MemoryEvent::Deleted(MemoryDeleted { memory_id: id })
}

fn stream_of(user: &str) -> StreamId {
    StreamId::of("memory", user)
}

async fn append(store: &dyn Store, user: &str, events: &[MemoryEvent]) {
    let events = events.iter().map(|event| NewEvent::from_domain(event).unwrap()).collect();
    append_and_project(store, &together(vec![part(&stream_of(user), Any, events)])).await;
}

async fn remember(store: &dyn Store, user: &str, content: &str) -> Uuid {
    let id = Uuid::now_v7();
    append(store, user, &[added(id, content)]).await;
    id
}

fn all_of(user: &str) -> MemoryQuery {
    MemoryQuery { owner: stream_of(user).aggregate_id, words: vec![], before_version: None, limit: 99 }
}

async fn contents(store: &dyn Store, query: MemoryQuery) -> Vec<String> {
    store.memories(&query).await.unwrap().into_iter().map(|memory| memory.content).collect()
}

async fn found(store: &dyn Store, words: &[&str]) -> Vec<String> {
    let words = words.iter().map(|word| (*word).to_owned()).collect();
    contents(store, MemoryQuery { words, ..all_of("ada") }).await
}

async fn memories_are_listed_newest_first_and_in_pages(fixture: Fixture) {
    let store = fixture.store.as_ref();
    let mut ids = Vec::new();
    for content in ["one", "two", "three"] {
        ids.push(remember(store, "ada", content).await);
    }
    let page = store.memories(&MemoryQuery { limit: 2, ..all_of("ada") }).await.unwrap();
    let row = |n: usize, content: &str| MemoryRow {
        id: ids[n],
        version: i32::try_from(n + 1).unwrap(),
        content: content.to_owned(),
        created_at: metadata().occurred_at,
    };
    assert_eq!(page, [row(2, "three"), row(1, "two")]);
    assert_eq!(page[0].created_at, at(0));
    let rest = MemoryQuery { before_version: Some(page[1].version), ..all_of("ada") };
    assert_eq!(store.memories(&rest).await.unwrap(), [row(0, "one")]);
}

async fn every_word_must_occur_in_any_case(fixture: Fixture) {
    let store = fixture.store.as_ref();
    remember(store, "ada", "Prefers ETH over Bitcoin").await;
    remember(store, "ada", "ÄRGER mit Straße, ΣΊΣΥΦΟΣ").await;
    assert_eq!(found(store, &["eth"]).await.len(), 1);
    assert_eq!(found(store, &["BITCOIN", "prefers"]).await.len(), 1);
    assert_eq!(found(store, &["eth", "ärger"]).await.len(), 0);
    assert_eq!(found(store, &["ärger", "STRAßE", "σίσυ"]).await.len(), 1);
    assert_eq!(found(store, &["e"]).await.len(), 2);
    assert_eq!(found(store, &[]).await.len(), 2);
    assert_eq!(found(store, &["missing"]).await.len(), 0);
}

async fn signs_of_patterns_are_letters_like_others(fixture: Fixture) {
    let store = fixture.store.as_ref();
    for content in ["100% sure", "100 and sure", "snake_case", "snakeXcase", r"back\slash", "quote's \"end\""] {
        remember(store, "ada", content).await;
    }
    for (word, only) in [
        ("100%", "100% sure"),
        ("%", "100% sure"),
        ("e_c", "snake_case"),
        (r"k\s", r"back\slash"),
        ("'s \"", "quote's \"end\""),
    ] {
        assert_eq!(found(store, &[word]).await, [only], "{word}");
    }
    assert_eq!(found(store, &["a\0b"]).await.len(), 0);
}

async fn a_deleted_memory_is_gone_with_its_text(fixture: Fixture) {
    let store = fixture.store.as_ref();
    let (kept, gone) = (remember(store, "ada", "kept").await, remember(store, "ada", "gone").await);
    append(store, "ada", &[deleted(gone)]).await;
    let left = store.memories(&all_of("ada")).await.unwrap();
    assert_eq!(left.iter().map(|memory| memory.id).collect::<Vec<_>>(), [kept]);
    assert_eq!(found(store, &["gone"]).await.len(), 0);
    // The tombstone holds no text: a row that still had it would now be refused.
    let no_text = "WHERE deleted AND (content <> '' OR search_text <> '')";
    let fail_if_any = format!("UPDATE memories SET owner = NULL {no_text}");
    let row_with_text = |item: &mut Item| {
        let is_view = item["pk"].as_s().unwrap().starts_with("V#");
        assert!(!is_view || item.values().all(|value| value.as_s().is_ok_and(|text| text != "gone") || value.is_n()));
    };
    fixture.database.tamper(&fail_if_any, &fail_if_any, row_with_text).await;
}

async fn a_memory_can_be_deleted_in_the_append_that_adds_it(fixture: Fixture) {
    let (store, id) = (fixture.store.as_ref(), Uuid::now_v7());
    append(store, "ada", &[added(id, "brief"), deleted(id)]).await;
    assert_eq!(contents(store, all_of("ada")).await, [""; 0]);
}

async fn a_memory_may_come_back_under_its_id(fixture: Fixture) {
    let (store, id) = (fixture.store.as_ref(), Uuid::now_v7());
    append(store, "ada", &[added(id, "once")]).await;
    append(store, "ada", &[deleted(id)]).await;
    append(store, "ada", &[added(id, "again")]).await;
    assert_eq!(contents(store, all_of("ada")).await, ["again"]);
}

async fn news_of_a_memory_may_come_in_any_order(fixture: Fixture) {
    let store = fixture.store.as_ref();
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    for (n, order) in orders.into_iter().enumerate() {
        for left in [&["again"][..], &[]] {
            let (user, id) = (format!("{n} {}", left.len()), Uuid::now_v7());
            let news = match left {
                [] => [added(id, "once"), added(id, "again"), deleted(id)],
                _ => [added(id, "once"), deleted(id), added(id, "again")],
            };
            let news = news.iter().map(|event| NewEvent::from_domain(event).unwrap()).collect();
            let append = together(vec![part(&stream_of(&user), Any, news)]);
            let events = store.append(&append).await.unwrap().events;
            for place in order.into_iter().chain([0, 1, 2]) {
                store.apply_changes(&changes(&events[place..=place])).await.unwrap();
            }
            assert_eq!(contents(store, all_of(&user)).await, left, "{order:?}");
        }
    }
}

async fn a_user_sees_only_their_own(fixture: Fixture) {
    let store = fixture.store.as_ref();
    remember(store, "ada", "of ada").await;
    remember(store, "bob", "of bob").await;
    assert_eq!(contents(store, all_of("ada")).await, ["of ada"]);
    assert_eq!(contents(store, all_of("eve")).await, [""; 0]);
}

async fn memories_are_found_by_their_ids(fixture: Fixture) {
    let store = fixture.store.as_ref();
    let found = async |user: &str, ids: &[Uuid]| {
        let mut rows = store.memories_by_id(stream_of(user).aggregate_id, ids).await.unwrap();
        rows.sort_by_key(|row| row.version);
        rows
    };
    let (first, second) = (remember(store, "ada", "first").await, remember(store, "ada", "second").await);
    let row = |version: i32, id: Uuid, content: &str| MemoryRow {
        id,
        version,
        content: content.to_owned(),
        created_at: metadata().occurred_at,
    };
    let both = [row(1, first, "first"), row(2, second, "second")];
    assert_eq!(found("ada", &[second, Uuid::now_v7(), first, second]).await, both);
    assert_eq!(found("ada", &[second]).await, both[1..]);
    assert_eq!(found("ada", &[]).await, []);
    assert_eq!(found("bob", &[first, second]).await, []);
    append(store, "ada", &[deleted(first)]).await;
    assert_eq!(found("ada", &[first, second]).await, both[1..]);
    append(store, "ada", &[added(first, "again")]).await;
    assert_eq!(found("ada", &[first]).await, [row(4, first, "again")]);
}
