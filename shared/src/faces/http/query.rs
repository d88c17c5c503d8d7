//! The parameters of a URL's query.

use axum::extract::Query;
use http::Uri;

/// Names and values, in order; none, where it cannot be read.
pub(super) fn pairs(query: &str) -> Vec<(String, String)> {
    let uri: Uri = format!("/?{query}").parse().unwrap_or_default();
    Query::try_from_uri(&uri).map(|pairs: Query<Vec<(String, String)>>| pairs.0).unwrap_or_default()
}
