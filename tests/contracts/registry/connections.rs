//! Who is connected.

use mcp_core::push::{Claimed, Connection, Initialised};
use uuid::Uuid;

use super::build::{END, a_connection, a_query, ada, claimed, live, named, open, told};
use super::{Fixture, contract};
use crate::contracts::build::at;

contract!(
    a_connection_is_read_as_it_was_written,
    connecting_again_changes_nothing,
    a_connection_is_forgotten_at_its_end,
    a_connection_introduces_itself_once,
    it_may_introduce_itself_without_a_name,
    nobody_else_is_introduced,
    a_connection_whose_time_is_over_is_not_introduced,
    disconnecting_forgets_all_that_was_open,
    disconnecting_again_is_nothing,
    disconnecting_leaves_others_alone,
);

async fn a_connection_is_read_as_it_was_written(Fixture { registry, .. }: Fixture) {
    let anonymous = a_connection("anonymous");
    let named = Connection { principal: Some(ada()), initialised: true, ..a_connection("named") };
    let address = "192.0.2.7".parse().unwrap();
    let forever = mcp_core::platform::auth::Principal { expires_at: None, ..ada() };
    let forever = Connection { principal: Some(forever), address, ..a_connection("forever") };
    for connection in [anonymous, named, forever] {
        registry.connect(&connection).await.unwrap();
        assert_eq!(registry.connection(&connection.id).await.unwrap(), Some(connection));
    }
    assert_eq!(registry.connection(&super::build::named("nobody")).await.unwrap(), None);
}

pub(super) async fn connecting_again_changes_nothing(fixture: Fixture) {
    let id = fixture.connected("c").await;
    fixture.registry.initialise(&id, Some(&ada())).await.unwrap();
    claimed(&*fixture.registry, &a_query(&id, "1")).await;
    fixture.connected("c").await;
    let connection = fixture.registry.connection(&id).await.unwrap().unwrap();
    assert!(connection.initialised);
    assert_eq!(connection.principal, Some(ada()));
    assert_eq!(open(&*fixture.registry, &id).await, ["1"]);
}

pub(super) async fn a_connection_is_forgotten_at_its_end(fixture: Fixture) {
    let id = fixture.connected("c").await;
    fixture.pass(END - 1);
    assert!(fixture.registry.connection(&id).await.unwrap().is_some());
    fixture.pass(1);
    assert_eq!(fixture.registry.connection(&id).await.unwrap(), None);
    assert_eq!(fixture.registry.claim(&a_query(&id, "1")).await.unwrap(), Claimed::Unknown);
}

pub(super) async fn a_connection_introduces_itself_once(fixture: Fixture) {
    let id = fixture.connected("c").await;
    assert_eq!(fixture.registry.initialise(&id, Some(&ada())).await.unwrap(), Initialised::Now);
    assert_eq!(fixture.registry.initialise(&id, None).await.unwrap(), Initialised::Before);
    let connection = fixture.registry.connection(&id).await.unwrap().unwrap();
    assert!(connection.initialised);
    assert_eq!(connection.principal, Some(ada()));
}

async fn it_may_introduce_itself_without_a_name(Fixture { registry, .. }: Fixture) {
    let connection = Connection { principal: Some(ada()), ..a_connection("c") };
    registry.connect(&connection).await.unwrap();
    assert_eq!(registry.initialise(&connection.id, None).await.unwrap(), Initialised::Now);
    let found = registry.connection(&connection.id).await.unwrap().unwrap();
    assert_eq!(found, Connection { principal: None, initialised: true, ..connection });
}

async fn nobody_else_is_introduced(Fixture { registry, .. }: Fixture) {
    assert_eq!(registry.initialise(&named("nobody"), Some(&ada())).await.unwrap(), Initialised::Unknown);
    assert_eq!(registry.connection(&named("nobody")).await.unwrap(), None);
}

async fn a_connection_whose_time_is_over_is_not_introduced(fixture: Fixture) {
    let id = fixture.connected("c").await;
    fixture.pass(END);
    assert_eq!(fixture.registry.initialise(&id, Some(&ada())).await.unwrap(), Initialised::Unknown);
}

pub(super) async fn disconnecting_forgets_all_that_was_open(fixture: Fixture) {
    let registry = &*fixture.registry;
    let topics: Vec<_> = (0..30).map(|_| Uuid::now_v7()).collect();
    let id = fixture.connected("c").await;
    claimed(registry, &live(&id, "few", &topics[..2])).await;
    claimed(registry, &live(&id, "many", &topics)).await;
    claimed(registry, &a_query(&id, "query")).await;
    let waiting = super::build::waiting(&id, "waiting", &topics[..1]);
    claimed(registry, &waiting).await;
    assert!(registry.listen(&waiting, topics[0], 0).await.unwrap());
    registry.release(&id, "never", Some(at(60))).await.unwrap();
    assert_eq!(told(registry, topics[0], 1).await, ["c/few", "c/many", "c/waiting"]);

    registry.disconnect(&id).await.unwrap();
    assert_eq!(registry.connection(&id).await.unwrap(), None);
    assert_eq!(open(registry, &id).await, [""; 0]);
    for topic in &topics {
        assert_eq!(told(registry, *topic, 2).await, [""; 0]);
    }
    assert_eq!(registry.claim(&a_query(&id, "1")).await.unwrap(), Claimed::Unknown);
    assert!(!registry.listen(&waiting, topics[0], 9).await.unwrap());
    assert!(!registry.release(&id, "few", None).await.unwrap());
}

async fn disconnecting_again_is_nothing(fixture: Fixture) {
    let id = fixture.connected("c").await;
    fixture.registry.disconnect(&id).await.unwrap();
    fixture.registry.disconnect(&id).await.unwrap();
    fixture.registry.disconnect(&named("nobody")).await.unwrap();
}

async fn disconnecting_leaves_others_alone(fixture: Fixture) {
    let registry = &*fixture.registry;
    let topic = Uuid::now_v7();
    for name in ["c", "c#", "cc", "d"] {
        let id = fixture.connected(name).await;
        claimed(registry, &live(&id, "1", &[topic])).await;
    }
    registry.disconnect(&named("c")).await.unwrap();
    assert_eq!(told(registry, topic, 1).await, ["c#/1", "cc/1", "d/1"]);
    assert_eq!(open(registry, &named("c#")).await, ["1"]);
}
