//! Around every request: its correlation id, its span, its line in the log, and headers for every answer. And who
//! makes it.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use http::header::{AUTHORIZATION, CACHE_CONTROL};
use http::{Extensions, HeaderMap, HeaderName, HeaderValue};
use tracing::{Instrument, Span};

use super::problem::Problem;
use super::requests::{Requests, UNMATCHED};
use super::security::harden;
use super::{Http, address};
use crate::faces::error::{ApiError, Code};
use crate::limits::principal_key;
use crate::platform::auth::{AuthError, Principal, Role};
use crate::platform::ids::new_id;
use crate::platform::trace;
use crate::services::{Call, Error};

pub(super) const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");
pub(super) const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// A request's id, in its extensions.
#[derive(Debug, Clone)]
pub(super) struct CorrelationId(pub(super) String);

/// The trace context for what a request leads to, in its extensions.
#[derive(Debug, Clone)]
pub(super) struct Traceparent(String);

/// The caller that the trigger vouches for: an API Gateway authorizer verified the token, and its claims came in the
/// Lambda request context.
#[derive(Debug, Clone)]
pub struct Vouched(pub Principal);

/// What goes around every request.
#[derive(Clone)]
pub(super) struct Around {
    /// Whether this is the local process.
    pub(super) local: bool,
    /// Counts.
    pub(super) requests: Arc<Requests>,
}

pub(super) async fn around(
    State(Around { local, requests }): State<Around>,
    mut request: Request,
    next: Next,
) -> Response {
    let id = given(request.headers(), CORRELATION_ID.as_str(), is_id).unwrap_or_else(|| new_id().to_string());
    let incoming = given(request.headers(), "traceparent", is_key);
    let unsent = (!trace::is_exported()).then(|| trace::child_of(incoming.as_deref()));
    let (method, matched) = (request.method().clone(), request.extensions().get::<MatchedPath>().cloned());
    let route = matched.as_ref().map(MatchedPath::as_str);
    let span = tracing::info_span!(
        "request",
        correlation_id = id,
        traceparent = unsent,
        %method,
        path = request.uri().path(),
        route,
    );
    // One that is sent is known by its ids, which it has only now.
    let traceparent = unsent.unwrap_or_else(|| {
        let traceparent = trace::begin(&span, incoming.as_deref());
        span.record("traceparent", &traceparent);
        traceparent
    });
    request.extensions_mut().insert(CorrelationId(id.clone()));
    request.extensions_mut().insert(Traceparent(traceparent));
    async move {
        let started = Instant::now();
        let mut response = AssertUnwindSafe(next.run(request)).catch_unwind().await.unwrap_or_else(|_| {
            let error = Error::Internal("a handler panicked; what it said is in the log".to_owned());
            Problem(ApiError::from(&error)).into_response()
        });
        let (status, took) = (response.status(), started.elapsed());
        let elapsed_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        tracing::info!(status = status.as_u16(), elapsed_ms, "answered");
        trace::note(&Span::current(), "http.response.status_code", status.as_u16().into());
        requests.answered(matched.as_ref().map_or(UNMATCHED, MatchedPath::as_str), &method, status, took);
        finish(response.headers_mut(), &id);
        harden(response.headers_mut(), !local);
        response
    }
    .instrument(span)
    .await
}

fn finish(headers: &mut HeaderMap, id: &str) {
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(CORRELATION_ID, id);
    }
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

/// The call that a request makes.
///
/// # Errors
/// For a token that is not valid (an anonymous request is), and for an idempotency key that is none.
pub(super) async fn call(http: &Arc<Http>, headers: &HeaderMap, extensions: &Extensions) -> Result<Call, ApiError> {
    let principal = principal(http, headers, extensions).await.map_err(|error| ApiError::from(&error))?;
    let idempotency_key = given(headers, IDEMPOTENCY_KEY, is_key);
    if idempotency_key.is_none() && headers.contains_key(IDEMPOTENCY_KEY) {
        let expected = "Idempotency-Key must be one header of 1 to 255 visible ASCII characters";
        return Err(ApiError::bad_input(expected));
    }
    Ok(Call {
        principal,
        correlation_id: extensions.get::<CorrelationId>().map(|id| id.0.clone()).unwrap_or_default(),
        traceparent: extensions.get::<Traceparent>().map(|traceparent| traceparent.0.clone()),
        idempotency_key,
        place: 0,
    })
}

/// Who asks; nobody where no token is shown.
async fn principal(http: &Http, headers: &HeaderMap, extensions: &Extensions) -> Result<Option<Principal>, AuthError> {
    match (extensions.get::<Vouched>(), headers.get(AUTHORIZATION)) {
        (Some(vouched), _) => Ok(Some(vouched.0.clone())),
        (None, Some(header)) => http.verifier.verify_authorization(header.as_bytes()).await.map(Some),
        (None, None) => Ok(None),
    }
}

/// Whether GraphQL is there for the caller: the user whose valid token is shown, else whoever is at that address.
pub(super) async fn meets_graphql(http: &Http, headers: &HeaderMap, extensions: &Extensions) -> bool {
    if http.graphql_flag.is_on() || http.graphql_flag.is_off() {
        return http.graphql_flag.is_on();
    }
    let user = principal(http, headers, extensions).await.ok().flatten();
    http.graphql_flag.admits(&principal_key(user.as_ref().map(|user| user.user_id.as_str()), address::of(extensions)))
}

/// Nothing, if the caller is an ADMIN. What tells of others is for them alone: it says whom this deployment asks, and when
/// that does not work.
///
/// # Errors
/// `UNAUTHENTICATED`, `FORBIDDEN`, or what is wrong with the token.
pub(super) async fn administrator(
    http: &Arc<Http>,
    headers: &HeaderMap,
    extensions: &Extensions,
) -> Result<(), ApiError> {
    match call(http, headers, extensions).await?.principal {
        Some(principal) if principal.role == Role::Admin => Ok(()),
        Some(_) => Err(ApiError::new(Code::Forbidden, "this needs the role ADMIN")),
        None => Err(ApiError::from(&Error::Unauthenticated)),
    }
}

/// A header's value, if it is there once and fits.
fn given(headers: &HeaderMap, name: &str, fits: fn(&str) -> bool) -> Option<String> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?.trim();
    (values.next().is_none() && fits(value)).then(|| value.to_owned())
}

fn is_id(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
}

fn is_key(text: &str) -> bool {
    (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::{Body, to_bytes};
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;
    use http::StatusCode;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn a_handler_that_panics_is_answered_without_a_word_of_why() {
        async fn broken() -> Response {
            panic!("the password is hunter2")
        }
        let around = Around { local: true, requests: Arc::default() };
        let router: Router = Router::new().route("/", get(broken)).layer(from_fn_with_state(around, super::around));
        let response = router.oneshot(Request::new(Body::empty())).await.unwrap();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(response.headers().contains_key(CORRELATION_ID));
        let body = to_bytes(response.into_body(), 4096).await.unwrap();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["code"], "INTERNAL");
        assert!(!body.to_string().contains("hunter2"), "{body}");
    }
}
