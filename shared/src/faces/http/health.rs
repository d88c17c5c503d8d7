//! `/healthz`: whether this process answers, and whether its database does.

use std::sync::Arc;

use axum::Json;
use axum::extract::{self, RawQuery};
use axum::response::{IntoResponse, Response};
use http::{Extensions, HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::problem::Problem;
use super::{Http, address, request};
use crate::breaker::{Report, State};

pub(super) async fn show(
    extract::State(http): extract::State<Arc<Http>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    extensions: Extensions,
) -> Response {
    // It asks the database: not more often than anything else may.
    let standing = http.limits.count(None, address::of(&extensions), 1, std::iter::empty()).await;
    let verbose = query.is_some_and(|query| query.split('&').any(|part| part == "verbose" || part == "verbose=true"));
    let response = match standing.refused() {
        Some(error) => Problem(error).into_response(),
        None if verbose => match request::administrator(&http, &headers, &extensions).await {
            Ok(()) => verbosely(&http).await.into_response(),
            Err(error) => Problem(error).into_response(),
        },
        None => health(&http).await.into_response(),
    };
    standing.written(response)
}

async fn verbosely(http: &Http) -> (StatusCode, Json<Value>) {
    let (status, Json(mut health)) = health(http).await;
    let circuit = |report: &Report| {
        json!({
            "service": report.service,
            "group": report.group,
            "state": match report.state {
                State::Closed => "closed",
                State::Open => "open",
                State::HalfOpen => "half-open",
                State::Isolated => "isolated",
            },
            "fires": report.fires,
            "failures": report.failures,
            "rejections": report.rejections,
            "p50Millis": report.p50.as_secs_f64() * 1e3,
            "p99Millis": report.p99.as_secs_f64() * 1e3,
        })
    };
    health["circuits"] = http.breakers.reports().iter().map(circuit).collect();
    (status, Json(health))
}

async fn health(http: &Http) -> (StatusCode, Json<Value>) {
    let version = env!("CARGO_PKG_VERSION");
    match http.store.ping().await {
        Ok(()) => (StatusCode::OK, Json(json!({ "status": "ok", "database": "up", "version": version }))),
        Err(error) => {
            tracing::warn!(%error, "the database does not answer");
            let health = json!({ "status": "degraded", "database": "down", "version": version });
            (StatusCode::SERVICE_UNAVAILABLE, Json(health))
        }
    }
}
