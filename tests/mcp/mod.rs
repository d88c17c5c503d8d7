//! The Model Context Protocol over HTTP: the real router in this process, as `tests/graphql` has it. Its official clients are
//! in `tests/node`.

mod access;
mod protocol;
mod resources;
mod tools;
mod upstreams;

use axum::body::Body;
use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::graphql::server::{Answer, Server};
use crate::rest;

/// What a client accepts and sends.
const JSON: [(&str, &str); 2] =
    [("accept", "application/json, text/event-stream"), ("content-type", "application/json")];

/// A POST as a user or as nobody, with more headers.
async fn post(server: &Server, user: Option<&str>, body: impl Into<Body>, more: &[(&str, &str)]) -> Answer {
    let bearer = user.map(rest::bearer);
    let mut headers: Vec<(&str, &str)> = JSON.to_vec();
    headers.extend(bearer.iter().map(|bearer| ("authorization", bearer.as_str())));
    headers.extend(more);
    rest::send(server, Method::POST, "/mcp", &headers, body).await
}

fn message(method: &str, params: &Value) -> String {
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string()
}

/// The whole answer to a message.
async fn ask(server: &Server, user: Option<&str>, method: &str, params: Value) -> Value {
    let answer = post(server, user, message(method, &params), &[]).await;
    assert_eq!(answer.status, StatusCode::OK, "{method} {params}: {answer:?}");
    answer.json()
}

/// The result of a message that must have one.
async fn result(server: &Server, user: Option<&str>, method: &str, params: Value) -> Value {
    let mut answer = ask(server, user, method, params).await;
    assert!(answer["result"].is_object(), "{method}: {answer}");
    answer["result"].take()
}

fn naming(tool: &str, arguments: &Value) -> String {
    message("tools/call", &json!({ "name": tool, "arguments": arguments }))
}

/// What a tool gives; the same as text.
async fn call(server: &Server, user: Option<&str>, tool: &str, arguments: Value) -> Value {
    let result = result(server, user, "tools/call", json!({ "name": tool, "arguments": arguments })).await;
    assert_ne!(result["isError"], true, "{tool}: {result}");
    let text: Value = serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap();
    assert_eq!(text, result["structuredContent"], "{tool}");
    text
}

/// What a tool says that fails. As text alone: what is structured must be as the tool's schema says.
async fn failed(server: &Server, user: Option<&str>, tool: &str, arguments: Value) -> Value {
    let result = result(server, user, "tools/call", json!({ "name": tool, "arguments": arguments })).await;
    assert_eq!(result["isError"], true, "{tool}: {result}");
    assert!(result.get("structuredContent").is_none(), "{tool}: {result}");
    serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap()
}

/// The names of all tools, in order.
async fn tools(server: &Server) -> Vec<String> {
    let listed = result(server, None, "tools/list", json!({})).await;
    listed["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}
