//! Topics: what is told of them, and to whom.

use std::collections::BTreeSet;

use futures_util::{StreamExt, stream};
use mcp_core::platform::auth::Role;
use mcp_core::push::{Begun, Slot, Subscription};
use uuid::Uuid;

use super::build::{END, claimed, live, named, no_such_hash, pages_of, told, waiting};
use super::{Fixture, contract};
use crate::contracts::build::at;

contract!(
    a_topic_that_nobody_listens_to_is_not_told,
    a_topic_is_known_once_somebody_waits_to_listen,
    what_is_finished_is_not_told_again,
    a_version_begun_is_told_until_it_is_finished,
    an_older_version_is_told_unless_the_newest_alone_counts,
    finishing_an_older_version_takes_nothing_back,
    one_listens_after_what_was_begun_or_not_at_all,
    an_older_version_told_again_hides_no_newer_one,
    a_stranger_does_not_listen,
    a_listener_is_told_as_it_asked,
    a_listener_is_forgotten_at_its_end,
    thousands_of_listeners_come_in_pages_each_once,
);

async fn a_topic_that_nobody_listens_to_is_not_told(fixture: Fixture) {
    let (topic, other) = (Uuid::now_v7(), Uuid::now_v7());
    let id = fixture.connected("c").await;
    claimed(&*fixture.registry, &live(&id, "1", &[other])).await;
    assert_eq!(fixture.registry.begin(topic, 1, false).await.unwrap(), None);
    fixture.registry.finish(topic, 1, 0).await.unwrap();
    assert_eq!(fixture.registry.begin(topic, 2, true).await.unwrap(), None);
}

pub(super) async fn a_topic_is_known_once_somebody_waits_to_listen(fixture: Fixture) {
    let (topic, id) = (Uuid::now_v7(), fixture.connected("c").await);
    claimed(&*fixture.registry, &waiting(&id, "1", &[topic])).await;
    let begun = fixture.registry.begin(topic, 3, true).await.unwrap();
    assert_eq!(begun, Some(Begun { finished: 0, shards: 1 }));
    assert_eq!(pages_of(&*fixture.registry, topic, 1).await.0, []);
}

impl Fixture {
    /// A topic that somebody listens to.
    async fn a_topic(&self) -> Uuid {
        let (topic, id) = (Uuid::now_v7(), self.connected("somebody").await);
        claimed(&*self.registry, &live(&id, &topic.to_string(), &[topic])).await;
        topic
    }

    /// Up to which version all was told, where this one is to be.
    async fn begun(&self, topic: Uuid, version: i32, newest: bool) -> Option<i32> {
        self.registry.begin(topic, version, newest).await.unwrap().map(|begun| begun.finished)
    }
}

pub(super) async fn what_is_finished_is_not_told_again(fixture: Fixture) {
    let topic = fixture.a_topic().await;
    assert_eq!(fixture.begun(topic, 5, false).await, Some(0));
    fixture.registry.finish(topic, 5, 1).await.unwrap();
    for version in [1, 4, 5] {
        assert_eq!(fixture.begun(topic, version, false).await, None);
        assert_eq!(fixture.begun(topic, version, true).await, None);
    }
    assert_eq!(fixture.begun(topic, 6, false).await, Some(5));
}

async fn a_version_begun_is_told_until_it_is_finished(fixture: Fixture) {
    let topic = fixture.a_topic().await;
    for newest in [true, false, true] {
        assert_eq!(fixture.begun(topic, 5, newest).await, Some(0));
    }
    fixture.registry.finish(topic, 5, 1).await.unwrap();
    assert_eq!(fixture.begun(topic, 5, true).await, None);
}

pub(super) async fn an_older_version_is_told_unless_the_newest_alone_counts(fixture: Fixture) {
    let topic = fixture.a_topic().await;
    assert_eq!(fixture.begun(topic, 2, false).await, Some(0));
    fixture.registry.finish(topic, 2, 1).await.unwrap();
    assert_eq!(fixture.begun(topic, 7, false).await, Some(2));
    assert_eq!(fixture.begun(topic, 5, true).await, None);
    assert_eq!(fixture.begun(topic, 5, false).await, Some(2));
}

async fn finishing_an_older_version_takes_nothing_back(fixture: Fixture) {
    let topic = fixture.a_topic().await;
    for version in [7, 5] {
        assert!(fixture.begun(topic, version, false).await.is_some());
    }
    for version in [7, 5] {
        fixture.registry.finish(topic, version, 1).await.unwrap();
    }
    assert_eq!(fixture.begun(topic, 6, false).await, None);
    assert_eq!(fixture.begun(topic, 8, false).await, Some(7));
}

