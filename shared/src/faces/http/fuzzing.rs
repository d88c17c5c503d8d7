//! GraphQL requests, as any bytes.

use std::sync::LazyLock;

use super::body::{self, MAX_BATCH, Parsed};
use crate::faces::graphql::Graph;
use crate::services::Call;

/// The body of a POST: it holds some operations, and of each it is said whether it may run.
pub(crate) fn body(bytes: &[u8]) -> bool {
    match body::parse(bytes) {
        Ok(parsed) => admit(parsed),
        Err(unreadable) => {
            assert!(unreadable.0.is_client_error());
            false
        }
    }
}

/// The parameters of a GET.
pub(crate) fn url(bytes: &[u8]) -> bool {
    let Ok(query) = std::str::from_utf8(bytes) else { return false };
    body::from_url(Some(query)).is_ok_and(admit)
}

/// Whether all may run.
fn admit(parsed: Parsed) -> bool {
    static GRAPH: LazyLock<Option<Graph>> = LazyLock::new(|| Graph::for_events().ok());
    assert!((1..=MAX_BATCH).contains(&parsed.operations.len()));
    assert!(GRAPH.is_some(), "the schema has no flaw");
    let mut all = true;
    for mut operation in parsed.operations {
        let query = operation.query.take().unwrap_or_default();
        let admitted = GRAPH.as_ref().map(|graph| graph.admit(operation.into_request(query), Call::default()));
        if let Some(Err(errors)) = admitted {
            assert!(!errors.is_empty());
            all = false;
        }
    }
    all
}
