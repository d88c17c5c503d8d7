//! That nothing falls between what a subscriber looked up and what it is told from then on.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use mcp_core::push::{ConnectionId, Registry};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::build::{claimed, pages_of, waiting};
use super::{Fixture, contract};

contract!(no_version_is_both_above_what_one_knows_and_untold);

const VERSIONS: i32 = 60;
const SUBSCRIBERS: usize = 12;

/// A stream gets its versions one by one, each begun once it is there, as its feed does it, and some of them again. Meanwhile
/// subscribers look up what there is and begin to listen after that. Each must be told of everything above.
pub(super) async fn no_version_is_both_above_what_one_knows_and_untold(fixture: Fixture) {
    let (topic, stream) = (Uuid::now_v7(), Arc::new(AtomicI32::new(0)));
    let first = fixture.connected("first").await;
    claimed(&*fixture.registry, &waiting(&first, "1", &[topic])).await;
    let mut subscribers = JoinSet::new();
    for n in 0..SUBSCRIBERS {
        let (fixture, stream) = (fixture.clone(), stream.clone());
        subscribers.spawn(async move {
            let id = fixture.connected(&format!("c{n}")).await;
            // Not all at once: some come when much was told, each at a version of its own.
            while stream.load(Ordering::SeqCst) < i32::try_from(n).unwrap() * VERSIONS / 16 {
                tokio::task::yield_now().await;
            }
            let slot = waiting(&id, "1", &[topic]);
            claimed(&*fixture.registry, &slot).await;
            loop {
                let known = stream.load(Ordering::SeqCst);
                tokio::task::yield_now().await;
                if fixture.registry.listen(&slot, topic, known).await.unwrap() {
                    return (id, known);
                }
            }
        });
    }
    let mut told: Vec<(i32, ConnectionId)> = Vec::new();
    for version in 1..=VERSIONS {
        stream.store(version, Ordering::SeqCst);
        tell(&*fixture.registry, topic, version, &mut told).await;
        if version > 3 && version % 4 == 0 {
            tell(&*fixture.registry, topic, version - 2, &mut told).await;
        }
    }
    for (id, known) in subscribers.join_all().await {
        for version in known + 1..=VERSIONS {
            assert!(told.contains(&(version, id.clone())), "{id} knows up to {known} and is not told of {version}");
        }
    }
}

async fn tell(registry: &dyn Registry, topic: Uuid, version: i32, told: &mut Vec<(i32, ConnectionId)>) {
    let begun = registry.begin(topic, version, false).await.unwrap().expect("somebody listens");
    let (listeners, _) = pages_of(registry, topic, begun.shards).await;
    let above = listeners.iter().filter(|listener| listener.after < version);
    told.extend(above.map(|listener| (version, listener.connection.clone())));
}
