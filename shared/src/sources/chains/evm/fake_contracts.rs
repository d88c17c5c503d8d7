//! For tests: a node on which contracts are functions, and a client of it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::TimeDelta;
use ethers::types::{Address, Bytes};
use reqwest::Url;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{EvmClient, Revert};
use crate::breaker::Breakers;
use crate::domain::chain::ChainId;
use crate::platform::BoxFuture;
use crate::platform::clock::{Clock, SystemClock};
use crate::sources::chains::rpc::{Nodes, Patience, Protocol, RpcError, Session};
use crate::sources::http::{HttpOptions, fake};

/// What a contract at an address answers to some data.
pub(crate) type Contracts = dyn Fn(Address, &[u8]) -> Result<Vec<u8>, Revert> + Send + Sync;

/// A node that is running; it ends with the runtime of its test.
pub(crate) struct FakeContracts {
    pub(crate) client: EvmClient,
    /// The batches that it was sent, each by its calls' parameters.
    pub(crate) batches: Arc<Mutex<Vec<Vec<Value>>>>,
}

impl FakeContracts {
    pub(crate) async fn new(
        contracts: impl Fn(Address, &[u8]) -> Result<Vec<u8>, Revert> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let (contracts, batches): (Arc<Contracts>, Arc<Mutex<Vec<_>>>) = (Arc::new(contracts), Arc::default());
        let seen = batches.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, contracts.clone(), seen.clone()));
            }
        });
        Self { client: client(url), batches }
    }
}

/// A client of whatever node is at `url`.
pub(crate) fn client(url: Url) -> EvmClient {
    struct Silent;
    impl Protocol for Silent {
        fn probe<'a>(&'a self, _session: &'a Session) -> BoxFuture<'a, Result<(ChainId, u64), RpcError>> {
            Box::pin(async { Ok((ChainId::evm(31337), 1)) })
        }
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let breakers = Breakers::new(clock.clone());
    let patience =
        Patience { deadline: Duration::from_secs(10), max_lag: 10, probe_every: TimeDelta::seconds(60), quorum: 1 };
    let http = fake::client(HttpOptions::default());
    let shared = (&http, &clock, &breakers);
    EvmClient::new(Arc::new(Nodes::new((ChainId::evm(31337), "anvil"), &[url], Box::new(Silent), patience, shared)))
}

async fn serve(mut stream: TcpStream, contracts: Arc<Contracts>, seen: Arc<Mutex<Vec<Vec<Value>>>>) {
    let mut request = vec![];
    let body = loop {
        let mut buffer = [0; 8192];
        let count = stream.read(&mut buffer).await.unwrap();
        if count == 0 {
            return;
        }
        request.extend_from_slice(&buffer[..count]);
        let Some(end) = request.windows(4).position(|end| end == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
        let body = &request[end + 4..];
        if body.len() == length.unwrap_or(0) {
            break serde_json::from_slice::<Value>(body).unwrap();
        }
    };
    let batch = body.is_array();
    let calls = if batch { body.as_array().unwrap().clone() } else { vec![body] };
    seen.lock().unwrap().push(calls.iter().map(|call| call["params"].clone()).collect());
    let answers: Vec<_> = calls.iter().map(|call| answer(call, &*contracts)).collect();
    let body = if batch { json!(answers) } else { answers[0].clone() }.to_string();
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
    stream.write_all(answer.as_bytes()).await.unwrap();
}

fn answer(call: &Value, contracts: &Contracts) -> Value {
    let to: Address = serde_json::from_value(call["params"][0]["to"].clone()).unwrap();
    let data: Bytes = serde_json::from_value(call["params"][0]["data"].clone()).unwrap();
    match contracts(to, &data) {
        Ok(answer) => json!({"jsonrpc": "2.0", "id": call["id"], "result": Bytes::from(answer)}),
        Err(revert) => {
            let error = json!({"code": 3, "message": revert.message, "data": Bytes::from(revert.data)});
            json!({"jsonrpc": "2.0", "id": call["id"], "error": error})
        }
    }
}
