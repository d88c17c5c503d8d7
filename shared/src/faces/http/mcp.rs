//! `/mcp`: the Model Context Protocol over streamable HTTP, stateless: every POST is one message and its answer in JSON; there is
//! no stream to GET and no session to DELETE.
//! <https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#streamable-http>
//!
//! What needs a token and has none is refused with 401 and says where a client learns whom to ask for one: RFC 9728.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::header::{
    ACCEPT, ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HOST, ORIGIN, WWW_AUTHENTICATE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::{Value, json};

use super::problem::{Problem, respond};
use super::request::call;
use super::{DEADLINE, Http, address};
use crate::faces::error::{ApiError, Code};
use crate::faces::graphql::Graph;
use crate::faces::mcp::{MAX_MESSAGE, McpService, judge, service};
use crate::platform::config::is_loopback;
use crate::services::Error;

/// Where a client learns of the resource that `/mcp` is.
pub(super) const METADATA: &str = "/.well-known/oauth-protected-resource";
/// The same, as it is asked for a resource with a path.
pub(super) const METADATA_OF_MCP: &str = "/.well-known/oauth-protected-resource/mcp";

/// What rmcp asks a client to accept. Answers are JSON alone, which is what a client of ours must accept.
const ACCEPTED: &str = "application/json, text/event-stream";

/// The protocol, and where and for whose tokens it is spoken.
pub struct Mcp {
    service: McpService,
    public_url: Option<String>,
    issuer: Option<String>,
}

impl Mcp {
    /// Over `graph`'s services. `public_url` is where clients find this server, where that is not the host that they ask for;
    /// `issuer` whom they ask for a token.
    pub fn new(graph: &Graph, public_url: Option<String>, issuer: Option<String>) -> Self {
        Self { service: service(graph.clone()), public_url, issuer }
    }
}

