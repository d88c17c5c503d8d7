//! How a node says which chain it serves; and what its answers look like.

use ethers::types::{Address, Bytes, H256, U64, U256};
use serde::Deserialize;
use serde_json::json;

use crate::domain::chain::{Block, ChainId};
use crate::platform::BoxFuture;
use crate::sources::SourceError;
use crate::sources::chains::rpc::{Protocol, RpcError, Session, decode};

/// The JSON-RPC of Ethereum's execution clients (<https://ethereum.github.io/execution-apis/>).
pub(crate) struct Ethereum;

impl Protocol for Ethereum {
    fn probe<'a>(&'a self, session: &'a Session) -> BoxFuture<'a, Result<(ChainId, u64), RpcError>> {
        Box::pin(async move {
            let answers = session.batch(&[("eth_chainId", json!([])), ("eth_blockNumber", json!([]))]).await?;
            let [chain, head] = take(answers)?;
            Ok((ChainId::evm(decode::<U64>(&chain?)?.as_u64()), decode::<U64>(&head?)?.as_u64()))
        })
    }
}

/// As many outcomes as were asked for.
pub(super) fn take<T, const N: usize>(outcomes: Vec<T>) -> Result<[T; N], RpcError> {
    outcomes.try_into().map_err(|_| SourceError::Malformed("an answer is missing".to_owned()).into())
}

/// A block's header: what is read of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Header {
    pub(super) number: U64,
    pub(super) hash: H256,
    pub(super) parent_hash: H256,
    pub(super) timestamp: U256,
}

impl Header {
    pub(super) fn block(&self) -> Block {
        Block { number: self.number.as_u64(), hash: hex(self.hash) }
    }
}

/// A transaction: what is read of it, alike for all types that there are and will be.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Transaction {
    pub(super) from: Address,
    #[serde(default)]
    pub(super) to: Option<Address>,
    pub(super) value: U256,
    pub(super) nonce: U64,
}

/// What came of a transaction.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Receipt {
    pub(super) block_number: U64,
    pub(super) block_hash: H256,
    #[serde(default)]
    pub(super) status: Option<U64>,
    pub(super) gas_used: U256,
    #[serde(default)]
    pub(super) effective_gas_price: Option<U256>,
    /// Of blobs, which are paid for separately.
    #[serde(default)]
    pub(super) blob_gas_used: Option<U256>,
    #[serde(default)]
    pub(super) blob_gas_price: Option<U256>,
    /// What a rollup pays for its place on the chain below.
    #[serde(default)]
    pub(super) l1_fee: Option<U256>,
}

/// A log.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Log {
    pub(super) address: Address,
    pub(super) topics: Vec<H256>,
    pub(super) data: Bytes,
    pub(super) block_number: U64,
    pub(super) block_hash: H256,
    pub(super) transaction_hash: H256,
    #[serde(rename = "logIndex")]
    pub(super) index: U64,
    #[serde(default)]
    pub(super) removed: bool,
}

/// What `eth_feeHistory` answers.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FeeHistory {
    /// One more than blocks: the last one is the next block's.
    #[serde(default)]
    pub(super) base_fee_per_gas: Vec<U256>,
    #[serde(default)]
    pub(super) gas_used_ratio: Vec<f64>,
    #[serde(default)]
    pub(super) reward: Option<Vec<Vec<U256>>>,
}

/// The hash in hexadecimal, whole.
pub(super) fn hex(hash: H256) -> String {
    format!("{hash:#x}")
}
