//! A provider of a chain that misbehaves: a JSON-RPC proxy before a node, whose ways a test switches while it runs.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use ethers::types::U256;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::json_rpc::JsonRpc;
use crate::proxy::{Network, Proxy};

/// How it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// As the node does.
    Pass,
    /// With the status 429 and `Retry-After: 1`.
    TooManyRequests,
    /// With the status 200, and JSON-RPC's error -32005 for each call.
    RateLimitBody,
    /// With bytes that are not JSON, nor text.
    Garbage,
    /// With a page that is not JSON, and the status 200.
    Html,
    /// Never: the connection stands.
    Hang,
    /// As a node does that is this many blocks (slots) behind.
    Lag(u64),
    /// As a node does of another chain: this id, or another genesis.
    WrongChain(u64),
    /// As the node does, but the logs of more than this many blocks at once are refused with the error -32602.
    NoLogsRange(u64),
    /// As the node does, but what is a single number it tells as one more: balances, and what contracts answer.
    Lie,
    /// As the node does, but to who hands a transaction in it says nothing, though it hands it on.
    Swallow,
    /// Not at all: open connections are reset, new ones refused.
    Refuse,
}

/// The genesis that [`Mode::WrongChain`] tells: Solana's devnet has it.
pub const OTHER_GENESIS: &str = "EtWTRABZaYq6iMfeYKouRu166VU2xqa1wcaWoxPkrZBG";

/// The proxy. Ends when dropped.
#[derive(Debug)]
pub struct RpcProxy {
    network: Proxy,
    desk: Arc<Desk>,
    _server: JoinSet<()>,
}

#[derive(Debug)]
struct Desk {
    url: String,
    node: JsonRpc,
    state: Mutex<Seen>,
}

#[derive(Debug)]
struct Seen {
    mode: Mode,
    requests: usize,
    calls: Vec<String>,
}

impl RpcProxy {
    /// Before the node at `url` (`http://...`).
    pub async fn before(url: &str) -> Self {
        let state = Mutex::new(Seen { mode: Mode::Pass, requests: 0, calls: Vec::new() });
        let desk = Arc::new(Desk { url: url.to_owned(), node: JsonRpc::new(url), state });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
        let address = listener.local_addr().expect("a bound port");
        let routes = Router::new().fallback(answer).with_state(desk.clone());
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, routes).await.expect("it serves") });
        Self { network: Proxy::to(&address.to_string()).await, desk, _server: server }
    }

    /// Where it answers.
    pub fn url(&self) -> String {
        format!("http://{}", self.network.address())
    }

    /// Switches. What is asked from now on is answered so.
    pub async fn behave(&self, mode: Mode) {
        self.desk.seen(|seen| seen.mode = mode);
        self.network.set(if mode == Mode::Refuse { Network::Refuses } else { Network::Good }).await;
    }

    /// The HTTP requests so far; a batch is one. Refused connections bring none.
    pub fn requests(&self) -> usize {
        self.desk.seen(|seen| seen.requests)
    }

    /// The methods that were asked for so far, in order, those inside batches too.
    pub fn calls(&self) -> Vec<String> {
        self.desk.seen(|seen| seen.calls.clone())
    }

    /// Counts from zero again.
    pub fn forget(&self) {
        self.desk.seen(|seen| {
            seen.requests = 0;
            seen.calls.clear();
        });
    }
}

