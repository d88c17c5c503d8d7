//! The few AWS APIs that functions call themselves, as far as they call them: Lambda's asynchronous `Invoke`, and MSK's
//! `GetBootstrapBrokers`. Not checked: signatures and permissions.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Plays AWS. Ends when dropped.
#[derive(Debug)]
pub struct Aws {
    url: String,
    invoked: Arc<Mutex<Vec<String>>>,
    _server: JoinSet<()>,
}

#[derive(Clone)]
struct Shared {
    brokers: String,
    invoked: Arc<Mutex<Vec<String>>>,
}

impl Aws {
    /// One whose clusters all have these brokers.
    pub async fn start(brokers: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
        let url = format!("http://{}", listener.local_addr().expect("a bound port"));
        let shared = Shared { brokers: brokers.to_owned(), invoked: Arc::default() };
        let invoked = shared.invoked.clone();
        let routes = Router::new()
            .route("/2015-03-31/functions/{name}/invocations", post(invoke))
            .route("/v1/clusters/{arn}/bootstrap-brokers", get(bootstrap_brokers))
            .with_state(shared);
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, routes).await.expect("it serves") });
        Self { url, invoked, _server: server }
    }

    /// Its address, for `AWS_ENDPOINT_URL`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The functions that were invoked asynchronously, in order.
    pub fn invoked(&self) -> Vec<String> {
        self.invoked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn invoke(State(shared): State<Shared>, Path(name): Path<String>, headers: HeaderMap, _: Bytes) -> Response {
    if headers.get("x-amz-invocation-type").is_none_or(|kind| kind != "Event") {
        return (StatusCode::BAD_REQUEST, "only asynchronous invocations").into_response();
    }
    shared.invoked.lock().unwrap_or_else(PoisonError::into_inner).push(name);
    StatusCode::ACCEPTED.into_response()
}

async fn bootstrap_brokers(State(shared): State<Shared>, Path(arn): Path<String>) -> Response {
    if !arn.starts_with("arn:aws:kafka:") {
        return StatusCode::NOT_FOUND.into_response();
    }
    let answer = json!({ "bootstrapBrokerString": shared.brokers, "bootstrapBrokerStringTls": "tls.invalid:9094" });
    ([("content-type", "application/json")], answer.to_string()).into_response()
}
