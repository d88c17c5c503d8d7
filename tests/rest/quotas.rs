//! Limits: one count for all faces.

use axum::http::{Method, StatusCode};
use serde_json::json;

use super::{get, post, send};
use crate::graphql::server::Server;

/// As many uses of the field as that.
fn aliases(count: usize) -> String {
    let fields: String = (0..count).map(|n| format!("a{n}: cryptoPrices(coins: [\"bitcoin\"]) {{ usd }} ")).collect();
    format!("{{ {fields} }}")
}

#[tokio::test]
async fn a_fields_quota_is_used_up_over_whatever_face() {
    let server = Server::start_with(&[("RATE_LIMIT_PER_ADDRESS", "1000")]).await;
    assert_eq!(server.anonymous(&aliases(98)).await.status, StatusCode::OK);
    for _ in 0..2 {
        assert_eq!(get(&server, "/v1/prices?coins=bitcoin", None).await.status, StatusCode::OK);
    }
    let refused = get(&server, "/v1/prices?coins=bitcoin", None).await;
    assert_eq!((refused.status, refused.code().as_str()), (StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED"));
    assert_eq!(refused.header("content-type"), Some("application/problem+json"));
    assert_eq!(refused.header("ratelimit-limit"), Some("100"));
    let seconds = refused.json()["retryAfterSeconds"].as_u64().unwrap().to_string();
    assert_eq!(refused.header("retry-after"), Some(seconds.as_str()));
    assert_eq!(server.anonymous(&aliases(1)).await.code(), "RATE_LIMITED", "over GraphQL as well");
    // Other fields have quotas of their own, and other callers theirs.
    assert_eq!(get(&server, "/v1/price-results?coins=bitcoin", None).await.status, StatusCode::OK);
    assert_eq!(get(&server, "/v1/prices?coins=bitcoin", Some("ada")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn requests_are_counted_together_and_garbage_counts() {
    let server = Server::start_with(&[("RATE_LIMIT_PER_ADDRESS", "10"), ("RATE_LIMIT_PER_USER", "10")]).await;
    for n in 0..5 {
        server.anonymous("{ nope }").await;
        let answer = get(&server, "/v1/chains?nope=1", None).await;
        let left = (8 - 2 * n).to_string();
        assert_eq!(
            (answer.status, answer.header("ratelimit-remaining")),
            (StatusCode::BAD_REQUEST, Some(left.as_str()))
        );
    }
    assert_eq!(get(&server, "/v1/chains", None).await.code(), "RATE_LIMITED");
    assert_eq!(server.anonymous("{ __typename }").await.code(), "RATE_LIMITED");
    let bad_token = send(&server, Method::GET, "/v1/chains", &[("authorization", "Bearer x")], "").await;
    assert_eq!(bad_token.code(), "RATE_LIMITED");
    for _ in 0..10 {
        assert_eq!(post(&server, "/v1/emotion", "ada", &json!({})).await.status, StatusCode::BAD_REQUEST);
    }
    assert_eq!(post(&server, "/v1/emotion", "ada", &json!({ "feedback": 1 })).await.code(), "RATE_LIMITED");
}
