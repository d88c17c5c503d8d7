//! Adapters, as a process builds them from its variables.

use std::sync::Arc;

use mcp_core::domain::chain::ChainId;
use mcp_core::platform::config::Vars;
use mcp_core::sources::chains::ChainAdapter;
use serde_json::json;
use support::json_rpc::JsonRpc;

/// The one of the chain called `name`, whose nodes are at `urls`, in `variable`.
pub(crate) fn adapter(variable: &str, name: &str, urls: &[&str], quorum: usize) -> Arc<dyn ChainAdapter> {
    let (entry, quorum) = (format!("{name}={}", urls.join(" ")), quorum.to_string());
    let vars: Vars = [(variable, entry.as_str()), ("RPC_QUORUM", quorum.as_str())].into_iter().collect();
    mcp_core::app::chains(&vars).unwrap().find(name).unwrap().clone()
}

/// An EVM chain.
pub(crate) fn evm(name: &str, urls: &[&str]) -> Arc<dyn ChainAdapter> {
    adapter("EVM_RPC_URLS", name, urls, 1)
}

/// A Solana cluster, under its CAIP-2 id.
pub(crate) fn solana(name: &str, urls: &[&str]) -> Arc<dyn ChainAdapter> {
    adapter("SOLANA_RPC_URLS", name, urls, 1)
}

/// The CAIP-2 id of the cluster of the Solana node at `url`.
pub(crate) async fn cluster(url: &str) -> String {
    let genesis = JsonRpc::new(url).call("getGenesisHash", json!([])).await;
    ChainId::solana(genesis.as_str().unwrap()).as_str().to_owned()
}
