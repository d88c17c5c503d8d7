//! `/metrics`: what this process measured, for Prometheus. Served by the local process alone (a sandbox of Lambda could only
//! tell of itself, to whoever happens to reach it), to this machine and to an ADMIN: it says whom this process asks.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{Extensions, HeaderMap};

use super::problem::Problem;
use super::{Http, address, request};
use crate::platform::metrics::prometheus;

pub(super) async fn show(State(http): State<Arc<Http>>, headers: HeaderMap, extensions: Extensions) -> Response {
    if !address::of(&extensions).to_canonical().is_loopback()
        && let Err(error) = request::administrator(&http, &headers, &extensions).await
    {
        return Problem(error).into_response();
    }
    let text = prometheus(http.measured.iter().flat_map(|measured| measured.samples()));
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}
