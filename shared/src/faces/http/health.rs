//! `/healthz`: whether this process answers, and whether its database does.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{Extensions, StatusCode};
use serde_json::{Value, json};

use super::problem::Problem;
use super::{Http, address, limits};

pub(super) async fn show(State(http): State<Arc<Http>>, extensions: Extensions) -> Response {
    // It asks the database: not more often than anything else may.
    let standing = limits::count(&http, None, address::of(&extensions), 1, std::iter::empty()).await;
    let response = match standing.refused() {
        Some(error) => Problem(error).into_response(),
        None => health(&http).await.into_response(),
    };
    standing.written(response)
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
