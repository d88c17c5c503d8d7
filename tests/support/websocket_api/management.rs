//! The management API, as far as it is about connections
//! (<https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-how-to-call-websocket-api-connections.html>).

use std::sync::{Arc, PoisonError};

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::json;
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::connection::{Command, Open};
use super::events::unique_id;
use super::{MAX_MESSAGE, STAGE, Shared};

/// `PostToConnection`: answers once the client's socket has taken the text.
pub(super) async fn post(
    State(shared): State<Arc<Shared>>,
    Path(path): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if let Some(refusal) = refusal(&shared, &path.0, &headers, true) {
        return refusal;
    }
    if body.len() > MAX_MESSAGE {
        return refused(StatusCode::PAYLOAD_TOO_LARGE, "PayloadTooLargeException", "Message too long");
    }
    let delay = shared.controls().delays.get(&path.1).copied();
    if let Some(delay) = delay {
        sleep(delay).await;
    }
    let text = String::from_utf8_lossy(&body).into_owned();
    if !tell_client(&shared, &path.1, |done| Command::Send { text, done }).await {
        return gone();
    }
    *shared.counts().posts.entry(path.1).or_default() += 1;
    StatusCode::OK.into_response()
}

/// `DeleteConnection`: from its answer on the client is not reached any more.
pub(super) async fn delete(
    State(shared): State<Arc<Shared>>,
    Path((stage, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    if let Some(refusal) = refusal(&shared, &stage, &headers, false) {
        return refusal;
    }
    if !tell_client(&shared, &id, |done| Command::Close { done }).await {
        return gone();
    }
    shared.counts().deletes += 1;
    StatusCode::NO_CONTENT.into_response()
}

/// `GetConnection`.
pub(super) async fn tell(
    State(shared): State<Arc<Shared>>,
    Path((stage, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    if let Some(refusal) = refusal(&shared, &stage, &headers, false) {
        return refusal;
    }
    let Some(Open { client, active_at, .. }) = shared.find(&id) else { return gone() };
    let text = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Millis, true);
    let active_at = *active_at.lock().unwrap_or_else(PoisonError::into_inner);
    Json(json!({
        "connectedAt": text(client.connected_at),
        "lastActiveAt": text(active_at),
        "identity": client.identity,
    }))
    .into_response()
}

/// Has a client's task do something: whether it did.
async fn tell_client(shared: &Shared, id: &str, command: impl FnOnce(oneshot::Sender<()>) -> Command) -> bool {
    let Some(open) = shared.find(id) else { return false };
    let (done, is_done) = oneshot::channel();
    open.commands.send(command(done)).await.is_ok() && is_done.await.is_ok()
}

/// Why a call is refused before it is looked at, if it is.
fn refusal(shared: &Shared, stage: &str, headers: &HeaderMap, is_post: bool) -> Option<Response> {
    let signed = headers.get(AUTHORIZATION).is_some_and(|value| value.as_bytes().starts_with(b"AWS4-HMAC-SHA256"));
    if !signed {
        let message = "Missing Authentication Token";
        return Some(refused(StatusCode::FORBIDDEN, "MissingAuthenticationTokenException", message));
    }
    if stage != STAGE {
        return Some(refused(StatusCode::FORBIDDEN, "ForbiddenException", "Forbidden"));
    }
    let (fails, throttles) = {
        let mut controls = shared.controls();
        let fails = controls.fails();
        (fails, !fails && controls.throttles(is_post))
    };
    if fails {
        let message = "Internal server error";
        return Some(refused(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerErrorException", message));
    }
    if throttles {
        shared.counts().throttled += 1;
        return Some(refused(StatusCode::TOO_MANY_REQUESTS, "LimitExceededException", "Too Many Requests"));
    }
    None
}

fn gone() -> Response {
    refused(StatusCode::GONE, "GoneException", "Gone")
}

fn refused(status: StatusCode, code: &'static str, message: &str) -> Response {
    let request = unique_id();
    let body = json!({ "message": message, "requestId": request });
    (status, [("x-amzn-errortype", code.to_owned()), ("x-amzn-requestid", request)], Json(body)).into_response()
}
