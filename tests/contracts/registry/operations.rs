//! What clients asked for.

use mcp_core::push::Operation;

use super::build::{an_operation, no_such_hash};
use super::{Fixture, contract};
use crate::contracts::build::at;

contract!(
    an_operation_is_read_as_it_was_kept,
    equal_operations_are_kept_once,
    an_operation_is_kept_as_long_as_the_last_who_asks_says,
    an_operation_is_forgotten_in_time,
);

pub(super) async fn an_operation_is_read_as_it_was_kept(Fixture { registry, .. }: Fixture) {
    let bare = Operation { query: "{ a }".to_owned(), operation_name: None, variables: serde_json::Map::new() };
    for operation in [an_operation("a"), an_operation("b"), bare] {
        let hash = registry.keep_operation(&operation, at(60)).await.unwrap();
        assert_eq!(registry.operation(&hash).await.unwrap().as_deref(), Some(&operation));
    }
    assert_eq!(registry.operation(&no_such_hash()).await.unwrap(), None);
}

async fn equal_operations_are_kept_once(Fixture { registry, .. }: Fixture) {
    let one = registry.keep_operation(&an_operation("a"), at(60)).await.unwrap();
    assert_eq!(registry.keep_operation(&an_operation("a"), at(90)).await.unwrap(), one);
    assert_ne!(registry.keep_operation(&an_operation("b"), at(60)).await.unwrap(), one);
}

async fn an_operation_is_kept_as_long_as_the_last_who_asks_says(fixture: Fixture) {
    let hash = fixture.registry.keep_operation(&an_operation("a"), at(60)).await.unwrap();
    fixture.registry.keep_operation(&an_operation("a"), at(30_000)).await.unwrap();
    fixture.registry.keep_operation(&an_operation("a"), at(90)).await.unwrap();
    fixture.pass(29_999);
    assert!(fixture.registry.operation(&hash).await.unwrap().is_some());
}

/// A day after its time, as one that is kept longer than was asked for is no fault.
async fn an_operation_is_forgotten_in_time(fixture: Fixture) {
    let hash = fixture.registry.keep_operation(&an_operation("a"), at(60)).await.unwrap();
    fixture.pass(60 + 86_400);
    assert_eq!(fixture.registry.operation(&hash).await.unwrap(), None);
    fixture.registry.keep_operation(&an_operation("a"), at(200_000)).await.unwrap();
    assert!(fixture.registry.operation(&hash).await.unwrap().is_some());
}