pub(super) async fn one_listens_after_what_was_begun_or_not_at_all(fixture: Fixture) {
    let (topic, id) = (fixture.a_topic().await, fixture.connected("c").await);
    let (registry, slot) = (&*fixture.registry, waiting(&id, "1", &[topic]));
    claimed(registry, &slot).await;
    assert!(fixture.begun(topic, 5, false).await.is_some());
    assert!(!registry.listen(&slot, topic, 4).await.unwrap());
    registry.finish(topic, 5, 1).await.unwrap();
    assert!(!registry.listen(&slot, topic, 4).await.unwrap());
    let before = pages_of(registry, topic, 1).await.0.len();
    assert_eq!(before, 1, "what does not listen is listed");
    for after in [5, 9] {
        assert!(registry.listen(&slot, topic, after).await.unwrap());
        let (listeners, _) = pages_of(registry, topic, 1).await;
        let listener = listeners.iter().find(|listener| listener.connection == id).unwrap();
        assert_eq!(Some(&**listener), slot.listener(after).as_ref());
    }
}

pub(super) async fn an_older_version_told_again_hides_no_newer_one(fixture: Fixture) {
    let (topic, id) = (fixture.a_topic().await, fixture.connected("c").await);
    let slot = waiting(&id, "1", &[topic]);
    claimed(&*fixture.registry, &slot).await;
    for version in [7, 5] {
        assert_eq!(fixture.begun(topic, version, false).await, Some(0));
    }
    assert!(!fixture.registry.listen(&slot, topic, 6).await.unwrap());
    assert!(fixture.registry.listen(&slot, topic, 7).await.unwrap());
}

async fn a_stranger_does_not_listen(fixture: Fixture) {
    let topic = fixture.a_topic().await;
    let id = fixture.connected("c").await;
    for slot in [waiting(&named("nobody"), "1", &[topic]), waiting(&id, "never opened", &[topic])] {
        assert!(!fixture.registry.listen(&slot, topic, 9).await.unwrap());
    }
    assert!(!fixture.registry.release(&id, "1", Some(at(60))).await.unwrap());
    assert!(!fixture.registry.listen(&waiting(&id, "1", &[topic]), topic, 9).await.unwrap());
    assert_eq!(told(&*fixture.registry, topic, 1).await.len(), 1);
}

async fn a_listener_is_told_as_it_asked(fixture: Fixture) {
    let topic = Uuid::now_v7();
    let id = fixture.connected("c").await;
    for (name, role, expires_at) in
        [("user", Some(Role::User), Some(at(60))), ("admin", Some(Role::Admin), None), ("nobody", None, None)]
    {
        let subscription =
            Subscription { operation: no_such_hash(), role, expires_at, topics: vec![topic], live: true };
        let slot = Slot { subscription: Some(subscription), ..super::build::a_query(&id, name) };
        claimed(&*fixture.registry, &slot).await;
        let (listeners, _) = pages_of(&*fixture.registry, topic, 1).await;
        let listener = listeners.iter().find(|listener| &*listener.id == name).unwrap();
        assert_eq!(Some(&**listener), slot.listener(0).as_ref());
    }
}

async fn a_listener_is_forgotten_at_its_end(fixture: Fixture) {
    let (topic, id) = (fixture.a_topic().await, fixture.connected("c").await);
    let slot = Slot { ends_at: at(60), ..live(&id, "1", &[topic]) };
    claimed(&*fixture.registry, &slot).await;
    fixture.pass(59);
    assert_eq!(told(&*fixture.registry, topic, 1).await.len(), 2);
    fixture.pass(1);
    assert_eq!(told(&*fixture.registry, topic, 2).await.len(), 1);
    fixture.pass(END - 60);
    assert_eq!(told(&*fixture.registry, topic, 3).await, [""; 0]);
}

pub(super) async fn thousands_of_listeners_come_in_pages_each_once(fixture: Fixture) {
    const LISTENERS: usize = 2_500;
    let topic = Uuid::now_v7();
    let listening = (0..LISTENERS).map(|n| {
        let fixture = fixture.clone();
        async move {
            let id = fixture.connected(&format!("c{n}")).await;
            claimed(&*fixture.registry, &live(&id, "1", &[topic])).await;
        }
    });
    stream::iter(listening).buffer_unordered(16).for_each(|()| async {}).await;
    let (listeners, pages) = pages_of(&*fixture.registry, topic, 1).await;
    let names: BTreeSet<_> = listeners.iter().map(|listener| &listener.connection).collect();
    assert_eq!((listeners.len(), names.len()), (LISTENERS, LISTENERS));
    assert!(pages > 1);
}
