//! REST over HTTP: the real router in this process, as `tests/graphql` has it; beside GraphQL, where both must say the same.

mod agent;
mod chains;
mod document;
mod prices;
mod protocol;
mod quotas;

use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::Value;

use crate::graphql::server::{Answer, Server};
use crate::graphql::token;

/// Any request.
pub(crate) async fn send(
    server: &Server,
    method: Method,
    uri: &str,
    headers: &[(&str, &str)],
    body: impl Into<Body>,
) -> Answer {
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    server.send(request.body(body.into()).expect("a request")).await
}

/// A request without a body, as a user or as nobody.
async fn ask(server: &Server, method: Method, uri: &str, user: Option<&str>) -> Answer {
    let bearer = user.map(bearer);
    let headers: Vec<_> = bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
    send(server, method, uri, &headers, Body::empty()).await
}

/// A GET, as a user or as nobody.
pub(crate) async fn get(server: &Server, uri: &str, user: Option<&str>) -> Answer {
    ask(server, Method::GET, uri, user).await
}

/// A POST of JSON as a user, with more headers.
async fn post_with(server: &Server, uri: &str, user: &str, body: &Value, more: &[(&str, &str)]) -> Answer {
    let bearer = bearer(user);
    let mut headers = vec![("authorization", bearer.as_str()), ("content-type", "application/json")];
    headers.extend(more);
    send(server, Method::POST, uri, &headers, body.to_string()).await
}

/// A POST of JSON as a user.
pub(crate) async fn post(server: &Server, uri: &str, user: &str, body: &Value) -> Answer {
    post_with(server, uri, user, body, &[]).await
}

pub(crate) fn bearer(user: &str) -> String {
    format!("Bearer {}", token(user, "USER"))
}

/// Where the next page is, if there is one.
fn next(answer: &Answer) -> Option<String> {
    let link = answer.header("link")?;
    let target = link.strip_prefix('<').and_then(|rest| rest.strip_suffix(">; rel=\"next\""));
    Some(target.unwrap_or_else(|| panic!("no next page: {link}")).to_owned())
}
