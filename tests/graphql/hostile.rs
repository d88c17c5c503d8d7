//! What nobody should send: every answer is a clear error with the right code, never a 500.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::json;

use super::server::{GRAPHQL, Server};

#[tokio::test]
async fn documents_out_of_proportion_are_too_complex() {
    let server = Server::start().await;
    let deep = format!("{{ {} version {} }}", "mcp { ".repeat(50), "}".repeat(50));
    let aliases: String = (0..10_000).map(|n| format!("a{n}:__typename ")).collect();
    let long = format!("{{ cryptoPrices(coins: [\"{}\"]) {{ usd }} }}", "x".repeat(70_000));
    for (what, document) in [("deep", deep), ("aliases", format!("{{ {aliases} }}")), ("long", long)] {
        let answer = server.anonymous(&document).await;
        assert_eq!((answer.status, answer.code().as_str()), (StatusCode::BAD_REQUEST, "QUERY_TOO_COMPLEX"), "{what}");
    }
}

#[tokio::test]
async fn bodies_that_are_no_request_are_bad_input() {
    let server = Server::start().await;
    for body in [
        "",
        "{",
        "[]",
        "null",
        "42",
        "\"x\"",
        "{}",
        "{\"query\": 7}",
        "{\"query\": null}",
        "{\"query\": \"\"}",
        "{\"query\": \"{\"}",
        "{\"query\": \"{ nope }\"}",
        "{\"query\": \"{ __typename }\", \"variables\": []}",
        "{\"query\": \"{ __typename }\", \"operationName\": {}}",
        "{\"query\": \"{ __typename }\", \"extensions\": 1}",
        "{\"query\": \"query($c: [String!]!) { cryptoPrices(coins: $c) { usd } }\", \"variables\": {\"c\": 1}}",
        "{\"query\": \"query A { __typename } query B { __typename }\"}",
        "{\"query\": \"query($x: [Nope] = [1]) { __typename }\"}",
        "{\"query\": \"query($c: [String!]!) { cryptoPrices(coins: $c) { usd } }\"}",
    ] {
        let answer = server.post(body, &[("accept", GRAPHQL)]).await;
        assert_eq!((answer.status, answer.code().as_str()), (StatusCode::BAD_REQUEST, "BAD_USER_INPUT"), "{body}");
        assert!(answer.json().get("data").is_none(), "{body}");
    }
}

#[tokio::test]
async fn a_body_of_ten_megabytes_is_too_large() {
    let server = Server::start().await;
    let body = json!({ "query": "{ __typename }", "variables": { "x": "x".repeat(10 * 1024 * 1024) } });
    let answer = server.post(body.to_string(), &[]).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::PAYLOAD_TOO_LARGE, "BAD_USER_INPUT"));
}

#[tokio::test]
async fn json_that_nests_a_thousand_deep_is_bad_input() {
    let server = Server::start().await;
    let body = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
    assert_eq!(server.post(body, &[]).await.code(), "BAD_USER_INPUT");
    let nested =
        format!("{{\"query\": \"{{ __typename }}\", \"variables\": {}{}}}", "{\"a\":".repeat(500), "}".repeat(500));
    assert_eq!(server.post(nested, &[]).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_batch_is_bounded_and_answered_in_order() {
    let server = Server::start().await;
    let batch = |n: usize| {
        let one = |n| json!({ "query": format!("{{ a{n}: __typename }}") });
        serde_json::Value::Array((0..n).map(one).collect()).to_string()
    };
    let answers = server.post(batch(3), &[]).await.json();
    assert_eq!(answers[2], json!({ "data": { "a2": "Query" } }));
    assert_eq!(server.post(batch(11), &[]).await.code(), "BAD_USER_INPUT");
}

#[tokio::test]
async fn coins_that_are_none_are_bad_input() {
    let server = Server::start().await;
    let many = (0..251).map(|n| format!("\"c{n}\"")).collect::<Vec<_>>().join(",");
    for coins in ["", "\"\"", "\"a b\"", "\"bitcoin,ethereum\"", "\"../../etc\"", &many] {
        let answer = server.anonymous(&format!("{{ cryptoPrices(coins: [{coins}]) {{ usd }} }}")).await;
        assert_eq!(answer.code(), "BAD_USER_INPUT", "{coins}");
    }
    assert!(server.coingecko.calls().is_empty(), "nobody was asked");
}

#[tokio::test]
async fn an_unknown_path_or_method_is_a_problem_document() {
    let server = Server::start().await;
    let get = |path: &str| Request::get(path).body(Body::empty()).unwrap();
    let answer = server.send(get("/nowhere")).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::NOT_FOUND, "NOT_FOUND"));
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    let delete = Request::delete("/healthz").body(Body::empty()).unwrap();
    assert_eq!(server.send(delete).await.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn fragments_that_multiply_are_refused_at_once() {
    let server = Server::start().await;
    let bomb: String =
        (0..29).map(|n| format!("fragment F{n} on Query {{ ...F{m} ...F{m} ...F{m} }} ", m = n + 1)).collect();
    let bomb = format!("{bomb} fragment F29 on Query {{ __typename }}");
    for (operations, name) in
        [("{ __typename ...F0 @skip(if: true) }", None), ("query A { __typename } query B { ...F0 }", Some("A"))]
    {
        let body = json!({ "query": format!("{operations} {bomb}"), "operationName": name });
        assert_eq!(server.post(body.to_string(), &[]).await.code(), "QUERY_TOO_COMPLEX");
    }
}
