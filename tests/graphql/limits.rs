//! Rate limits, as a client meets them.

use axum::http::StatusCode;
use serde_json::json;

use super::server::Server;

#[tokio::test]
async fn an_anonymous_caller_has_a_hundred_requests_a_minute() {
    let server = Server::start_with(&[]).await;
    let mut last = None;
    for n in 1..=100 {
        let answer = server.anonymous("{ __typename }").await;
        assert_eq!(answer.status, StatusCode::OK, "request {n}: {answer:?}");
        last = Some(answer);
    }
    assert_eq!(last.unwrap().header("ratelimit-remaining"), Some("0"));
    let refused = server.anonymous("{ __typename }").await;
    assert_eq!((refused.status, refused.code().as_str()), (StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED"));
    let after: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    // The window moves in slots of a second.
    assert!((1..=61).contains(&after), "{after}");
    assert_eq!(refused.json()["errors"][0]["extensions"]["retryAfterSeconds"], json!(after));
    assert_eq!(refused.header("ratelimit-limit"), Some("100"));
}

#[tokio::test]
async fn each_alias_of_a_limited_field_counts() {
    let server = Server::start_with(&[]).await;
    let query = |n: usize| {
        let aliases: String = (0..n).map(|n| format!("a{n}: cryptoPrices(coins: [\"bitcoin\"]) {{ usd }} ")).collect();
        format!("{{ {aliases} }}")
    };
    assert_eq!(server.anonymous(&query(60)).await.status, StatusCode::OK);
    assert_eq!(server.anonymous(&query(60)).await.code(), "RATE_LIMITED");
    assert_eq!(server.anonymous(&query(40)).await.status, StatusCode::OK);
    assert_eq!(server.anonymous("{ __typename }").await.status, StatusCode::OK);
}

#[tokio::test]
async fn garbage_counts_and_users_are_counted_apart() {
    let server = Server::start_with(&[]).await;
    for _ in 0..100 {
        server.anonymous("{ nope }").await;
    }
    assert_eq!(server.anonymous("{ __typename }").await.code(), "RATE_LIMITED");
    let user = server.user("ada", "{ __typename }").await;
    assert_eq!((user.status, user.header("ratelimit-limit")), (StatusCode::OK, Some("500")));
}

#[tokio::test]
async fn bad_tokens_bad_bodies_and_batches_count_too() {
    let server = Server::start_with(&[]).await;
    for _ in 0..40 {
        server.bearer("not.a.token", "{ __typename }").await;
        server.post("{", &[]).await;
    }
    let batch = serde_json::Value::Array((0..10).map(|_| json!({ "query": "{ __typename }" })).collect());
    for _ in 0..2 {
        assert_eq!(server.post(batch.to_string(), &[]).await.status, StatusCode::OK);
    }
    assert_eq!(server.bearer("not.a.token", "{ __typename }").await.code(), "RATE_LIMITED");
    assert_eq!(server.post("{", &[]).await.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn what_no_limit_ever_lets_through_is_too_complex() {
    let server = Server::start_with(&[]).await;
    let aliases: String = (0..101).map(|n| format!("a{n}: cryptoPrices(coins: [\"bitcoin\"]) {{ usd }} ")).collect();
    let answer = server.anonymous(&format!("{{ {aliases} }}")).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::BAD_REQUEST, "QUERY_TOO_COMPLEX"));
}
