//! Relay's cursor connections, made from a service's page. <https://relay.dev/graphql/connections.htm>

use async_graphql::{OutputType, SimpleObject};

use crate::faces::views::{Memory, PricePoint};
use crate::services::page::Item;
use crate::services::page::Page;

/// Where a page ends.
#[derive(SimpleObject)]
pub(super) struct PageInfo {
    /// Whether more follow.
    has_next_page: bool,
    /// The cursor to ask for what follows with.
    end_cursor: Option<String>,
}

/// An item and its cursor.
#[derive(SimpleObject)]
#[graphql(concrete(name = "MemoryEdge", params(Memory)), concrete(name = "PricePointEdge", params(PricePoint)))]
pub(super) struct Edge<T: OutputType> {
    /// The cursor to ask for what follows this item with.
    cursor: String,
    /// The item.
    node: T,
}

/// A page of a list.
#[derive(SimpleObject)]
#[graphql(
    concrete(name = "MemoryConnection", params(Memory)),
    concrete(name = "PricePointConnection", params(PricePoint))
)]
pub(super) struct Connection<T: OutputType>
where
    Edge<T>: OutputType,
{
    /// The items with their cursors.
    edges: Vec<Edge<T>>,
    /// Where the page ends.
    page_info: PageInfo,
}

impl<T: OutputType> Connection<T>
where
    Edge<T>: OutputType,
{
    pub(super) fn new<U: Into<T>>(page: Page<Item<U>>) -> Self {
        let end_cursor = page.items.last().map(|item| item.cursor.clone());
        let edges = page.items.into_iter().map(|item| Edge { cursor: item.cursor, node: item.node.into() });
        Self { edges: edges.collect(), page_info: PageInfo { has_next_page: page.has_next, end_cursor } }
    }
}
