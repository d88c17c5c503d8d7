//! `$connect`: a client is let in once the function says so.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{ConnectInfo, Path, Query, State};
use axum::http::header::SEC_WEBSOCKET_PROTOCOL;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::events::{Client, unique_id};
use super::{MAX_FRAME, MAX_MESSAGE, STAGE, Shared, connection};

/// Answers once the function has: with its status where that is not a success, with 502 where it fails.
pub(super) async fn handshake(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    Path(stage): Path<String>,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    if stage != STAGE {
        return forbidden().await;
    }
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade.max_frame_size(MAX_FRAME).max_message_size(MAX_MESSAGE),
        Err(rejection) => return rejection.into_response(),
    };
    let client = Client::new(address, &headers);
    let query = query.map(|Query(query)| query).unwrap_or_default();
    let Some((status, response)) = shared.invoke(client.connects(&headers, &query)).await else {
        let failure =
            json!({ "message": "Internal server error", "connectionId": client.id, "requestId": unique_id() });
        return (StatusCode::BAD_GATEWAY, Json(failure)).into_response();
    };
    if !(200..300).contains(&status) {
        return StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY).into_response();
    }
    let mut accepted = upgrade.on_upgrade(move |socket| connection::serve(shared, client, socket));
    if let Some(protocol) = protocol(&response) {
        accepted.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    accepted
}

/// What is at no stage.
pub(super) async fn forbidden() -> Response {
    (StatusCode::FORBIDDEN, Json(json!({ "message": "Forbidden" }))).into_response()
}

/// The subprotocol that the function chose: of its headers, the only one that reaches the client.
fn protocol(response: &Value) -> Option<HeaderValue> {
    let named = |headers: &Value| {
        let mut headers = headers.as_object().into_iter().flatten();
        let (_, value) = headers.find(|(name, _)| name.eq_ignore_ascii_case(SEC_WEBSOCKET_PROTOCOL.as_str()))?;
        Some(value.clone())
    };
    let value = named(&response["headers"]).or_else(|| named(&response["multiValueHeaders"])?.get(0).cloned())?;
    value.as_str()?.parse().ok()
}
