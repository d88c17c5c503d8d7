//! Who may ask, from where and how often.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{JSON, call, message, naming, post, result};
use crate::graphql::server::Server;
use crate::rest;

#[tokio::test]
async fn what_needs_a_token_is_401_without_one_and_says_where_to_learn_more() {
    let server = Server::start().await;
    let arguments = json!({ "feedback": 1 });
    for tool in
        ["defi_swap_quote", "emotion", "memories", "update_emotion", "add_memory", "delete_memory", "send_transaction"]
    {
        let answer = post(&server, None, naming(tool, &arguments), &[("host", "api.example.com")]).await;
        assert_eq!((answer.status, answer.code().as_str()), (StatusCode::UNAUTHORIZED, "UNAUTHENTICATED"), "{tool}");
        assert_eq!(
            answer.header("www-authenticate"),
            Some("Bearer resource_metadata=\"http://api.example.com/.well-known/oauth-protected-resource/mcp\""),
            "{tool}"
        );
    }
    assert_eq!(call(&server, Some("ada"), "update_emotion", arguments).await["version"], 1);
    // One that is not valid is refused where none is needed, too.
    let invalid = post(&server, None, message("tools/list", &json!({})), &[("authorization", "Bearer x.y.z")]).await;
    assert_eq!(invalid.status, StatusCode::UNAUTHORIZED);
    assert!(invalid.header("www-authenticate").unwrap().contains("resource_metadata="), "{invalid:?}");
}

#[tokio::test]
async fn the_metadata_says_whose_tokens_are_taken_and_for_what() {
    let issuer = "https://issuer.example";
    let known = [("RATE_LIMITS", "off"), ("JWT_ISSUER", issuer), ("PUBLIC_URL", "https://api.example.com")];
    let server = Server::start_with(&known).await;
    for path in ["/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"] {
        let answer = rest::send(&server, Method::GET, path, &[("host", "elsewhere.example")], "").await;
        assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, Some("application/json")));
        let metadata = answer.json();
        assert_eq!(metadata["resource"], "https://api.example.com/mcp", "{path}");
        assert_eq!(metadata["authorization_servers"], json!([issuer]), "{path}");
        assert_eq!(metadata["bearer_methods_supported"], json!(["header"]), "{path}");
    }
    let refused = post(&server, None, naming("emotion", &json!({})), &[]).await;
    let challenge = "Bearer resource_metadata=\"https://api.example.com/.well-known/oauth-protected-resource/mcp\"";
    assert_eq!(refused.header("www-authenticate"), Some(challenge));
    // Without them: the host that is asked for, and whoever has the secret.
    let server = Server::start().await;
    let path = "/.well-known/oauth-protected-resource";
    let metadata = rest::send(&server, Method::GET, path, &[("host", "127.0.0.1:4000")], "").await.json();
    assert_eq!(
        (&metadata["resource"], &metadata["authorization_servers"]),
        (&json!("http://127.0.0.1:4000/mcp"), &Value::Null)
    );
    let strange = rest::send(&server, Method::GET, path, &[("host", "a\"b, c")], "").await.json();
    assert_eq!(strange["resource"], "http://localhost/mcp");
}

#[tokio::test]
async fn pages_of_other_sites_may_ask_where_they_are_named() {
    let server = Server::start_with(&[("RATE_LIMITS", "off"), ("CORS_ORIGINS", "https://app.example.com")]).await;
    let list = message("tools/list", &json!({}));
    for origin in ["https://app.example.com", "http://localhost:6274", "http://127.0.0.1:3000"] {
        assert_eq!(post(&server, None, list.clone(), &[("origin", origin)]).await.status, StatusCode::OK, "{origin}");
    }
    for origin in
        ["https://evil.example", "https://app.example.com.evil.example", "http://localhost.evil.example", "null"]
    {
        let answer = post(&server, Some("ada"), list.clone(), &[("origin", origin)]).await;
        assert_eq!((answer.status, answer.code().as_str()), (StatusCode::FORBIDDEN, "FORBIDDEN"), "{origin}");
        assert!(!answer.text.contains("crypto_prices"), "{origin}");
    }
}

#[tokio::test]
async fn a_tool_takes_from_the_quota_of_the_field_that_does_the_same() {
    let server = Server::start_with(&[("RATE_LIMIT_PER_ADDRESS", "1000")]).await;
    let aliases: String = (0..98).map(|n| format!("a{n}: cryptoPrices(coins: [\"bitcoin\"]) {{ usd }} ")).collect();
    assert_eq!(server.anonymous(&format!("{{ {aliases} }}")).await.status, StatusCode::OK);
    let prices = json!({ "coins": ["bitcoin"] });
    call(&server, None, "crypto_prices", prices.clone()).await;
    result(&server, None, "resources/read", json!({ "uri": "price://bitcoin" })).await;
    for refused in [naming("crypto_prices", &prices), message("resources/read", &json!({ "uri": "price://bitcoin" }))] {
        let answer = post(&server, None, refused, &[]).await;
        assert_eq!((answer.status, answer.code().as_str()), (StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED"));
        assert!(
            answer.header("retry-after").is_some() && answer.header("ratelimit-limit") == Some("100"),
            "{answer:?}"
        );
    }
    assert_eq!(rest::get(&server, "/v1/prices?coins=bitcoin", None).await.code(), "RATE_LIMITED", "over REST as well");
    call(&server, None, "chains", json!({})).await;
    call(&server, Some("ada"), "crypto_prices", prices).await;
}

#[tokio::test]
async fn every_message_counts_whatever_it_is() {
    let server = Server::start_with(&[("RATE_LIMIT_PER_ADDRESS", "5")]).await;
    result(&server, None, "tools/list", json!({})).await;
    post(&server, None, "garbage", &[]).await;
    post(&server, None, message("tools/list", &json!({})), &[("authorization", "Bearer x")]).await;
    post(&server, None, naming("emotion", &json!({})), &[]).await;
    server.anonymous("{ __typename }").await;
    let answer = post(&server, None, message("tools/list", &json!({})), &[]).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED"));
    // A GET is no message.
    assert_eq!(rest::send(&server, Method::GET, "/mcp", &JSON, "").await.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn where_graphql_is_off_tools_are_there() {
    let server = Server::start_with(&[("RATE_LIMITS", "off"), ("GRAPHQL_ENABLED", "off")]).await;
    assert_eq!(server.anonymous("{ __typename }").await.status, StatusCode::NOT_FOUND);
    assert_eq!(call(&server, Some("ada"), "update_emotion", json!({ "feedback": 7 })).await["points"], 7);
}
