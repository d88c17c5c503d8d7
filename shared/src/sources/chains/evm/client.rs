//! What contracts answer, without a transaction.

use std::sync::Arc;

use ethers::types::{Address, Bytes};
use serde_json::{Value, json};

use crate::sources::chains::ChainError;
use crate::sources::chains::rpc::{ErrorObject, Nodes, RpcError, Session, decode};

/// Asks the contracts of one chain. Cheap to clone.
#[derive(Clone)]
pub(crate) struct EvmClient {
    nodes: Arc<Nodes>,
}

/// A call of a contract that changes nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct EthCall {
    pub(crate) to: Address,
    pub(crate) data: Vec<u8>,
    /// Who seems to call.
    pub(crate) from: Option<Address>,
    /// State that is to be assumed for the call: geth's third parameter of `eth_call`. Not every node knows it.
    pub(crate) overrides: Option<Value>,
}

/// A contract's refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Revert {
    /// The node's words.
    pub(crate) message: String,
    /// What the contract reverted with; empty where the node does not tell.
    pub(crate) data: Vec<u8>,
}

impl EthCall {
    pub(crate) fn new(to: Address, data: Vec<u8>) -> Self {
        Self { to, data, ..Self::default() }
    }

    /// The parameters of `eth_call`, at `block`.
    pub(crate) fn params(&self, block: &str) -> Value {
        let mut call = json!({ "to": self.to, "data": Bytes::from(self.data.clone()) });
        if let Some(from) = self.from {
            call["from"] = json!(from);
        }
        match &self.overrides {
            None => json!([call, block]),
            Some(overrides) => json!([call, block, overrides]),
        }
    }
}

impl EvmClient {
    pub(crate) fn new(nodes: Arc<Nodes>) -> Self {
        Self { nodes }
    }

    /// What each of `calls` answers at the newest block: one request to one node.
    ///
    /// # Errors
    /// [`ChainError::Unavailable`], where no node answers.
    pub(crate) async fn call_all(&self, calls: &[EthCall]) -> Result<Vec<Result<Bytes, Revert>>, ChainError> {
        self.nodes.read(|session| call_all(session, calls)).await.map_err(|error| self.nodes.error(error))
    }

    /// What a unit of gas costs now, in wei, as a node suggests.
    ///
    /// # Errors
    /// [`ChainError::Unavailable`], where no node answers.
    #[cfg(feature = "graphql")]
    pub(crate) async fn gas_price(&self) -> Result<ethers::types::U256, ChainError> {
        let price = |session: Session| async move { session.call("eth_gasPrice", json!([])).await };
        self.nodes.read(price).await.map_err(|error| self.nodes.error(error))
    }
}

/// The same with a node that is chosen already.
pub(crate) async fn call_all(session: Session, calls: &[EthCall]) -> Result<Vec<Result<Bytes, Revert>>, RpcError> {
    let requests: Vec<_> = calls.iter().map(|call| ("eth_call", call.params("latest"))).collect();
    let answers = session.batch(&requests).await?;
    answers
        .into_iter()
        .map(|answer| match answer {
            Ok(result) => decode::<Bytes>(&result).map(Ok),
            Err(RpcError::Answer(error)) => Ok(Err(Revert::from(error))),
            Err(error) => Err(error),
        })
        .collect()
}

impl From<ErrorObject> for Revert {
    /// The data are a string, or in an object that a node wraps them in.
    fn from(error: ErrorObject) -> Self {
        let text = match &error.data {
            Some(Value::String(text)) => Some(text.as_str()),
            Some(Value::Object(object)) => object.get("data").and_then(Value::as_str),
            _ => None,
        };
        // Some write words before it: `Reverted 0x...`.
        let hex = text.and_then(|text| text.split_whitespace().find(|word| word.starts_with("0x")));
        let data = hex.and_then(|hex| hex.parse::<Bytes>().ok()).map(|bytes| bytes.to_vec()).unwrap_or_default();
        Self { message: error.message, data }
    }
}
