//! That nothing falls between what a subscriber looked up and what it is told from then on.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::Duration;

use mcp_core::push::{ConnectionId, Registry};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::build::{claimed, pages_of, waiting};
use super::{Fixture, contract};

contract!(no_version_is_both_above_what_one_knows_and_untold);

/// How many versions there are at least, and at most: they go on until everybody listens.
const VERSIONS: [i32; 2] = [60, 1_200];
const SUBSCRIBERS: i32 = 12;

/// A stream gets its versions one by one, each begun once it is there, as its feed does it, and some of them again. Meanwhile
/// subscribers look up what there is and begin to listen after that. Each must be told of everything above.
pub(super) async fn no_version_is_both_above_what_one_knows_and_untold(fixture: Fixture) {
    let (topic, stream, ended) = (Uuid::now_v7(), Arc::new(AtomicI32::new(0)), Arc::new(AtomicBool::new(false)));
    let first = fixture.connected("first").await;
    claimed(&*fixture.registry, &waiting(&first, "1", &[topic])).await;
    let mut subscribers = JoinSet::new();
    for n in 0..SUBSCRIBERS {
        subscribers.spawn(subscriber(fixture.clone(), topic, (stream.clone(), ended.clone()), n));
    }
    let (mut told, mut listening, [least, most]) = (BTreeSet::new(), Vec::new(), VERSIONS);
    let mut last = 0;
    while last < least || (!subscribers.is_empty() && last < most) {
        last += 1;
        stream.store(last, Ordering::SeqCst);
        tell(&*fixture.registry, topic, last, &mut told).await;
        if last > 3 && last % 4 == 0 {
            tell(&*fixture.registry, topic, last - 2, &mut told).await;
        }
        listening.extend(subscribers.try_join_next().map(Result::unwrap));
        // No faster than subscribers come, however busy the machine is: those that were slow would miss nothing else.
        let pause = if last < least { 1 } else { 10 };
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
    ended.store(true, Ordering::SeqCst);
    listening.append(&mut subscribers.join_all().await);
    for (id, known) in listening {
        for version in known + 1..=last {
            assert!(told.contains(&(version, id.clone())), "{id} knows up to {known} and is not told of {version}");
        }
    }
}

/// Whose it is, and what was known when it began to listen.
async fn subscriber(
    fixture: Fixture,
    topic: Uuid,
    (stream, ended): (Arc<AtomicI32>, Arc<AtomicBool>),
    n: i32,
) -> (ConnectionId, i32) {
    let id = fixture.connected(&format!("c{n}")).await;
    // Not all at once: most come when something was told already, each at a version of its own.
    while stream.load(Ordering::SeqCst) < n * 4 && !ended.load(Ordering::SeqCst) {
        tokio::task::yield_now().await;
    }
    let slot = waiting(&id, "1", &[topic]);
    claimed(&*fixture.registry, &slot).await;
    // The first time it is slow, and two versions come meanwhile.
    let mut slow = true;
    loop {
        let known = stream.load(Ordering::SeqCst);
        while slow && stream.load(Ordering::SeqCst) < known + 2 && !ended.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
        slow = false;
        if fixture.registry.listen(&slot, topic, known).await.unwrap() {
            return (id, known);
        }
    }
}

async fn tell(registry: &dyn Registry, topic: Uuid, version: i32, told: &mut BTreeSet<(i32, ConnectionId)>) {
    let begun = registry.begin(topic, version, false).await.unwrap().expect("somebody listens");
    let (listeners, _) = pages_of(registry, topic, begun.shards).await;
    let above = listeners.iter().filter(|listener| listener.after < version);
    told.extend(above.map(|listener| (version, listener.connection.clone())));
}
