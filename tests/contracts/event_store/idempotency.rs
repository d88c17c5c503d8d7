//! The same request again gives the first answer again.

use aws_sdk_dynamodb::types::AttributeValue;
use mcp_core::store::Expected::{Any, Exact};
use mcp_core::store::StoreError;

use crate::contracts::build::{
    a_stream, assert_conflict, events, idempotency_key, ids, keyed, part, to, together, versions,
};
use crate::contracts::fixture::Item;
use crate::contracts::{Fixture, contract};

contract!(
    the_same_key_gives_the_first_result_even_where_the_version_is_stale,
    a_result_over_several_streams_is_given_again,
    of_concurrent_appends_under_one_key_one_is_done,
    a_key_used_for_another_request_is_refused,
    another_callers_key_is_another_key,
    a_key_whose_append_failed_is_free,
    a_key_is_forgotten_after_a_day,
    forgotten_keys_are_swept_by_those_that_follow,
    what_was_appended_under_a_key_can_be_asked,
);

pub(crate) async fn the_same_key_gives_the_first_result_even_where_the_version_is_stale(fixture: Fixture) {
    let (store, stream) = (fixture.store.as_ref(), a_stream());
    let first = store.append(&keyed(to(&stream, Exact(0), 2), "k", "f")).await.unwrap();
    store.append(&to(&stream, Exact(2), 1)).await.unwrap();
    let again = store.append(&keyed(to(&stream, Exact(0), 2), "k", "f")).await.unwrap();
    assert!(again.replayed && !first.replayed);
    assert_eq!(again.events, first.events);
    assert_eq!(versions(store, &stream).await, [1, 2, 3]);
}

async fn a_result_over_several_streams_is_given_again(fixture: Fixture) {
    let (store, a, b) = (fixture.store.as_ref(), a_stream(), a_stream());
    let append = || keyed(together(vec![part(&b, Any, events(2)), part(&a, Any, events(1))]), "k", "f");
    store.append(&to(&b, Any, 3)).await.unwrap();
    let first = store.append(&append()).await.unwrap();
    store.append(&to(&b, Any, 3)).await.unwrap();
    assert_eq!(store.append(&append()).await.unwrap().events, first.events);
}

async fn of_concurrent_appends_under_one_key_one_is_done(fixture: Fixture) {
    let stream = a_stream();
    let racers = (0..16).map(|_| {
        let (store, stream) = (fixture.store.clone(), stream.clone());
        tokio::spawn(async move { store.append(&keyed(to(&stream, Any, 1), "k", "f")).await.unwrap() })
    });
    let mut results = Vec::new();
    for racer in racers.collect::<Vec<_>>() {
        results.push(racer.await.unwrap());
    }
    assert_eq!(results.iter().filter(|result| !result.replayed).count(), 1);
    assert!(results.iter().all(|result| result.events == results[0].events));
    assert_eq!(versions(fixture.store.as_ref(), &stream).await, [1]);
}

async fn a_key_used_for_another_request_is_refused(fixture: Fixture) {
    let (store, stream) = (fixture.store.as_ref(), a_stream());
    store.append(&keyed(to(&stream, Any, 1), "k", "f")).await.unwrap();
    let result = store.append(&keyed(to(&stream, Any, 1), "k", "other")).await;
    assert!(matches!(result, Err(StoreError::KeyReused)), "{result:?}");
    let asked = store.appended_under(&idempotency_key("k", "other")).await;
    assert!(matches!(asked, Err(StoreError::KeyReused)), "{asked:?}");
    assert_eq!(versions(store, &stream).await, [1]);
}

async fn another_callers_key_is_another_key(fixture: Fixture) {
    let (store, stream) = (fixture.store.as_ref(), a_stream());
    for key in ["ada/k", "bob/k"] {
        assert!(!store.append(&keyed(to(&stream, Any, 1), key, "f")).await.unwrap().replayed);
    }
    assert_eq!(versions(store, &stream).await, [1, 2]);
}

