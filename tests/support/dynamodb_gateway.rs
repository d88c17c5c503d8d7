//! A way to the shared DynamoDB that counts what goes through, and lets only some of it through.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::services::dynamodb_url;

/// A running one. Ends when dropped.
#[derive(Debug)]
pub struct DynamoDbGateway {
    address: SocketAddr,
    state: Arc<Mutex<Book>>,
    _server: JoinSet<()>,
}

/// What went through, and what does not.
#[derive(Debug, Default)]
struct Book {
    /// Requests that were let through, by operation.
    calls: BTreeMap<String, usize>,
    /// How often each request is throttled before it is let through.
    refusals: usize,
    /// Those that were, and how often.
    refused: HashMap<Bytes, usize>,
}

impl DynamoDbGateway {
    /// One that lets everything through.
    pub async fn start() -> Self {
        let state = Arc::<Mutex<Book>>::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
        let address = listener.local_addr().expect("a bound port");
        let routes = Router::new().fallback(pass).with_state((state.clone(), reqwest::Client::new()));
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, routes).await.expect("it serves") });
        Self { address, state, _server: server }
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on, each request is throttled so many times before it is let through.
    pub fn throttle(&self, times: usize) {
        self.book().refusals = times;
    }

    /// What was let through since this was last asked, by operation.
    pub fn calls(&self) -> BTreeMap<String, usize> {
        std::mem::take(&mut self.book().calls)
    }

    fn book(&self) -> std::sync::MutexGuard<'_, Book> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn pass(
    State((state, client)): State<(Arc<Mutex<Book>>, reqwest::Client)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    const THROTTLED: &str =
        r#"{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"slower"}"#;
    {
        let mut book = state.lock().unwrap_or_else(PoisonError::into_inner);
        let refusals = book.refusals;
        let refused = book.refused.entry(body.clone()).or_default();
        if *refused < refusals {
            *refused += 1;
            let json = [("content-type", "application/x-amz-json-1.0")];
            return (StatusCode::BAD_REQUEST, json, THROTTLED).into_response();
        }
        book.refused.remove(&body);
        let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        *book.calls.entry(operation).or_default() += 1;
    }
    let mut request = client.post(dynamodb_url());
    for (name, value) in headers.iter().filter(|(name, _)| *name != "host" && *name != "content-length") {
        request = request.header(name, value);
    }
    let answer = request.body(body).send().await.expect("DynamoDB answers");
    let mut response = Response::builder().status(answer.status());
    for (name, value) in answer.headers().iter().filter(|(name, _)| *name != "transfer-encoding") {
        response = response.header(name, value);
    }
    response.body(Body::from(answer.bytes().await.expect("its body"))).expect("a response")
}
