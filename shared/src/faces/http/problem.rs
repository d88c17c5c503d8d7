//! Errors outside GraphQL, as RFC 9457 problem details: the code and details of the one table.

use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CONTENT_TYPE, LINK, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use serde_json::{Map, Value, json};

use crate::faces::error::{ApiError, Code};

/// An answer that tells of an error.
pub(super) struct Problem(pub(super) ApiError);

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.0.code.status();
        respond(status, &self.0)
    }
}

/// An answer of a status that is not that of the error's code.
pub(super) fn respond(status: StatusCode, error: &ApiError) -> Response {
    let mut body = Map::new();
    body.insert("type".to_owned(), json!("about:blank"));
    body.insert("title".to_owned(), json!(status.canonical_reason()));
    body.insert("status".to_owned(), json!(status.as_u16()));
    body.insert("detail".to_owned(), json!(error.message));
    body.insert("code".to_owned(), json!(error.code.as_str()));
    body.extend(error.details.clone());
    let mut response = (status, Value::Object(body).to_string()).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    hint(headers, status, error.retry_after_seconds());
    response
}

/// The headers that a status must have, and when to try again.
pub(super) fn hint(headers: &mut HeaderMap, status: StatusCode, retry_after_seconds: Option<u64>) {
    if let Some(seconds) = retry_after_seconds {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    match status {
        StatusCode::UNAUTHORIZED => _ = headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
        StatusCode::METHOD_NOT_ALLOWED => _ = headers.insert(ALLOW, HeaderValue::from_static("GET, POST")),
        _ => {}
    }
}

/// GraphQL is not there, for this caller; REST is.
pub(super) fn no_graphql() -> Response {
    let mut response = Problem(ApiError::no_graphql()).into_response();
    let description = HeaderValue::from_static("</v1/openapi.json>; rel=\"service-desc\"");
    response.headers_mut().insert(LINK, description);
    response
}

pub(super) async fn no_such_path(uri: Uri) -> Response {
    Problem(ApiError::new(Code::NotFound, format!("there is nothing at {}", uri.path()))).into_response()
}

pub(super) async fn no_such_method() -> Response {
    let mut response =
        respond(StatusCode::METHOD_NOT_ALLOWED, &ApiError::bad_input("this path does not take that method"));
    // The router knows those that it takes.
    response.headers_mut().remove(ALLOW);
    response
}
