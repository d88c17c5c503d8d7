//! The services that quote swaps, as one small server: each answers with its recorded answer, made to fit what is asked.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

const RECORDED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/src/sources/quotes/recorded");

/// A running one. Ends when dropped.
pub(super) struct Upstreams {
    pub(super) url: String,
    desk: Arc<Desk>,
    _server: JoinSet<()>,
}

struct Desk {
    calls: Mutex<Vec<Call>>,
    /// Nobody is answered before so many have asked.
    together: Barrier,
}

/// What somebody was asked.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// The first part of the path: whom.
    pub(super) whom: String,
    pub(super) path: String,
    pub(super) query: BTreeMap<String, String>,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Upstreams {
    /// One that answers once `together` have asked.
    pub(super) async fn start(together: usize) -> Self {
        let desk = Arc::new(Desk { calls: Mutex::default(), together: Barrier::new(together) });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
        let url = format!("http://{}", listener.local_addr().expect("a bound port"));
        let routes = Router::new().fallback(answer).with_state(desk.clone());
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, routes).await.expect("it serves") });
        Self { url, desk, _server: server }
    }

    /// The calls so far, by whom they were for.
    pub(super) fn calls(&self) -> Vec<Call> {
        let mut calls = self.desk.calls.lock().unwrap_or_else(PoisonError::into_inner).clone();
        calls.sort_by(|one, other| one.whom.cmp(&other.whom));
        calls
    }
}

/// A recorded answer.
pub(super) fn recorded(name: &str) -> Value {
    let text = std::fs::read_to_string(Path::new(RECORDED).join(name)).expect("an answer is recorded");
    serde_json::from_str(&text).expect("it is JSON")
}

async fn answer(
    State(desk): State<Arc<Desk>>,
    uri: Uri,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let (whom, path) = uri.path().trim_start_matches('/').split_once('/').unwrap_or_default();
    let answer = match (whom, path) {
        ("0x", "swap/allowance-holder/quote") => zerox(&query),
        ("1inch", "1/swap") => oneinch(&query),
        ("lifi", "v1/quote") => lifi(&query),
        ("jupiter", "swap/v1/quote") => recorded("jupiter-quote.json"),
        ("jupiter", "swap/v1/swap") => recorded("jupiter-swap.json"),
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    let call = Call {
        whom: whom.to_owned(),
        path: path.to_owned(),
        query,
        headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    desk.calls.lock().unwrap_or_else(PoisonError::into_inner).push(call);
    desk.together.wait().await;
    Json(answer).into_response()
}

fn zerox(query: &BTreeMap<String, String>) -> Value {
    let mut answer = recorded("zerox-quote.json");
    for field in ["sellToken", "buyToken", "sellAmount"] {
        answer[field] = json!(query[field]);
    }
    answer["transaction"]["value"] = json!(query["sellAmount"]);
    answer
}

fn oneinch(query: &BTreeMap<String, String>) -> Value {
    let mut answer = recorded("oneinch-swap.json");
    answer["srcToken"]["address"] = json!(query["src"]);
    answer["dstToken"]["address"] = json!(query["dst"]);
    answer["tx"]["from"] = json!(query["from"]);
    answer["tx"]["value"] = json!(query["amount"]);
    answer
}

fn lifi(query: &BTreeMap<String, String>) -> Value {
    let mut answer = recorded("lifi-quote.json");
    let chain: u64 = query["fromChain"].parse().expect("a number");
    for field in ["fromChainId", "toChainId"] {
        answer["action"][field] = json!(chain);
    }
    answer["action"]["toToken"]["address"] = json!(query["toToken"]);
    for field in ["fromAddress", "toAddress"] {
        answer["action"][field] = json!(query["fromAddress"]);
    }
    answer["transactionRequest"]["from"] = json!(query["fromAddress"]);
    answer["transactionRequest"]["chainId"] = json!(chain);
    answer
}