pub(super) async fn handle(State(http): State<Arc<Http>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let mut response = tokio::time::timeout(DEADLINE, answer(&http, &parts, body))
        .await
        .unwrap_or_else(|_| Problem(ApiError::from(&Error::Timeout)).into_response());
    if response.status() == StatusCode::UNAUTHORIZED {
        let challenge = format!("Bearer resource_metadata=\"{}{METADATA_OF_MCP}\"", base(&http, &parts.headers));
        if let Ok(challenge) = HeaderValue::from_str(&challenge) {
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
    }
    response
}

async fn answer(http: &Arc<Http>, parts: &Parts, body: Body) -> Response {
    if let Some(origin) = parts.headers.get(ORIGIN)
        && !is_welcome(http, origin)
    {
        let error =
            ApiError::new(Code::Forbidden, "pages of this origin may not ask; CORS_ORIGINS names those that may");
        return Problem(error).into_response();
    }
    if parts.method != Method::POST {
        let error = ApiError::bad_input("each message is a POST: there are no streams and no sessions here");
        let mut response = respond(StatusCode::METHOD_NOT_ALLOWED, &error);
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return response;
    }
    let address = address::of(&parts.extensions);
    let call = match call(http, &parts.headers, &parts.extensions).await {
        Ok(call) => call,
        Err(error) => {
            let standing = http.limits.count(None, address, 1, std::iter::empty()).await;
            return standing.written(Problem(standing.refused().unwrap_or(error)).into_response());
        }
    };
    let bytes = to_bytes(body, MAX_MESSAGE).await;
    // What is no JSON demands nothing, and the protocol will refuse it.
    let message = bytes.as_ref().ok().and_then(|bytes| serde_json::from_slice(bytes).ok()).unwrap_or(Value::Null);
    let user = call.principal.as_ref();
    let judged = judge(&http.graph, &message, user.map(|user| user.role));
    let charges = judged.iter().filter_map(|demand| demand.charge.as_ref());
    let standing = http.limits.count(user, address, 1, charges).await;
    let response = match (standing.refused(), bytes, judged) {
        (Some(error), ..) | (None, _, Err(error)) => Problem(error).into_response(),
        (None, Err(_), _) => {
            let message = format!("a message has at most {MAX_MESSAGE} bytes");
            respond(StatusCode::PAYLOAD_TOO_LARGE, &ApiError::bad_input(message))
        }
        (None, Ok(_), Ok(_)) if message.is_null() => unreadable(),
        (None, Ok(_), Ok(_)) => {
            // As it was judged: what can be read in two ways is read in one.
            let mut request = Request::new(Body::from(message.to_string()));
            *request.method_mut() = Method::POST;
            *request.uri_mut() = parts.uri.clone();
            *request.headers_mut() = forwarded(&parts.headers);
            request.extensions_mut().insert(call);
            http.mcp.service.handle(request).await.map(Body::new)
        }
    };
    standing.written(response)
}

/// What is no JSON, as JSON-RPC says it. <https://www.jsonrpc.org/specification#error_object>
fn unreadable() -> Response {
    let error =
        json!({ "jsonrpc": "2.0", "id": null, "error": { "code": -32700, "message": "the message is not JSON" } });
    (StatusCode::BAD_REQUEST, [(CONTENT_TYPE, "application/json")], error.to_string()).into_response()
}

/// The headers that the protocol reads: whoever takes JSON is served, and no token goes further than here.
fn forwarded(headers: &HeaderMap) -> HeaderMap {
    let mut forwarded = headers.clone();
    for name in [AUTHORIZATION, CONTENT_LENGTH, ORIGIN] {
        forwarded.remove(name);
    }
    // A request of HTTP has one, but not every way here is HTTP.
    forwarded.entry(HOST).or_insert(HeaderValue::from_static("localhost"));
    if super::negotiate::takes_json(headers) {
        forwarded.insert(ACCEPT, HeaderValue::from_static(ACCEPTED));
    }
    forwarded
}

/// Whether a page of that origin may ask: one that is named in the configuration, or, locally, one of this machine.
fn is_welcome(http: &Http, origin: &HeaderValue) -> bool {
    let Ok(origin) = origin.to_str() else { return false };
    http.origins.allows(origin) || (http.local && is_of_this_machine(origin))
}

fn is_of_this_machine(origin: &str) -> bool {
    reqwest::Url::parse(origin).is_ok_and(|url| is_loopback(&url))
}

/// What the protected resource is, and whose tokens it takes: RFC 9728.
pub(super) async fn metadata(State(http): State<Arc<Http>>, headers: HeaderMap) -> Response {
    let mut metadata = json!({
        "resource": format!("{}/mcp", base(&http, &headers)),
        "resource_name": "mcp-server",
        "bearer_methods_supported": ["header"],
    });
    if let Some(issuer) = &http.mcp.issuer {
        metadata["authorization_servers"] = json!([issuer]);
    }
    let mut response = metadata.to_string().into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// Where this server is, as its client sees it: as configured, else by the host that the client asked for.
fn base(http: &Http, headers: &HeaderMap) -> String {
    if let Some(url) = &http.mcp.public_url {
        return url.trim_end_matches('/').to_owned();
    }
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).filter(|host| is_host(host));
    let scheme = if http.local { "http" } else { "https" };
    format!("{scheme}://{}", host.unwrap_or("localhost"))
}

fn is_host(host: &str) -> bool {
    host.len() <= 255 && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.:[]".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_this_machine_are_known_by_their_host_alone() {
        for origin in ["http://localhost:6274", "http://127.0.0.1", "https://[::1]:3000"] {
            assert!(is_of_this_machine(origin), "{origin}");
        }
        for origin in ["null", "http://localhost.evil.example", "https://evil.example", "http://127.0.0.1.evil.example"]
        {
            assert!(!is_of_this_machine(origin), "{origin}");
        }
    }

    #[test]
    fn no_token_is_handed_on() {
        let headers = HeaderMap::from_iter([
            (AUTHORIZATION, HeaderValue::from_static("Bearer x")),
            (ACCEPT, HeaderValue::from_static("application/json")),
        ]);
        let forwarded = forwarded(&headers);
        assert!(!forwarded.contains_key(AUTHORIZATION));
        assert_eq!(forwarded[ACCEPT], ACCEPTED);
    }
}