impl Desk {
    fn seen<T>(&self, look: impl FnOnce(&mut Seen) -> T) -> T {
        look(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Notes the request and says how to answer it.
    fn note(&self, body: &Value) -> Mode {
        let calls = body.as_array().map_or_else(|| std::slice::from_ref(body), Vec::as_slice);
        self.seen(|seen| {
            seen.requests += 1;
            seen.calls.extend(calls.iter().filter_map(|call| call["method"].as_str()).map(str::to_owned));
            seen.mode
        })
    }

    /// What the node answers to the bytes, as it is.
    async fn pass(&self, body: &Value) -> Response {
        match self.node.post(body).await {
            Ok((status, text)) => {
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
                (status, [("content-type", "application/json")], text).into_response()
            }
            Err(error) => (StatusCode::BAD_GATEWAY, format!("{}: {error}", self.url)).into_response(),
        }
    }

    async fn each(&self, mode: Mode, body: &Value) -> Value {
        let Some(batch) = body.as_array() else { return self.one(mode, body).await };
        let mut answers = Vec::new();
        for call in batch {
            answers.push(self.one(mode, call).await);
        }
        Value::Array(answers)
    }

    async fn one(&self, mode: Mode, call: &Value) -> Value {
        let answer = match mode {
            Mode::RateLimitBody => Err((-32005, "rate limit")),
            Mode::WrongChain(id) => self.of_another_chain(id, call).await,
            Mode::Lag(behind) => self.behind(behind, call).await,
            Mode::Lie => Ok(self.untrue(call).await),
            Mode::NoLogsRange(most) if self.is_too_wide(most, call).await => Err((-32602, "block range too large")),
            _ => return self.asked(call).await,
        };
        match answer {
            Ok(answer) => answer,
            Err((code, message)) => {
                json!({ "jsonrpc": "2.0", "id": call["id"], "error": { "code": code, "message": message } })
            }
        }
    }

    async fn of_another_chain(&self, id: u64, call: &Value) -> Result<Value, (i64, &'static str)> {
        let result = match call["method"].as_str() {
            Some("eth_chainId") => json!(format!("{id:#x}")),
            Some("net_version") => json!(id.to_string()),
            Some("getGenesisHash") => json!(OTHER_GENESIS),
            _ => return Ok(self.asked(call).await),
        };
        Ok(json!({ "jsonrpc": "2.0", "id": call["id"], "result": result }))
    }

    async fn behind(&self, behind: u64, call: &Value) -> Result<Value, (i64, &'static str)> {
        let mut call = call.clone();
        if call["method"] == "eth_getBlockByNumber" && call["params"][0] == "latest" {
            call["params"][0] = json!(format!("{:#x}", self.head().await.saturating_sub(behind)));
        }
        let mut answer = self.asked(&call).await;
        match call["method"].as_str() {
            Some("eth_blockNumber") => {
                let number = as_number(&answer["result"]).unwrap_or_default();
                answer["result"] = json!(format!("{:#x}", number.saturating_sub(behind)));
            }
            Some("getSlot" | "getBlockHeight") => lower(&mut answer["result"], behind),
            _ => {
                if let Some(slot) = answer.pointer_mut("/result/context/slot") {
                    lower(slot, behind);
                }
            }
        }
        Ok(answer)
    }

    async fn untrue(&self, call: &Value) -> Value {
        let mut answer = self.asked(call).await;
        if matches!(call["method"].as_str(), Some("eth_getBalance" | "eth_call")) {
            raise(&mut answer["result"]);
        }
        let accounts = answer.pointer_mut("/result/value").and_then(Value::as_array_mut);
        for lamports in accounts.into_iter().flatten().filter_map(|account| account.pointer_mut("/lamports")) {
            *lamports = json!(lamports.as_u64().unwrap_or_default() + 1);
        }
        answer
    }

    async fn is_too_wide(&self, most: u64, call: &Value) -> bool {
        if call["method"] != "eth_getLogs" {
            return false;
        }
        let filter = &call["params"][0];
        let head = self.head().await;
        let number = |tag: &Value| if tag == "earliest" { 0 } else { as_number(tag).unwrap_or(head) };
        let (from, to) = (number(&filter["fromBlock"]), number(&filter["toBlock"]));
        filter["blockHash"].is_null() && (to + 1).saturating_sub(from) > most
    }

    async fn head(&self) -> u64 {
        let head = self.asked(&json!({ "jsonrpc": "2.0", "id": 0, "method": "eth_blockNumber", "params": [] })).await;
        as_number(&head["result"]).unwrap_or_default()
    }

    /// The node's answer to one call.
    async fn asked(&self, call: &Value) -> Value {
        let answer = self.node.post(call).await.ok().and_then(|(_, text)| serde_json::from_str(&text).ok());
        answer.unwrap_or_else(
            || json!({ "jsonrpc": "2.0", "id": call["id"], "error": { "code": -32603, "message": "no node" } }),
        )
    }
}

async fn answer(State(desk): State<Arc<Desk>>, body: Bytes) -> Response {
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let mode = desk.note(&body);
    match mode {
        Mode::Pass => desk.pass(&body).await,
        Mode::TooManyRequests => {
            (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "1")], "Too Many Requests").into_response()
        }
        Mode::Garbage => ([("content-type", "application/json")], &b"\xff\x00{\"result\":\xfe"[..]).into_response(),
        Mode::Html => {
            let page = "<!doctype html><title>Maintenance</title><h1>We will be back</h1>";
            ([("content-type", "text/html")], page).into_response()
        }
        Mode::Hang | Mode::Refuse => std::future::pending().await,
        Mode::Swallow if hands_in(&body) => {
            desk.pass(&body).await;
            std::future::pending().await
        }
        _ => ([("content-type", "application/json")], desk.each(mode, &body).await.to_string()).into_response(),
    }
}

fn as_number(quantity: &Value) -> Option<u64> {
    u64::from_str_radix(quantity.as_str()?.strip_prefix("0x")?, 16).ok()
}

fn hands_in(body: &Value) -> bool {
    matches!(body["method"].as_str(), Some("eth_sendRawTransaction" | "sendTransaction"))
}

/// One more, of a number of up to 32 bytes, as long as it was written.
fn raise(quantity: &mut Value) {
    let digits = quantity.as_str().and_then(|text| text.strip_prefix("0x")).filter(|digits| digits.len() <= 64);
    let number = digits.map(str::len).zip(digits.and_then(|digits| U256::from_str_radix(digits, 16).ok()));
    if let Some((width, number)) = number.filter(|(width, _)| *width > 0) {
        *quantity = json!(format!("0x{:0>width$}", format!("{:x}", number + 1)));
    }
}

fn lower(number: &mut Value, behind: u64) {
    if let Some(now) = number.as_u64() {
        *number = json!(now.saturating_sub(behind));
    }
}
