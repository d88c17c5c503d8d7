//! HTTP, as REST uses it: methods, bodies, conditions, headers.

use std::collections::BTreeSet;

use axum::body::{Body, Bytes};
use axum::http::{Method, Request, StatusCode};
use futures_util::stream;
use serde_json::json;

use super::{ask, bearer, get, post, send};
use crate::graphql::server::Server;

#[tokio::test]
async fn what_a_client_has_is_not_sent_again() {
    let server = Server::start().await;
    post(&server, "/v1/emotion", "ada", &json!({ "feedback": 30 })).await;
    for (uri, user, keep) in [
        ("/v1/prices?coins=bitcoin", None, "no-cache"),
        ("/v1/prices?coins=bitcoin", Some("ada"), "private, no-cache"),
        ("/v1/emotion", Some("ada"), "private, no-cache"),
        ("/v1/openapi.json", None, "no-cache"),
    ] {
        let first = get(&server, uri, user).await;
        let tag = first.header("etag").unwrap_or_else(|| panic!("{uri}: {first:?}")).to_owned();
        assert_eq!(first.header("cache-control"), Some(keep), "{uri}");
        let bearer = user.map(bearer);
        for known in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
            let mut headers = vec![("if-none-match", known.as_str())];
            headers.extend(bearer.iter().map(|bearer| ("authorization", bearer.as_str())));
            let again = send(&server, Method::GET, uri, &headers, "").await;
            assert_eq!((again.status, again.text.as_str()), (StatusCode::NOT_MODIFIED, ""), "{uri} {known}");
            assert_eq!(again.header("etag"), Some(tag.as_str()), "{uri}");
        }
        let mut headers = vec![("if-none-match", "\"other\"")];
        headers.extend(bearer.iter().map(|bearer| ("authorization", bearer.as_str())));
        let again = send(&server, Method::GET, uri, &headers, "").await;
        assert_eq!((again.status, again.text == first.text), (StatusCode::OK, true), "{uri}");
    }
    let before = get(&server, "/v1/emotion", Some("ada")).await;
    post(&server, "/v1/emotion", "ada", &json!({ "feedback": 1 })).await;
    let after = get(&server, "/v1/emotion", Some("ada")).await;
    assert_ne!(before.header("etag"), after.header("etag"));
}

