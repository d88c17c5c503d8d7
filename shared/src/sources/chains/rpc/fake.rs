//! A node for tests: it answers each JSON-RPC call, alone or in a batch, by its method and parameters.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::TimeDelta;
use reqwest::Url;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{Nodes, Patience, Protocol};
use crate::breaker::Breakers;
use crate::domain::chain::ChainId;
use crate::platform::clock::{Clock, SystemClock};
use crate::sources::http::{HttpOptions, fake};

/// A result, or an error object.
pub(crate) type Answer = Result<Value, Value>;

/// A running node; it ends with the runtime of its test.
pub(crate) struct FakeNode {
    pub(crate) url: Url,
    asked: Arc<Mutex<Vec<Vec<Call>>>>,
    manners: Arc<Mutex<Manners>>,
}

/// How it misbehaves.
#[derive(Clone, Default)]
struct Manners {
    refuses_batches: bool,
    /// It never answers this method.
    silent: Option<&'static str>,
}

/// A call that was made: the method and its parameters.
pub(crate) type Call = (String, Value);

impl FakeNode {
    pub(crate) async fn answering(answer: impl Fn(&str, &Value) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let asked = Arc::new(Mutex::new(vec![]));
        let (answer, seen) = (Arc::new(answer), Arc::clone(&asked));
        let manners = Arc::<Mutex<Manners>>::default();
        let known = Arc::clone(&manners);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, seen) = (Arc::clone(&answer), Arc::clone(&seen));
                let manners = known.lock().unwrap().clone();
                tokio::spawn(async move { serve(stream, &*answer, &seen, &manners).await });
            }
        });
        Self { url, asked, manners }
    }

    /// The same, which answers no batch.
    pub(crate) fn without_batches(self) -> Self {
        self.manners.lock().unwrap().refuses_batches = true;
        self
    }

    /// The same, which never answers `method`.
    pub(crate) fn slow_to(self, method: &'static str) -> Self {
        self.manners.lock().unwrap().silent = Some(method);
        self
    }

    /// The requests so far, each with its calls.
    pub(crate) fn requests(&self) -> Vec<Vec<Call>> {
        self.asked.lock().unwrap().clone()
    }

    /// The parameters of the calls of a method so far.
    pub(crate) fn calls(&self, method: &str) -> Vec<Value> {
        let calls = self.requests().into_iter().flatten();
        calls.filter(|(called, _)| called == method).map(|(_, params)| params).collect()
    }
}

/// Several of them as the nodes of a chain.
pub(crate) fn nodes(
    chain: ChainId,
    fakes: &[&FakeNode],
    protocol: impl Protocol + 'static,
    quorum: usize,
) -> Arc<Nodes> {
    let urls: Vec<_> = fakes.iter().map(|fake| fake.url.clone()).collect();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (deadline, probe_every) = (Duration::from_secs(5), TimeDelta::seconds(30));
    let patience = Patience { deadline, max_lag: 100, probe_every, quorum };
    let (http, breakers) = (fake::client(HttpOptions::default()), Breakers::new(Arc::clone(&clock)));
    Arc::new(Nodes::new((chain, "test"), &urls, Box::new(protocol), patience, (&http, &clock, &breakers)))
}

async fn serve(
    mut stream: TcpStream,
    answer: &(impl Fn(&str, &Value) -> Answer + ?Sized),
    seen: &Mutex<Vec<Vec<Call>>>,
    manners: &Manners,
) {
    let Some(body) = body(&mut stream).await else { return };
    let one = |call: &Value| {
        let method = call["method"].as_str().unwrap().to_owned();
        let response = match answer(&method, &call["params"]) {
            Ok(result) => json!({ "jsonrpc": "2.0", "id": call["id"], "result": result }),
            Err(error) => json!({ "jsonrpc": "2.0", "id": call["id"], "error": error }),
        };
        ((method, call["params"].clone()), response)
    };
    let text = match serde_json::from_slice(&body).unwrap() {
        Value::Array(calls) => {
            if manners.refuses_batches {
                let calls = calls.iter().map(|call| (call["method"].to_string(), call["params"].clone()));
                seen.lock().unwrap().push(calls.collect());
                let refusal =
                    json!({ "jsonrpc": "2.0", "id": null, "error": { "code": -32600, "message": "no batches" } });
                return write(&mut stream, &refusal.to_string()).await;
            }
            let (calls, responses): (Vec<_>, Vec<_>) = calls.iter().map(one).unzip();
            seen.lock().unwrap().push(calls);
            Value::Array(responses).to_string()
        }
        call => {
            if manners.silent.is_some_and(|method| call["method"] == method) {
                return std::future::pending().await;
            }
            let (call, response) = one(&call);
            seen.lock().unwrap().push(vec![call]);
            response.to_string()
        }
    };
    write(&mut stream, &text).await;
}

async fn write(stream: &mut TcpStream, text: &str) {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", text.len());
    let _ = stream.write_all((head + text).as_bytes()).await;
}

/// What was posted.
async fn body(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut read = vec![];
    loop {
        if stream.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
        let Some(end) = read.windows(4).position(|end| end == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&read[..end]).to_ascii_lowercase();
        let length =
            head.lines().find_map(|line| line.strip_prefix("content-length:"))?.trim().parse::<usize>().ok()?;
        if read.len() >= end + 4 + length {
            return Some(read.split_off(end + 4));
        }
    }
}
