//! Errors that API Gateway gives seldom, and none at all.

use axum::Router;
use axum::http::StatusCode;
use axum::response::{AppendHeaders, IntoResponse};
use mcp_core::push::{PostError, Poster};
use support::ports::free_port;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::*;

/// The errors of a post and of a close where every call is answered with this.
async fn answered(status: u16, code: &'static str, message: &'static str) -> (PostError, Result<(), PostError>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}/test", listener.local_addr().unwrap());
    let answer = move || async move {
        let name = (!code.is_empty()).then_some(AppendHeaders([("x-amzn-errortype", code)]));
        (StatusCode::from_u16(status).unwrap(), name, json!({ "message": message }).to_string()).into_response()
    };
    let mut server = JoinSet::new();
    server.spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await.unwrap() });
    let (poster, id) = (poster(&endpoint), ConnectionId::new("L0SM9cOFvHcCIhw="));
    (poster.post(&id, numbered(0)).await.unwrap_err(), poster.close(&id, close()).await)
}

#[tokio::test]
async fn errors_are_told_apart_by_status_and_by_name() {
    for (status, code, post) in [
        (410, "", PostError::Gone),
        (400, "GoneException", PostError::Gone),
        (429, "", PostError::Throttled),
        (400, "ThrottlingException", PostError::Throttled),
        (503, "", PostError::Unavailable("API Gateway answered 503".to_owned())),
        (
            400,
            "BadRequestException",
            PostError::Unavailable("API Gateway answered 400, BadRequestException".to_owned()),
        ),
    ] {
        let (told, closed) = answered(status, code, "").await;
        assert_eq!(told, post, "{status} {code}");
        let expected = if post == PostError::Gone { Ok(()) } else { Err(post) };
        assert_eq!(closed, expected, "{status} {code}");
    }
    assert_eq!(answered(404, "", "").await.1, Ok(()));
}

#[tokio::test]
async fn what_was_signed_is_not_told() {
    let message = "The Canonical String should have been 'x-amz-security-token:the-token-of-the-function'";
    let (told, _) = answered(403, "InvalidSignatureException", message).await;
    let why = "API Gateway does not let this function: InvalidSignatureException";
    assert_eq!(told, PostError::Refused(why.to_owned()));
}

#[tokio::test]
async fn nobody_there_is_told_at_once() {
    let poster = poster(&format!("http://127.0.0.1:{}/test", free_port()));
    let told = poster.post(&ConnectionId::new("L0SM9cOFvHcCIhw="), numbered(0)).await;
    assert!(matches!(&told, Err(PostError::Unavailable(why)) if why.contains("refused")), "{told:?}");
}

#[tokio::test]
async fn silence_is_given_up_after_a_few_seconds() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let poster = poster(&format!("http://{}/test", listener.local_addr().unwrap()));
    let started = Instant::now();
    let told = poster.post(&ConnectionId::new("L0SM9cOFvHcCIhw="), numbered(0)).await;
    assert_eq!(told, Err(PostError::Unavailable("no answer in time".to_owned())));
    assert!(started.elapsed() < std::time::Duration::from_secs(10), "{:?}", started.elapsed());
}
