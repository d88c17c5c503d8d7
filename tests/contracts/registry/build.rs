//! What the promises are told with: connections, slots, listeners.

use std::collections::BTreeSet;
use std::sync::Arc;

use mcp_core::platform::auth::{Principal, Role};
use mcp_core::push::{
    Claimed, Connection, ConnectionId, Listener, Operation, OperationHash, Registry, Slot, Subscription,
};
use serde_json::json;
use uuid::Uuid;

use super::Fixture;
use crate::contracts::build::at;

/// When connections end that nothing else is said of.
pub(super) const END: i64 = 7_200;

pub(super) fn named(name: &str) -> ConnectionId {
    ConnectionId::new(name)
}

pub(super) fn ada() -> Principal {
    Principal { user_id: "ada".to_owned(), role: Role::Admin, expires_at: Some(at(3_600)) }
}

pub(super) fn a_connection(name: &str) -> Connection {
    Connection {
        id: named(name),
        principal: None,
        address: "2001:db8::1".parse().unwrap(),
        initialised: false,
        ends_at: at(END),
    }
}

impl Fixture {
    /// A connection of that name is there from now on.
    pub(super) async fn connected(&self, name: &str) -> ConnectionId {
        self.registry.connect(&a_connection(name)).await.unwrap();
        named(name)
    }
}

/// An operation that is answered once.
pub(super) fn a_query(connection: &ConnectionId, id: &str) -> Slot {
    Slot { connection: connection.clone(), id: id.into(), ends_at: at(END), subscription: None }
}

/// A subscription that listens from its claim on.
pub(super) fn live(connection: &ConnectionId, id: &str, topics: &[Uuid]) -> Slot {
    subscription(connection, id, topics, true)
}

/// A subscription that listens to a topic once that is asked for.
pub(super) fn waiting(connection: &ConnectionId, id: &str, topics: &[Uuid]) -> Slot {
    subscription(connection, id, topics, false)
}

fn subscription(connection: &ConnectionId, id: &str, topics: &[Uuid], live: bool) -> Slot {
    let subscription = Subscription {
        operation: an_operation("a").hash(),
        role: Some(Role::User),
        expires_at: Some(at(3_600)),
        topics: topics.to_vec(),
        live,
    };
    Slot { subscription: Some(subscription), ..a_query(connection, id) }
}

pub(super) fn an_operation(name: &str) -> Operation {
    let variables = json!({ "name": name, "nested": { "list": [1, "two", null] } });
    Operation {
        query: "subscription { priceUpdated(pair: \"ETH/USD\") { value } } # \u{1F980}".to_owned(),
        operation_name: Some("Prices".to_owned()),
        variables: variables.as_object().unwrap().clone(),
    }
}

pub(super) fn no_such_hash() -> OperationHash {
    OperationHash("0".repeat(64).into())
}

pub(super) async fn claimed(registry: &dyn Registry, slot: &Slot) {
    assert_eq!(registry.claim(slot).await.unwrap(), Claimed::Open);
}

/// The ids of what a connection has open, in order.
pub(super) async fn open(registry: &dyn Registry, connection: &ConnectionId) -> Vec<String> {
    let open = registry.open(connection).await.unwrap();
    let sorted: BTreeSet<_> = open.iter().map(ToString::to_string).collect();
    assert_eq!(sorted.len(), open.len(), "an id is listed twice");
    sorted.into_iter().collect()
}

/// All listeners of so many parts of a topic, page by page, with the number of pages.
pub(super) async fn pages_of(registry: &dyn Registry, topic: Uuid, shards: u32) -> (Vec<Arc<Listener>>, usize) {
    let (mut listeners, mut pages) = (Vec::new(), 0);
    for shard in 0..shards {
        let mut from: Option<String> = None;
        loop {
            let mut page = registry.listeners(topic, shard, from.as_deref()).await.unwrap();
            listeners.append(&mut page.listeners);
            pages += 1;
            from = page.next;
            if from.is_none() {
                break;
            }
        }
    }
    (listeners, pages)
}

/// `connection/id` of all that are told when a version of a topic is begun, in order; nobody where it is not to be told.
pub(super) async fn told(registry: &dyn Registry, topic: Uuid, version: i32) -> Vec<String> {
    let Some(begun) = registry.begin(topic, version, false).await.unwrap() else { return Vec::new() };
    let (listeners, _) = pages_of(registry, topic, begun.shards).await;
    let mut names: Vec<_> = listeners.iter().map(|each| format!("{}/{}", each.connection, each.id)).collect();
    names.sort();
    names
}
