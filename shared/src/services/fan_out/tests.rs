//! What subscribers are told, and what happens to those that cannot be told.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use chrono::TimeDelta;
use serde_json::json;

use super::testing::{Fixture, ada, at, bitcoin, emotion, price, record};
use crate::platform::auth::Role;
use crate::push::PostError;
use crate::services::consume::Outcome;

#[tokio::test]
async fn an_operation_is_executed_once_for_all_who_may_see_the_same() {
    let it = Fixture::new();
    for name in ["a", "b", "c"] {
        let client = it.client(name, Role::User, None).await;
        it.subscribe(&client, "q", &[bitcoin()]).await;
    }
    let admin = it.client("d", Role::Admin, None).await;
    it.subscribe(&admin, "q", &[bitcoin()]).await;
    assert_eq!(it.batch(&[price(1)]).await, [Outcome::Done]);
    for name in ["a", "b", "c", "d"] {
        assert_eq!(it.heard(name), [json!(1)]);
    }
    assert_eq!(it.renderer.executed.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn of_prices_only_the_newest_is_told_and_never_an_older_one_after_it() {
    let it = Fixture::new();
    let client = it.client("a", Role::User, None).await;
    it.subscribe(&client, "q", &[bitcoin()]).await;
    it.batch(&[price(1), price(2), price(3)]).await;
    // The same again, in other batches than before; and an old one on its own.
    it.batch(&[price(2), price(3)]).await;
    it.batch(&[price(1)]).await;
    it.batch(&[price(3), price(4)]).await;
    assert_eq!(it.heard("a"), [json!(3), json!(4)]);
}

#[tokio::test]
async fn an_older_price_is_not_told_where_a_newer_one_was_begun() {
    let it = Fixture::new();
    let client = it.client("a", Role::User, None).await;
    it.subscribe(&client, "q", &[bitcoin()]).await;
    // A process died while it told version 5.
    it.registry().begin(bitcoin().aggregate_id, 5, true).await.unwrap();
    it.batch(&[price(4)]).await;
    assert_eq!(it.heard("a"), Vec::<serde_json::Value>::new());
    it.batch(&[price(4), price(5)]).await;
    assert_eq!(it.heard("a"), [json!(5)]);
}

#[tokio::test]
async fn everything_else_is_told_in_order_and_once() {
    let it = Fixture::new();
    let client = it.client("a", Role::Admin, None).await;
    it.subscribe(&client, "q", &[ada()]).await;
    it.batch(&[emotion(1), emotion(2), emotion(2), emotion(3)]).await;
    it.batch(&[emotion(2), emotion(3), emotion(4)]).await;
    assert_eq!(it.heard("a"), [json!(1), json!(2), json!(3), json!(4)]);
}

#[tokio::test]
async fn what_a_process_did_not_finish_comes_again() {
    let it = Fixture::new();
    let client = it.client("a", Role::Admin, None).await;
    it.subscribe(&client, "q", &[ada()]).await;
    it.registry().begin(ada().aggregate_id, 2, false).await.unwrap();
    it.batch(&[emotion(1), emotion(2)]).await;
    assert_eq!(it.heard("a"), [json!(1), json!(2)]);
}

#[tokio::test]
async fn a_role_that_does_not_suffice_ends_the_subscription() {
    let it = Fixture::new();
    let client = it.client("a", Role::User, None).await;
    it.subscribe(&client, "admin", &[ada()]).await;
    it.batch(&[emotion(1)]).await;
    it.batch(&[emotion(2)]).await;
    assert_eq!(it.heard("a"), [json!("FORBIDDEN")]);
}

#[tokio::test]
async fn a_token_that_has_ended_ends_the_subscription() {
    let it = Fixture::new();
    let client = it.client("a", Role::User, Some(at(60))).await;
    it.subscribe(&client, "q", &[bitcoin()]).await;
    it.batch(&[price(1)]).await;
    it.clock.advance(TimeDelta::seconds(60));
    it.batch(&[price(2)]).await;
    it.batch(&[price(3)]).await;
    assert_eq!(it.heard("a"), [json!(1), json!("the token has expired")]);
}

#[tokio::test]
async fn an_answer_that_is_too_large_ends_the_subscription() {
    let it = Fixture::new();
    let client = it.client("a", Role::User, None).await;
    it.subscribe(&client, "long", &[bitcoin()]).await;
    it.batch(&[price(1)]).await;
    it.batch(&[price(2)]).await;
    assert_eq!(it.heard("a"), [json!("the answer has more than 128 KiB: ask for fewer fields or items")]);
}

#[tokio::test]
async fn a_client_that_is_gone_is_forgotten_and_the_others_are_told() {
    let it = Fixture::new();
    for name in ["a", "b"] {
        let client = it.client(name, Role::User, None).await;
        it.subscribe(&client, "q", &[bitcoin()]).await;
    }
    it.fails("a", [PostError::Gone]);
    it.batch(&[price(1)]).await;
    it.batch(&[price(2)]).await;
    assert_eq!((it.heard("a").len(), it.heard("b").len()), (0, 2));
    assert_eq!(it.registry().listeners(bitcoin().aggregate_id, 0, None).await.unwrap().listeners.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_was_throttled_is_sent_again() {
    let it = Fixture::new();
    let client = it.client("a", Role::User, None).await;
    it.subscribe(&client, "q", &[bitcoin()]).await;
    it.fails("a", [PostError::Throttled, PostError::Throttled]);
    it.batch(&[price(1)]).await;
    assert_eq!(it.heard("a"), [json!(1)]);
}

#[tokio::test(start_paused = true)]
async fn a_client_may_miss_a_price_but_nothing_else() {
    let it = Fixture::ticking();
    let unreachable = || std::iter::repeat_n(PostError::Unavailable("down".to_owned()), 50);
    let client = it.client("a", Role::Admin, None).await;
    it.subscribe(&client, "q", &[bitcoin(), ada()]).await;
    it.fails("a", unreachable());
    assert_eq!(it.batch(&[price(1)]).await, [Outcome::Done]);
    it.fails("a", []);
    it.batch(&[price(2)]).await;
    assert_eq!((it.heard("a"), it.closed().len()), (vec![json!(2)], 0));
    it.fails("a", unreachable());
    assert_eq!(it.batch(&[emotion(1)]).await, [Outcome::Done]);
    assert_eq!(it.closed(), [("a".to_owned(), 1013)]);
    it.batch(&[emotion(2)]).await;
    assert_eq!(it.heard("a"), [json!(2)]);
}

#[tokio::test]
async fn what_says_nothing_is_not_sent() {
    let it = Fixture::new();
    let client = it.client("a", Role::User, None).await;
    it.subscribe(&client, "silent", &[bitcoin()]).await;
    it.batch(&[price(1)]).await;
    assert!(it.heard("a").is_empty());
}

#[tokio::test]
async fn what_cannot_be_read_keeps_nobody_from_the_rest() {
    let it = Fixture::new();
    let client = it.client("a", Role::User, None).await;
    it.subscribe(&client, "q", &[bitcoin()]).await;
    let mut garbage = record(&price(1));
    garbage.value = Some(Bytes::from_static(b"{"));
    let mut newer = price(2);
    newer.schema_version = 99;
    let outcomes = it.records(&[garbage, record(&newer), record(&price(3))]).await;
    assert_eq!(outcomes, [Outcome::Done, Outcome::Done, Outcome::Done]);
    assert_eq!(it.heard("a"), [json!(3)]);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_cannot_be_disconnected_now_is_later() {
    let it = Fixture::ticking();
    let client = it.client("a", Role::Admin, None).await;
    it.subscribe(&client, "q", &[ada()]).await;
    it.fails("a", std::iter::repeat_n(PostError::Throttled, 50));
    it.cannot_close(2);
    it.batch(&[emotion(1)]).await;
    assert!(it.closed().is_empty());
    // The first sweep cannot either; and strikes nothing off.
    assert_eq!(it.subscriptions.sweep(at(1_000_000)).await.unwrap().ended, 0);
    assert_eq!(it.subscriptions.sweep(at(1_000_000)).await.unwrap().ended, 1);
    assert_eq!(it.closed(), [("a".to_owned(), 1013)]);
}

#[tokio::test]
async fn where_nobody_can_be_told_nobody_is_disconnected_and_the_batch_comes_again() {
    let it = Fixture::new();
    let client = it.client("a", Role::Admin, None).await;
    it.subscribe(&client, "q", &[ada()]).await;
    it.fails("a", [PostError::Refused("403".to_owned())]);
    assert!(matches!(it.batch(&[emotion(1)]).await.as_slice(), [Outcome::Transient(_)]));
    assert_eq!(it.batch(&[emotion(1)]).await, [Outcome::Done]);
    assert_eq!((it.heard("a"), it.closed().len()), (vec![json!(1)], 0));
}

#[tokio::test(start_paused = true)]
async fn one_slow_client_costs_the_others_a_second_and_no_message() {
    let it = Fixture::ticking();
    for name in ["slow", "a", "b"] {
        let client = it.client(name, Role::User, None).await;
        it.subscribe(&client, "q", &[bitcoin()]).await;
    }
    it.fails("slow", std::iter::repeat_n(PostError::Throttled, 1000));
    let started = it.now();
    it.batch(&[price(1)]).await;
    assert!(it.now() - started <= TimeDelta::seconds(2), "{}", it.now() - started);
    assert_eq!((it.heard("a"), it.heard("b"), it.heard("slow").len()), (vec![json!(1)], vec![json!(1)], 0));
}
