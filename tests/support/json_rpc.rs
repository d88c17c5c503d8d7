//! The least JSON-RPC client: it asks, and tells an answer from an error. Nothing of the core crate is in it, so that a test's
//! own look at a chain is not the adapter's.

use std::fmt;

use serde_json::{Value, json};

/// A client of one node.
#[derive(Clone, Debug)]
pub struct JsonRpc {
    url: String,
    http: reqwest::Client,
}

/// What a node answers instead of a result, or why there is no answer (then the code is 0).
#[derive(Clone, Debug, PartialEq)]
pub struct RpcError {
    /// JSON-RPC's.
    pub code: i64,
    /// The node's words.
    pub message: String,
    /// What else it says; often null.
    pub data: Value,
}

impl fmt::Display for RpcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}) {}", self.message, self.code, self.data)
    }
}

impl JsonRpc {
    /// Of the node at `url`.
    pub fn new(url: &str) -> Self {
        Self { url: url.to_owned(), http: reqwest::Client::new() }
    }

    /// The result. An error fails the test.
    pub async fn call(&self, method: &str, params: Value) -> Value {
        self.try_call(method, params).await.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// The result or the error.
    pub async fn try_call(&self, method: &str, params: Value) -> Result<Value, RpcError> {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let text = self.post(&body).await.map_err(|error| no_answer(&error))?.1;
        let mut answer: Value = serde_json::from_str(&text).map_err(|_| no_answer(&text))?;
        match answer.get("error") {
            Some(error) => Err(RpcError {
                code: error["code"].as_i64().unwrap_or_default(),
                message: error["message"].as_str().unwrap_or_default().to_owned(),
                data: error["data"].clone(),
            }),
            None => Ok(answer["result"].take()),
        }
    }

    /// The status and the text that come for any body.
    pub async fn post(&self, body: &Value) -> Result<(u16, String), reqwest::Error> {
        let request = self.http.post(&self.url).header("content-type", "application/json").body(body.to_string());
        let answer = request.send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }
}

fn no_answer(why: &impl fmt::Debug) -> RpcError {
    RpcError { code: 0, message: format!("no answer: {why:?}"), data: Value::Null }
}
