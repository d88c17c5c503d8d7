//! DynamoDB alone: tables for the suite, answers that are lost, and more than one sandbox on a table.

mod lost;
mod meter;

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{Config, Intercept};
use aws_sdk_dynamodb::types::{AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType};
use mcp_core::platform::clock::ManualClock;
use mcp_core::push::dynamodb::DynamoDbRegistry;
use mcp_core::push::{Begun, Claimed, Initialised, Registry, RegistryError};
use uuid::Uuid;

use super::Fixture;
use super::build::{a_connection, ada, claimed, live, named, open, pages_of, told, waiting};
use crate::contracts::build::at;
use crate::contracts::fixture::dynamodb_config;

pub(crate) use self::lost::EveryFirstAnswer;
pub(crate) use self::meter::{Meter, Reading};

/// A table of a test's own, on the shared DynamoDB. It stays until that is stopped.
pub(crate) struct Table {
    pub(crate) name: String,
    config: Config,
}

impl Table {
    pub(crate) async fn fresh() -> Self {
        let config = dynamodb_config();
        let table = Self { name: format!("test-{}", Uuid::now_v7().simple()), config };
        let attribute = |name: &str| {
            let attribute = AttributeDefinition::builder().attribute_name(name);
            attribute.attribute_type(ScalarAttributeType::S).build().unwrap()
        };
        let key = |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap();
        let create = table.client().create_table().table_name(&table.name).billing_mode(BillingMode::PayPerRequest);
        let create = create.attribute_definitions(attribute("pk")).attribute_definitions(attribute("sk"));
        let create = create.key_schema(key("pk", KeyType::Hash)).key_schema(key("sk", KeyType::Range));
        Box::pin(create.send()).await.unwrap();
        table
    }

    pub(crate) fn client(&self) -> Client {
        Client::from_conf(self.config.clone())
    }

    pub(super) fn registry(&self, clock: &ManualClock) -> DynamoDbRegistry {
        DynamoDbRegistry::with_client(&self.name, Arc::new(clock.clone()), self.client())
    }

    /// A registry whose calls are watched, or tampered with.
    pub(super) fn watched(&self, clock: &ManualClock, by: impl Intercept + 'static) -> DynamoDbRegistry {
        let client = Client::from_conf(self.config.to_builder().interceptor(by).build());
        DynamoDbRegistry::with_client(&self.name, Arc::new(clock.clone()), client)
    }
}

#[tokio::test]
async fn an_answer_that_is_lost_changes_nothing() {
    let (table, clock, topic) = (Table::fresh().await, ManualClock::at(at(0)), Uuid::now_v7());
    let registry = table.watched(&clock, lost::EveryFirstAnswer::default());
    let id = named("c");
    registry.connect(&a_connection("c")).await.unwrap();
    assert_eq!(registry.initialise(&id, Some(&ada())).await.unwrap(), Initialised::Now);
    assert_eq!(registry.initialise(&id, Some(&ada())).await.unwrap(), Initialised::Before);
    claimed(&registry, &live(&id, "1", &[topic])).await;
    let slot = waiting(&id, "2", &[topic]);
    claimed(&registry, &slot).await;
    assert!(registry.listen(&slot, topic, 0).await.unwrap());
    assert_eq!(registry.claim(&live(&id, "1", &[topic])).await.unwrap(), Claimed::Taken);
    assert_eq!(told(&registry, topic, 1).await, ["c/1", "c/2"]);
    assert!(registry.release(&id, "1", None).await.unwrap());
    assert_eq!(open(&registry, &id).await, ["2"]);
    assert_eq!(told(&registry, topic, 1).await, ["c/2"]);
}

