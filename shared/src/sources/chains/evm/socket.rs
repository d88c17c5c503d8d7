//! `eth_subscribe` over a websocket (<https://geth.ethereum.org/docs/interacting-with-geth/rpc/pubsub>): who subscribes hears of
//! logs and of new blocks. What it hears is a reason to look, no more.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use reqwest::Url;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use super::logs::conditions;
use crate::domain::chain::ChainId;
use crate::domain::watch::EventFilter;
use crate::platform::BoxFuture;
use crate::platform::ids::jitter;
use crate::sources::chains::follow::Wake;

/// Without a socket, how often to look; with one that is silent, how long to trust it.
const WITHOUT: Duration = Duration::from_secs(5);
const SILENCE: Duration = Duration::from_secs(30);
/// For opening one.
const OPENING: Duration = Duration::from_secs(5);
/// Between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A longer message is none of a log or a block's header.
const LONGEST_MESSAGE: usize = 4 * 1024 * 1024;

type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// The websockets of a chain's nodes, one of which is open.
pub(super) struct Sockets {
    urls: Vec<Url>,
    chain: ChainId,
    /// What the filter lets through.
    conditions: Value,
    open: Option<Stream>,
    next: usize,
    failures: u32,
}

impl Sockets {
    pub(super) fn new(urls: Vec<Url>, chain: ChainId, filter: &EventFilter) -> Self {
        Self { urls, chain, conditions: conditions(filter), open: None, next: 0, failures: 0 }
    }

    async fn message(&mut self) -> bool {
        if self.urls.is_empty() {
            sleep(WITHOUT).await;
            return false;
        }
        if self.open.is_none() {
            let pause = jitter(WITHOUT.saturating_mul(2_u32.saturating_pow(self.failures.min(6))).min(LONGEST_PAUSE));
            if self.failures > 0 {
                sleep(pause.min(WITHOUT)).await;
            }
            let url = &self.urls[self.next % self.urls.len()];
            match timeout(OPENING, open(url, &self.chain, &self.conditions)).await {
                Ok(Ok(stream)) => {
                    self.open = Some(stream);
                    self.failures = 0;
                    // What came before it was open was not heard.
                    return true;
                }
                Ok(Err(problem)) => self.failed(&problem),
                Err(_) => self.failed("no answer"),
            }
            return false;
        }
        let heard = match &mut self.open {
            Some(stream) => timeout(SILENCE, heard(stream)).await,
            None => return false,
        };
        match heard {
            Ok(true) => true,
            Ok(false) => {
                self.failed("it closed");
                true
            }
            // Silent, maybe dead: another one.
            Err(_) => {
                self.failed("silence");
                false
            }
        }
    }

    fn failed(&mut self, problem: &str) {
        tracing::debug!(chain = %self.chain, problem, "a websocket to a node is of no use");
        self.open = None;
        self.next = self.next.wrapping_add(1);
        self.failures = self.failures.saturating_add(1);
    }
}

impl Wake for Sockets {
    fn wait(&mut self) -> BoxFuture<'_, bool> {
        Box::pin(self.message())
    }
}

/// An open socket with both subscriptions.
async fn open(url: &Url, chain: &ChainId, conditions: &Value) -> Result<Stream, String> {
    let text = |error: tungstenite::Error| match error {
        // Not its own text, which may tell the URL.
        tungstenite::Error::Url(_) | tungstenite::Error::HttpFormat(_) => "the URL cannot be used".to_owned(),
        other => other.to_string(),
    };
    let config =
        WebSocketConfig::default().max_message_size(Some(LONGEST_MESSAGE)).max_frame_size(Some(LONGEST_MESSAGE));
    let (mut stream, _) = connect_async_with_config(url.as_str(), Some(config), false).await.map_err(text)?;
    let calls = [
        ("eth_chainId", json!([])),
        ("eth_subscribe", json!(["newHeads"])),
        ("eth_subscribe", json!(["logs", conditions])),
    ];
    for (id, (method, params)) in calls.iter().enumerate() {
        let request = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        stream.send(Message::text(request.to_string())).await.map_err(text)?;
    }
    let mut answered = 0;
    while answered < calls.len() {
        let message = stream.next().await.ok_or("it closed")?.map_err(text)?;
        let Message::Text(message) = message else { continue };
        let message: Value = serde_json::from_str(&message).map_err(|error| error.to_string())?;
        // A message without an id is a subscription's.
        let Some(id) = message["id"].as_u64() else { continue };
        let result = message["result"].as_str().ok_or_else(|| format!("it refused {}", calls[answered].0))?;
        if id == 0 {
            let number = u64::from_str_radix(result.trim_start_matches("0x"), 16).ok();
            if number.map(ChainId::evm).as_ref() != Some(chain) {
                return Err(format!("it serves chain {number:?}"));
            }
        }
        answered += 1;
    }
    Ok(stream)
}

/// Whether a message came, or else the end.
async fn heard(stream: &mut Stream) -> bool {
    loop {
        match stream.next().await {
            Some(Ok(Message::Text(_) | Message::Binary(_))) => return true,
            // Answers to pings are sent with the next reading.
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Ok(Message::Close(_)) | Err(_)) | None => return false,
        }
    }
}
