//! What a connection has open.

use mcp_core::push::{Claimed, MAX_OPEN, MAX_TOPICS, Slot};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::build::{END, a_query, claimed, live, named, open, pages_of, told, waiting};
use super::{Fixture, contract};
use crate::contracts::build::at;

contract!(
    an_id_is_taken_until_it_is_released,
    ids_of_other_connections_are_others,
    a_stranger_opens_nothing,
    a_connection_has_no_more_open_than_it_may,
    of_many_claims_at_once_no_more_are_open_than_may_be,
    of_two_claims_of_an_id_one_wins,
    claims_and_releases_at_once_lose_no_place,
    what_is_completed_early_is_not_opened,
    early_completion_is_forgotten_in_time,
    what_is_released_no_longer_listens,
    what_was_not_open_is_not_released,
    a_slot_is_forgotten_at_its_end_and_gives_back_its_place,
    a_subscription_has_fifty_topics,
    a_topic_named_twice_is_listened_to_once,
    names_may_hold_anything,
);

async fn an_id_is_taken_until_it_is_released(fixture: Fixture) {
    let id = fixture.connected("c").await;
    let registry = &*fixture.registry;
    claimed(registry, &a_query(&id, "1")).await;
    assert_eq!(registry.claim(&a_query(&id, "1")).await.unwrap(), Claimed::Taken);
    assert_eq!(registry.claim(&live(&id, "1", &[Uuid::now_v7()])).await.unwrap(), Claimed::Taken);
    claimed(registry, &a_query(&id, "2")).await;
    assert_eq!(open(registry, &id).await, ["1", "2"]);
    assert!(registry.release(&id, "1", None).await.unwrap());
    claimed(registry, &a_query(&id, "1")).await;
}

async fn ids_of_other_connections_are_others(fixture: Fixture) {
    for name in ["c", "d"] {
        let id = fixture.connected(name).await;
        claimed(&*fixture.registry, &a_query(&id, "1")).await;
    }
}

async fn a_stranger_opens_nothing(Fixture { registry, .. }: Fixture) {
    let (stranger, topic) = (named("nobody"), Uuid::now_v7());
    assert_eq!(registry.claim(&live(&stranger, "1", &[topic])).await.unwrap(), Claimed::Unknown);
    assert_eq!(open(&*registry, &stranger).await, [""; 0]);
    assert_eq!(told(&*registry, topic, 1).await, [""; 0]);
}

async fn a_connection_has_no_more_open_than_it_may(fixture: Fixture) {
    let id = fixture.connected("c").await;
    let registry = &*fixture.registry;
    for n in 0..MAX_OPEN {
        claimed(registry, &a_query(&id, &n.to_string())).await;
    }
    let topic = Uuid::now_v7();
    assert_eq!(registry.claim(&live(&id, "more", &[topic])).await.unwrap(), Claimed::Full);
    assert_eq!(registry.claim(&a_query(&id, "7")).await.unwrap(), Claimed::Taken);
    assert_eq!(told(registry, topic, 1).await, [""; 0]);
    assert!(registry.release(&id, "7", None).await.unwrap());
    assert!(!registry.release(&id, "7", None).await.unwrap());
    claimed(registry, &a_query(&id, "more")).await;
    assert_eq!(registry.claim(&a_query(&id, "still more")).await.unwrap(), Claimed::Full);
}

pub(super) async fn of_many_claims_at_once_no_more_are_open_than_may_be(fixture: Fixture) {
    let id = fixture.connected("c").await;
    for n in 0..MAX_OPEN - 5 {
        claimed(&*fixture.registry, &a_query(&id, &n.to_string())).await;
    }
    let mut claims = JoinSet::new();
    for n in 0..20 {
        let (registry, slot) = (fixture.registry.clone(), a_query(&id, &format!("more {n}")));
        claims.spawn(async move { registry.claim(&slot).await.unwrap() });
    }
    let claims = claims.join_all().await;
    assert_eq!(claims.iter().filter(|claim| **claim == Claimed::Open).count(), 5);
    assert_eq!(claims.iter().filter(|claim| **claim == Claimed::Full).count(), 15);
    assert_eq!(open(&*fixture.registry, &id).await.len(), MAX_OPEN as usize);
}

