//! `/metrics`: what this process measured, for Prometheus. Served by the local process alone: a sandbox of Lambda could only
//! tell of itself, to whoever happens to reach it.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;

use super::Http;
use crate::platform::metrics::prometheus;

pub(super) async fn show(State(http): State<Arc<Http>>) -> Response {
    let text = prometheus(http.measured.iter().flat_map(|measured| measured.samples()));
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}
