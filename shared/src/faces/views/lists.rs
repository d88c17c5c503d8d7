//! Lists as REST and MCP show them: an object, since more may come to stand beside the items. GraphQL has its connections.

use schemars::JsonSchema;
use serde::Serialize;

use crate::services::page::{Item, Page};

/// All there is.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "{T}List")]
pub(in crate::faces) struct Items<T> {
    /// In order.
    items: Vec<T>,
}

impl<T> Items<T> {
    pub(in crate::faces) fn of<U: Into<T>>(items: impl IntoIterator<Item = U>) -> Self {
        Self { items: items.into_iter().map(Into::into).collect() }
    }
}

/// A page of a list.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "{T}Page")]
pub(in crate::faces) struct Paged<T> {
    /// In order.
    items: Vec<T>,
    /// Whether more follow.
    has_next_page: bool,
    /// What to ask for what follows with, as `after`.
    end_cursor: Option<String>,
}

impl<T> Paged<T> {
    pub(in crate::faces) fn of<U: Into<T>>(page: Page<Item<U>>) -> Self {
        Self {
            end_cursor: page.items.last().map(|item| item.cursor.clone()),
            has_next_page: page.has_next,
            items: page.items.into_iter().map(|item| item.node.into()).collect(),
        }
    }
}