pub(super) async fn of_two_claims_of_an_id_one_wins(fixture: Fixture) {
    let id = fixture.connected("c").await;
    for n in 0..20 {
        let mut claims = JoinSet::new();
        for _ in 0..2 {
            let (registry, slot) = (fixture.registry.clone(), a_query(&id, &n.to_string()));
            claims.spawn(async move { registry.claim(&slot).await.unwrap() });
        }
        let mut claims = claims.join_all().await;
        claims.sort_by_key(|claim| *claim == Claimed::Taken);
        assert_eq!(claims, [Claimed::Open, Claimed::Taken]);
    }
}

async fn claims_and_releases_at_once_lose_no_place(fixture: Fixture) {
    let id = fixture.connected("c").await;
    let mut clients = JoinSet::new();
    for n in 0..20 {
        let (registry, id) = (fixture.registry.clone(), id.clone());
        clients.spawn(async move {
            for _ in 0..3 {
                claimed(&*registry, &a_query(&id, &n.to_string())).await;
                assert!(registry.release(&id, &n.to_string(), None).await.unwrap());
            }
        });
    }
    clients.join_all().await;
    for n in 0..MAX_OPEN {
        claimed(&*fixture.registry, &a_query(&id, &n.to_string())).await;
    }
    assert_eq!(fixture.registry.claim(&a_query(&id, "more")).await.unwrap(), Claimed::Full);
}

pub(super) async fn what_is_completed_early_is_not_opened(fixture: Fixture) {
    let id = fixture.connected("c").await;
    let (registry, topic) = (&*fixture.registry, Uuid::now_v7());
    assert!(!registry.release(&id, "1", Some(at(60))).await.unwrap());
    assert!(!registry.release(&id, "1", Some(at(60))).await.unwrap());
    assert_eq!(open(registry, &id).await, [""; 0]);
    assert_eq!(registry.claim(&live(&id, "1", &[topic])).await.unwrap(), Claimed::Completed);
    assert_eq!(told(registry, topic, 1).await, [""; 0]);
    // The id is free again, and no place is lost.
    for n in 0..MAX_OPEN {
        claimed(registry, &a_query(&id, &n.to_string())).await;
    }
}

pub(super) async fn early_completion_is_forgotten_in_time(fixture: Fixture) {
    let id = fixture.connected("c").await;
    assert!(!fixture.registry.release(&id, "1", Some(at(60))).await.unwrap());
    assert!(!fixture.registry.release(&id, "2", None).await.unwrap());
    claimed(&*fixture.registry, &a_query(&id, "2")).await;
    fixture.pass(60);
    claimed(&*fixture.registry, &a_query(&id, "1")).await;
    assert_eq!(open(&*fixture.registry, &id).await, ["1", "2"]);
}

pub(super) async fn what_is_released_no_longer_listens(fixture: Fixture) {
    let id = fixture.connected("c").await;
    let (registry, topics) = (&*fixture.registry, [Uuid::now_v7(), Uuid::now_v7()]);
    claimed(registry, &live(&id, "1", &topics)).await;
    let slot = waiting(&id, "2", &topics);
    claimed(registry, &slot).await;
    assert!(registry.listen(&slot, topics[1], 0).await.unwrap());
    assert_eq!(told(registry, topics[1], 1).await, ["c/1", "c/2"]);
    assert!(registry.release(&id, "1", Some(at(60))).await.unwrap());
    assert!(registry.release(&id, "2", None).await.unwrap());
    for topic in topics {
        assert_eq!(told(registry, topic, 2).await, [""; 0]);
    }
    assert!(!registry.listen(&slot, topics[0], 9).await.unwrap());
    // It was open, so it was not completed early.
    claimed(registry, &live(&id, "1", &topics)).await;
}

