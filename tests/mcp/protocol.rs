//! The protocol: its revisions, and what is no message of it.

use axum::http::{Method, StatusCode};
use serde_json::json;

use super::{JSON, message, naming, post, result};
use crate::graphql::server::Server;
use crate::rest;

#[tokio::test]
async fn each_revision_is_spoken_one_message_at_a_time() {
    let server = Server::start().await;
    for version in ["2025-03-26", "2025-06-18", "2025-11-25"] {
        let client = json!({
            "protocolVersion": version, "capabilities": {}, "clientInfo": { "name": "a test", "version": "1" },
        });
        let opened = post(&server, None, message("initialize", &client), &[]).await;
        assert_eq!(opened.status, StatusCode::OK, "{version}: {opened:?}");
        assert!(opened.header("content-type").unwrap().starts_with("application/json"), "{version}: {opened:?}");
        assert_eq!(opened.header("mcp-session-id"), None, "{version}");
        let told = &opened.json()["result"];
        assert_eq!((&told["protocolVersion"], &told["serverInfo"]["name"]), (&json!(version), &json!("mcp-server")));
        for capability in ["tools", "resources", "prompts"] {
            assert!(told["capabilities"][capability].is_object(), "{version}: {told}");
        }
        let spoken = [("mcp-protocol-version", version)];
        let initialized = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        let initialized = post(&server, None, initialized, &spoken).await;
        assert_eq!((initialized.status, initialized.text.as_str()), (StatusCode::ACCEPTED, ""), "{version}");
        let called = post(&server, None, naming("crypto_prices", &json!({ "coins": ["bitcoin"] })), &spoken).await;
        let price = &called.json()["result"]["structuredContent"]["items"][0]["usd"];
        assert_eq!(*price, "65000.5", "{version}: {called:?}");
    }
    let unknown = post(&server, None, message("tools/list", &json!({})), &[("mcp-protocol-version", "1999-12-31")]);
    assert_eq!(unknown.await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn there_is_no_stream_and_no_session() {
    let server = Server::start().await;
    for method in [Method::GET, Method::DELETE, Method::PUT] {
        let answer = rest::send(&server, method.clone(), "/mcp", &JSON, "").await;
        assert_eq!((answer.status, answer.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, Some("POST")), "{method}");
    }
}

#[tokio::test]
async fn what_is_no_message_is_refused_and_the_next_one_is_answered() {
    let server = Server::start().await;
    let list = message("tools/list", &json!({}));
    let nested = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000));
    for body in [
        "",
        "{\"jsonrpc\":",
        "\"text\"",
        "[]",
        "{\"id\":1,\"method\":\"tools/list\"}",
        "{\"jsonrpc\":\"2.0\"}",
        &nested,
    ] {
        let answer = post(&server, None, body.to_owned(), &[]).await;
        assert!(answer.status.is_client_error(), "{}: {answer:?}", &body[..body.len().min(40)]);
    }
    let batch = post(&server, None, format!("[{list},{list}]"), &[]).await;
    assert!(batch.status.is_client_error() && !batch.text.contains("crypto_prices"), "{batch:?}");
    let large = naming("add_memory", &json!({ "content": "x".repeat(1024 * 1024) }));
    let large = post(&server, Some("ada"), large, &[]).await;
    assert_eq!((large.status, large.code().as_str()), (StatusCode::PAYLOAD_TOO_LARGE, "BAD_USER_INPUT"));
    let form = [("accept", "application/json"), ("content-type", "text/plain")];
    let form = rest::send(&server, Method::POST, "/mcp", &form, list.clone()).await;
    assert_eq!(form.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let page = [("accept", "text/html"), ("content-type", "application/json")];
    assert_eq!(rest::send(&server, Method::POST, "/mcp", &page, list).await.status, StatusCode::NOT_ACCEPTABLE);
    assert!(result(&server, None, "tools/list", json!({})).await["tools"].is_array());
    assert!(rest::get(&server, "/v1/memories", Some("ada")).await.json()["items"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn a_client_that_takes_json_alone_is_served() {
    let server = Server::start().await;
    for accept in ["application/json", "*/*"] {
        let headers = [("accept", accept), ("content-type", "application/json")];
        let answer = rest::send(&server, Method::POST, "/mcp", &headers, message("ping", &json!({}))).await;
        assert_eq!((answer.status, answer.json()["result"].clone()), (StatusCode::OK, json!({})), "{accept}");
    }
}
