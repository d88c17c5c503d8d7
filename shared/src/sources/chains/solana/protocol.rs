//! How a node says which cluster it serves.

use serde_json::json;
use solana_client::rpc_request::RpcRequest;
use solana_commitment_config::CommitmentConfig;

use super::sender::{batch, take};
use crate::domain::chain::ChainId;
use crate::platform::BoxFuture;
use crate::sources::chains::rpc::{Protocol, RpcError, Session, decode};

/// The JSON-RPC of Solana's nodes (<https://solana.com/docs/rpc>).
pub(crate) struct Cluster;

impl Protocol for Cluster {
    /// `getGenesisHash`, and `getSlot` for what is confirmed.
    fn probe<'a>(&'a self, session: &'a Session) -> BoxFuture<'a, Result<(ChainId, u64), RpcError>> {
        Box::pin(async move {
            let calls = [
                (RpcRequest::GetGenesisHash, json!([])),
                (RpcRequest::GetSlot, json!([CommitmentConfig::confirmed()])),
            ];
            let [genesis, slot] = take(batch(session, &calls).await?)?;
            Ok((ChainId::solana(&decode::<String>(&genesis?)?), decode(&slot?)?))
        })
    }
}