async fn what_was_not_open_is_not_released(fixture: Fixture) {
    let id = fixture.connected("c").await;
    assert!(!fixture.registry.release(&id, "1", None).await.unwrap());
    assert!(!fixture.registry.release(&named("nobody"), "1", None).await.unwrap());
    assert!(!fixture.registry.release(&named("nobody"), "1", Some(at(60))).await.unwrap());
}

async fn a_slot_is_forgotten_at_its_end_and_gives_back_its_place(fixture: Fixture) {
    let id = fixture.connected("c").await;
    let (registry, topic) = (&*fixture.registry, Uuid::now_v7());
    let short = |slot: Slot| Slot { ends_at: at(30), ..slot };
    for n in 1..MAX_OPEN {
        claimed(registry, &short(a_query(&id, &n.to_string()))).await;
    }
    let slot = short(live(&id, "0", &[topic]));
    claimed(registry, &slot).await;
    fixture.pass(30);
    assert_eq!(open(registry, &id).await, [""; 0]);
    assert_eq!(told(registry, topic, 1).await, [""; 0]);
    assert!(!registry.listen(&slot, topic, 9).await.unwrap());
    assert!(!registry.release(&id, "2", None).await.unwrap());
    for n in 0..MAX_OPEN {
        claimed(registry, &a_query(&id, &n.to_string())).await;
    }
    assert_eq!(registry.claim(&a_query(&id, "more")).await.unwrap(), Claimed::Full);
}

async fn a_subscription_has_fifty_topics(fixture: Fixture) {
    let id = fixture.connected("c").await;
    let registry = &*fixture.registry;
    let topics: Vec<_> = (0..MAX_TOPICS).map(|_| Uuid::now_v7()).collect();
    claimed(registry, &live(&id, "1", &topics)).await;
    for topic in &topics {
        assert_eq!(told(registry, *topic, 1).await, ["c/1"]);
    }
    assert!(registry.release(&id, "1", None).await.unwrap());
    for topic in &topics {
        assert_eq!(told(registry, *topic, 2).await, [""; 0]);
    }
}

async fn a_topic_named_twice_is_listened_to_once(fixture: Fixture) {
    let id = fixture.connected("c").await;
    let topic = Uuid::now_v7();
    claimed(&*fixture.registry, &live(&id, "1", &[topic, topic])).await;
    assert_eq!(told(&*fixture.registry, topic, 1).await, ["c/1"]);
}

pub(super) async fn names_may_hold_anything(fixture: Fixture) {
    let registry = &*fixture.registry;
    let (long, topic) = ("x".repeat(128), Uuid::now_v7());
    let ids = ["#", "O#1", "a b", "\"'\\", "", "@", "\u{1F980}\u{0}", "1#2", long.as_str()];
    let mut expected = Vec::new();
    for name in ["L0SM9cOFvHcCIhw=", "c#1", "c", "1#c", "\u{e9} \""] {
        let id = fixture.connected(name).await;
        for each in ids {
            claimed(registry, &live(&id, each, &[topic])).await;
            expected.push(format!("{name}/{each}"));
        }
        let mut sorted = ids.to_vec();
        sorted.sort_unstable();
        assert_eq!(open(registry, &id).await, sorted);
    }
    expected.sort();
    assert_eq!(told(registry, topic, 1).await, expected);
    let (listeners, _) = pages_of(registry, topic, 1).await;
    for listener in listeners {
        assert_eq!(Some(&*listener), live(&listener.connection, &listener.id, &[topic]).listener(0).as_ref());
        assert!(registry.release(&listener.connection, &listener.id, None).await.unwrap());
    }
    assert_eq!(told(registry, topic, 2).await, [""; 0]);
    fixture.pass(END);
}