#[tokio::test]
async fn a_head_is_a_get_without_its_body() {
    let server = Server::start().await;
    let whole = get(&server, "/v1/prices?coins=bitcoin", None).await;
    let head = ask(&server, Method::HEAD, "/v1/prices?coins=bitcoin", None).await;
    assert_eq!((head.status, head.text.as_str()), (StatusCode::OK, ""));
    for name in ["etag", "content-type", "cache-control"] {
        assert_eq!(head.header(name), whole.header(name), "{name}");
    }
    assert_eq!(ask(&server, Method::HEAD, "/v1/emotion", None).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_method_that_a_resource_does_not_take_is_405_and_says_which_it_takes() {
    let server = Server::start().await;
    for (method, uri, allowed) in [
        (Method::POST, "/v1/prices", &["GET", "HEAD"][..]),
        (Method::DELETE, "/v1/emotion", &["GET", "HEAD", "POST"]),
        (Method::PUT, "/v1/memories", &["GET", "HEAD", "POST"]),
        (Method::POST, "/v1/memories/018f3f2e-0000-7000-8000-000000000000", &["DELETE", "GET", "HEAD"]),
        (Method::GET, "/v1/chains/ethereum/transactions", &["POST"]),
        (Method::GET, "/v1/chains/ethereum/fee-estimates", &["POST"]),
        (Method::PATCH, "/v1/openapi.json", &["GET", "HEAD"]),
    ] {
        let answer = ask(&server, method.clone(), uri, Some("ada")).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {uri}: {answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{method} {uri}");
        let takes: BTreeSet<_> = answer.header("allow").unwrap_or_default().split(',').map(str::trim).collect();
        assert_eq!(takes, allowed.iter().copied().collect(), "{method} {uri}");
    }
    let nothing = get(&server, "/v1/nothing", None).await;
    assert_eq!((nothing.status, nothing.code().as_str()), (StatusCode::NOT_FOUND, "NOT_FOUND"));
}

#[tokio::test]
async fn a_wish_that_nobody_hears_is_refused() {
    let server = Server::start().await;
    for uri in [
        "/v1/prices",
        "/v1/prices?coins=",
        "/v1/prices?coins=bitcoin&currency=eur",
        "/v1/chains?all=true",
        "/v1/emotion?user=bob",
        "/v1/memories?limit=3",
        "/v1/prices/bitcoin/history?coin=ethereum",
    ] {
        let answer = get(&server, uri, Some("ada")).await;
        assert_eq!((answer.status, answer.code().as_str()), (StatusCode::BAD_REQUEST, "BAD_USER_INPUT"), "{uri}");
    }
    for (uri, body) in [
        ("/v1/emotion", json!({ "feedback": 1, "more": true })),
        ("/v1/emotion", json!({})),
        ("/v1/emotion", json!({ "feedback": "1" })),
        ("/v1/emotion", json!({ "feedback": 101 })),
        ("/v1/emotion?feedback=1", json!({ "feedback": 1 })),
        ("/v1/memories", json!({ "content": "" })),
        ("/v1/memories", json!({ "content": "x", "id": "1" })),
    ] {
        let answer = post(&server, uri, "ada", &body).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (StatusCode::BAD_REQUEST, "BAD_USER_INPUT"),
            "{uri} {body}"
        );
    }
    assert_eq!(get(&server, "/v1/emotion", Some("ada")).await.json()["version"], 0);
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_refused_with_the_status_that_says_why() {
    let server = Server::start().await;
    let bearer = bearer("ada");
    let json = "application/json";
    let large = format!("{{\"content\":\"{}\"}}", "x".repeat(1024 * 1024));
    for (content_type, body, status) in [
        (json, "{\"content\":", StatusCode::BAD_REQUEST),
        (json, "", StatusCode::BAD_REQUEST),
        (json, "[{\"content\":\"x\"}]", StatusCode::BAD_REQUEST),
        (json, "\"x\"", StatusCode::BAD_REQUEST),
        (json, large.as_str(), StatusCode::PAYLOAD_TOO_LARGE),
        ("text/plain", "{\"content\":\"x\"}", StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ("application/x-www-form-urlencoded", "content=x", StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ("application/json; charset=utf-16", "{\"content\":\"x\"}", StatusCode::UNSUPPORTED_MEDIA_TYPE),
    ] {
        let headers = [("authorization", bearer.as_str()), ("content-type", content_type)];
        let answer = send(&server, Method::POST, "/v1/memories", &headers, body.to_owned()).await;
        let what = &body[..body.len().min(40)];
        assert_eq!((answer.status, answer.code().as_str()), (status, "BAD_USER_INPUT"), "{content_type} {what}");
        assert_eq!(answer.json()["status"], status.as_u16(), "{what}");
    }
    assert_eq!(get(&server, "/v1/memories", Some("ada")).await.json()["items"], json!([]));
}

#[tokio::test]
async fn who_may_not_ask_is_told_so_without_their_body_being_read() {
    let server = Server::start().await;
    let endless = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
    let request = Request::post("/v1/memories").header("content-type", "application/json").body(endless).unwrap();
    assert_eq!(server.send(request).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn every_answer_carries_the_correlation_id() {
    let server = Server::start().await;
    for uri in ["/v1/prices?coins=bitcoin", "/v1/emotion", "/v1/nothing", "/v1/openapi.json"] {
        let given = send(&server, Method::GET, uri, &[("x-correlation-id", "my-id-1")], "").await;
        assert_eq!(given.header("x-correlation-id"), Some("my-id-1"), "{uri}");
    }
}

#[tokio::test]
async fn answers_say_when_rest_is_deprecated_and_when_it_is_gone() {
    let server = Server::start_with(&[
        ("RATE_LIMITS", "off"),
        ("REST_DEPRECATION", "2027-01-31T00:00:00Z"),
        ("REST_SUNSET", "2027-03-31T00:00:00Z"),
    ])
    .await;
    // A refusal too.
    for uri in ["/v1/prices?coins=bitcoin", "/v1/emotion"] {
        let answer = get(&server, uri, None).await;
        assert_eq!(answer.header("deprecation"), Some("@1801353600"), "{uri}");
        assert_eq!(answer.header("sunset"), Some("Wed, 31 Mar 2027 00:00:00 GMT"), "{uri}");
    }
    assert_eq!(server.anonymous("{ __typename }").await.header("deprecation"), None, "GraphQL stays");
    let stays = Server::start().await;
    assert_eq!(get(&stays, "/v1/prices?coins=bitcoin", None).await.header("deprecation"), None);
}

#[tokio::test]
async fn where_graphql_is_off_rest_is_there() {
    let server = Server::start_with(&[("RATE_LIMITS", "off"), ("GRAPHQL_ENABLED", "off")]).await;
    let refused = server.anonymous("{ __typename }").await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND);
    assert!(refused.json()["detail"].as_str().unwrap().contains("/v1"), "{refused:?}");
    assert_eq!(get(&server, "/v1/prices?coins=bitcoin", None).await.status, StatusCode::OK);
    assert_eq!(post(&server, "/v1/emotion", "ada", &json!({ "feedback": 1 })).await.status, StatusCode::OK);
}