#[tokio::test]
async fn what_one_sandbox_writes_another_reads() {
    let (table, clock, topic) = (Table::fresh().await, ManualClock::at(at(0)), Uuid::now_v7());
    let (one, other) = (table.registry(&clock), table.registry(&clock));
    one.connect(&a_connection("c")).await.unwrap();
    let (id, operation) = (named("c"), super::build::an_operation("a"));
    let hash = one.keep_operation(&operation, at(60)).await.unwrap();
    assert_eq!(other.operation(&hash).await.unwrap().as_deref(), Some(&operation));
    claimed(&one, &waiting(&id, "1", &[topic])).await;
    assert!(other.listen(&waiting(&id, "1", &[topic]), topic, 0).await.unwrap());
    assert_eq!(told(&one, topic, 1).await, ["c/1"]);
    assert!(other.release(&id, "1", None).await.unwrap());
    assert_eq!(told(&one, topic, 2).await, [""; 0]);
}

/// A sandbox that knows of fewer parts writes to one that is read; what is claimed there and listens elsewhere is in the
/// part that its slot says, so that its release ends its listening.
#[tokio::test]
async fn a_topic_with_many_listeners_gets_more_parts() {
    let (table, clock, topic) = (Table::fresh().await, ManualClock::at(at(0)), Uuid::now_v7());
    let (old, new) = (table.registry(&clock), table.registry(&clock));
    for n in 0..20 {
        old.connect(&a_connection(&n.to_string())).await.unwrap();
        claimed(&old, &live(&named(&n.to_string()), "old", &[topic])).await;
    }
    old.begin(topic, 1, false).await.unwrap();
    old.finish(topic, 1, 3_001).await.unwrap();
    for n in 0..20 {
        let id = named(&n.to_string());
        claimed(&new, &live(&id, "new", &[topic])).await;
        claimed(&old, &waiting(&id, "between", &[topic])).await;
        assert!(new.listen(&waiting(&id, "between", &[topic]), topic, 1).await.unwrap());
        claimed(&old, &live(&id, "still old", &[topic])).await;
    }
    assert_eq!(old.begin(topic, 2, true).await.unwrap(), Some(Begun { finished: 1, shards: 4 }));
    assert_eq!(pages_of(&old, topic, 4).await.0.len(), 80);
    for shard in 1..4 {
        assert!(!old.listeners(topic, shard, None).await.unwrap().listeners.is_empty());
    }
    for n in 0..20 {
        for slot in ["old", "new", "between"] {
            assert!(new.release(&named(&n.to_string()), slot, None).await.unwrap());
        }
        new.disconnect(&named(&n.to_string())).await.unwrap();
    }
    assert_eq!(pages_of(&old, topic, 4).await.0, []);
}

/// DynamoDB deletes what is over days later, and here never.
#[tokio::test]
async fn a_topic_is_forgotten_some_time_after_its_listeners() {
    let table = Table::fresh().await;
    let clock = ManualClock::at(at(0));
    let fixture = Fixture { registry: Arc::new(table.registry(&clock)), clock };
    let (topic, id) = (Uuid::now_v7(), fixture.connected("c").await);
    claimed(&*fixture.registry, &live(&id, "1", &[topic])).await;
    fixture.pass(3 * 3_600);
    assert_eq!(fixture.registry.begin(topic, 1, false).await.unwrap(), None);
}

#[tokio::test]
async fn a_table_that_is_not_there_is_a_failure() {
    let (table, clock) = (Table::fresh().await, ManualClock::at(at(0)));
    let registry = DynamoDbRegistry::with_client("no-such-table", Arc::new(clock), table.client());
    let failed = registry.connect(&a_connection("c")).await;
    assert!(matches!(failed, Err(RegistryError::Failed(_))), "{failed:?}");
}

#[tokio::test]
async fn a_table_that_cannot_be_reached_is_unavailable() {
    let (table, clock) = (Table::fresh().await, ManualClock::at(at(0)));
    let config = table.config.to_builder().endpoint_url("http://127.0.0.1:9").build();
    let registry = DynamoDbRegistry::with_client(&table.name, Arc::new(clock), Client::from_conf(config));
    let failed = registry.connect(&a_connection("c")).await;
    assert!(matches!(failed, Err(RegistryError::Unavailable(_))), "{failed:?}");
}