async fn a_key_whose_append_failed_is_free(fixture: Fixture) {
    let (store, stream) = (fixture.store.as_ref(), a_stream());
    assert_conflict(&store.append(&keyed(to(&stream, Exact(9), 1), "k", "f")).await, &stream, 9, 0);
    assert_eq!(store.appended_under(&idempotency_key("k", "f")).await.unwrap(), None);
    assert!(!store.append(&keyed(to(&stream, Exact(0), 1), "k", "g")).await.unwrap().replayed);
}

async fn a_key_is_forgotten_after_a_day(fixture: Fixture) {
    let (store, stream) = (fixture.store.as_ref(), a_stream());
    let age = async |hours: u32| {
        let sqlite = format!("UPDATE idempotency_keys SET created_at = created_at - {hours} * 3600000000");
        let postgres = format!("UPDATE idempotency_keys SET created_at = created_at - interval '{hours} hours'");
        let item = |item: &mut Item| {
            if let Some(AttributeValue::N(created)) = item.get_mut("c") {
                *created = (created.parse::<i64>().unwrap() - i64::from(hours) * 3_600_000_000).to_string();
            }
        };
        fixture.database.tamper(&sqlite, &postgres, item).await;
    };
    store.append(&keyed(to(&stream, Any, 1), "k", "f")).await.unwrap();
    age(23).await;
    assert!(store.append(&keyed(to(&stream, Any, 1), "k", "f")).await.unwrap().replayed);
    age(2).await;
    assert_eq!(store.appended_under(&idempotency_key("k", "f")).await.unwrap(), None);
    let second = store.append(&keyed(to(&stream, Any, 1), "k", "another")).await.unwrap();
    assert!(!second.replayed);
    let again = store.append(&keyed(to(&stream, Any, 1), "k", "another")).await.unwrap();
    assert_eq!((again.replayed, ids(&again.events)), (true, ids(&second.events)));
}

/// A row that was still there would be refused the change. DynamoDB deletes them itself, by the time that each has.
async fn forgotten_keys_are_swept_by_those_that_follow(fixture: Fixture) {
    let (store, stream) = (fixture.store.as_ref(), a_stream());
    for key in ["old-1", "old-2", "old-3"] {
        store.append(&keyed(to(&stream, Any, 1), key, "f")).await.unwrap();
    }
    let sqlite = "UPDATE idempotency_keys SET created_at = created_at - 25 * 3600000000";
    let postgres = "UPDATE idempotency_keys SET created_at = created_at - interval '25 hours'";
    let is_kept = |item: &Item| item.get("pk").is_some_and(|pk| pk.as_s().is_ok_and(|pk| pk.starts_with("K#")));
    let timed = |item: &mut Item| assert!(!is_kept(item) || item.contains_key("expires"));
    fixture.database.tamper(sqlite, postgres, timed).await;
    for key in ["new-1", "new-2"] {
        store.append(&keyed(to(&stream, Any, 1), key, "f")).await.unwrap();
    }
    let refused = "UPDATE idempotency_keys SET fingerprint = NULL WHERE key LIKE 'old-%'";
    fixture.database.tamper(refused, refused, |_| {}).await;
    assert!(store.append(&keyed(to(&stream, Any, 1), "new-1", "f")).await.unwrap().replayed);
}

async fn what_was_appended_under_a_key_can_be_asked(fixture: Fixture) {
    let (store, stream) = (fixture.store.as_ref(), a_stream());
    assert_eq!(store.appended_under(&idempotency_key("k", "f")).await.unwrap(), None);
    let first = store.append(&keyed(to(&stream, Any, 2), "k", "f")).await.unwrap();
    let asked = store.appended_under(&idempotency_key("k", "f")).await.unwrap().unwrap();
    assert_eq!((asked.replayed, asked.events), (true, first.events));
}
