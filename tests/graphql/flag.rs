//! GraphQL's flag: on, off, or for a part of the callers.

use std::collections::BTreeSet;

use axum::body::{Body, Bytes};
use axum::http::{Method, Request, StatusCode};
use futures_util::stream;

use super::server::{Answer, Server, token};

async fn with_flag(flag: &str) -> Server {
    Server::start_with(&[("RATE_LIMITS", "off"), ("GRAPHQL_ENABLED", flag)]).await
}

/// That it is not there, and what is.
#[track_caller]
fn assert_names_rest(answer: &Answer) {
    assert_eq!(answer.status, StatusCode::NOT_FOUND, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{answer:?}");
    assert_eq!(answer.code(), "NOT_FOUND");
    assert!(answer.json()["detail"].as_str().unwrap().contains("/v1"), "{answer:?}");
    assert_eq!(answer.header("link"), Some("</v1/openapi.json>; rel=\"service-desc\""), "{answer:?}");
}

#[tokio::test]
async fn where_it_is_off_every_way_to_graphql_names_rest() {
    let server = with_flag("off").await;
    for (method, uri, accept) in [
        (Method::POST, "/graphql", "application/json"),
        (Method::POST, "/graphql", "text/event-stream"),
        (Method::GET, "/graphql?query=%7B__typename%7D", "application/json"),
        (Method::GET, "/graphql", "text/html"),
        (Method::GET, "/graphql/ws", "*/*"),
        (Method::GET, "/schema.graphql", "*/*"),
    ] {
        let request = Request::builder().method(&method).uri(uri).header("accept", accept);
        let request = request.header("content-type", "application/json");
        let answer = server.send(request.body(Body::from("{\"query\":\"{ __typename }\"}")).unwrap()).await;
        assert_names_rest(&answer);
    }
    let index = server.send(Request::get("/").body(Body::empty()).unwrap()).await;
    assert!(!index.text.contains("graphql"), "{index:?}");
    assert_eq!(server.send(Request::get("/healthz").body(Body::empty()).unwrap()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn whether_it_is_there_is_told_without_reading_the_body() {
    let server = with_flag("off").await;
    let endless = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
    let request = Request::post("/graphql").header("content-type", "application/json").body(endless).unwrap();
    assert_names_rest(&server.send(request).await);
}

#[tokio::test]
async fn a_percentage_is_the_same_callers_every_time_and_a_higher_one_adds_some() {
    let users: Vec<_> = (0..40).map(|n| format!("user-{n}")).collect();
    let mut before = BTreeSet::new();
    for flag in ["0%", "20%", "60%", "60%", "100%"] {
        let server = with_flag(flag).await;
        let mut admitted = BTreeSet::new();
        for user in &users {
            let answer = server.user(user, "{ __typename }").await;
            if answer.status == StatusCode::OK {
                admitted.insert(user);
            } else {
                assert_names_rest(&answer);
            }
        }
        assert!(admitted.is_superset(&before), "{flag}: {before:?} {admitted:?}");
        match flag {
            "0%" => assert!(admitted.is_empty()),
            "100%" => assert_eq!(admitted.len(), users.len()),
            _ => assert!(admitted.len() > before.len() || flag == "60%" && admitted == before, "{flag}: {admitted:?}"),
        }
        before = admitted;
    }
}

#[tokio::test]
async fn who_shows_no_valid_token_is_the_address_they_come_from() {
    let server = with_flag("50%").await;
    let anonymous = server.anonymous("{ __typename }").await.status;
    let users = (0..40).map(|n| format!("user-{n}"));
    let mut unlike = None;
    for user in users {
        if server.user(&user, "{ __typename }").await.status != anonymous {
            unlike = Some(user);
            break;
        }
    }
    let user = unlike.expect("a user whose lot is another than that of their address");
    // The same words, but for the signature: not that user, then.
    let forged = format!("{}x", token(&user, "USER"));
    let answer = server.bearer(&forged, "{ __typename }").await;
    let wanted = if anonymous == StatusCode::OK { StatusCode::UNAUTHORIZED } else { StatusCode::NOT_FOUND };
    assert_eq!(answer.status, wanted, "{answer:?}");
}
