//! Pages of other sites that may ask, <https://fetch.spec.whatwg.org/#http-cors-protocol>: those in `CORS_ORIGINS`, at what
//! is there for callers. Never with cookies: nothing here reads one.

use std::time::Duration;

use http::header::{
    ACCEPT, AGE, AUTHORIZATION, CONTENT_TYPE, ETAG, HeaderName, IF_NONE_MATCH, LINK, LOCATION, ORIGIN, RETRY_AFTER,
    WWW_AUTHENTICATE,
};
use http::{HeaderValue, Method};
use tower_http::cors::CorsLayer;

use super::request::{CORRELATION_ID, IDEMPOTENCY_KEY};
use crate::platform::config::Origins;

/// Where other sites' pages may ask: these, and what is below them.
const SHARED: &[&str] = &["/graphql", "/schema.graphql", "/v1", "/mcp", "/.well-known"];
/// How long a browser may remember what it was told; the longest that any of them takes.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);

/// Answers a browser that asks first, and tells it what its page may see.
pub(super) fn layer(origins: Origins) -> CorsLayer {
    let allowed = move |origin: &HeaderValue, parts: &http::request::Parts| {
        is_shared(parts.uri.path()) && origin.to_str().is_ok_and(|origin| origins.allows(origin))
    };
    let named = |names: &[&'static str]| names.iter().map(|name| HeaderName::from_static(name)).collect::<Vec<_>>();
    let asked = [
        vec![ACCEPT, AUTHORIZATION, CONTENT_TYPE, IF_NONE_MATCH, CORRELATION_ID],
        named(&["traceparent", IDEMPOTENCY_KEY]),
        named(&["last-event-id", "mcp-method", "mcp-name", "mcp-protocol-version", "mcp-session-id"]),
    ];
    let shown = [
        vec![AGE, ETAG, LINK, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE, CORRELATION_ID],
        named(&["deprecation", "sunset", "mcp-session-id"]),
        named(&["ratelimit", "ratelimit-policy", "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"]),
    ];
    CorsLayer::new()
        .allow_origin(tower_http::cors::AllowOrigin::predicate(allowed))
        .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::DELETE, Method::OPTIONS])
        .allow_headers(asked.concat())
        .expose_headers(shown.concat())
        .max_age(REMEMBERED)
        .vary([ORIGIN])
}

fn is_shared(path: &str) -> bool {
    SHARED.iter().any(|shared| path.strip_prefix(shared).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}
