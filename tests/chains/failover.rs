//! Several nodes of one chain, of which some are broken: whoever asks gets an answer, or is told plainly that there is none.

mod broken;
mod quorum;
mod secrets;
mod sending;
mod solana;
mod wrong;

use std::sync::Arc;
use std::time::Duration;

use ethers::types::{Address, U256};
use ethers::utils::to_checksum;
use mcp_core::sources::chains::{Balance, BalanceQuery, ChainAdapter, ChainError, EndpointHealth};
use support::anvil::{Anvil, AnvilOptions};
use support::rpc_proxy::{Mode, RpcProxy};

use super::adapters::{adapter, evm};

/// A request that hangs is given up after five seconds. An answer that comes sooner is another node's.
const HANG: Duration = Duration::from_secs(4);

/// An EVM node of a chain of which there are several, and who misbehaves before it.
pub(crate) struct Node {
    pub(crate) anvil: Anvil,
    pub(crate) proxy: RpcProxy,
}

impl Node {
    async fn start() -> Self {
        let anvil = Anvil::start(AnvilOptions::default()).await;
        anvil.mine(30).await;
        let proxy = RpcProxy::before(&anvil.url()).await;
        Self { anvil, proxy }
    }

    fn host(&self) -> String {
        self.proxy.url().replace("http://", "")
    }
}

/// Nodes that agree on everything but their blocks' hashes.
async fn nodes<const N: usize>() -> [Node; N] {
    let mut nodes = vec![];
    for _ in 0..N {
        nodes.push(Node::start().await);
    }
    nodes.try_into().ok().unwrap()
}

/// `anvil`, through all of them.
fn chain(nodes: &[Node], quorum: usize) -> Arc<dyn ChainAdapter> {
    let urls: Vec<String> = nodes.iter().map(|node| node.proxy.url()).collect();
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    adapter("EVM_RPC_URLS", "anvil", &urls, quorum)
}

/// What the first account of every node has.
async fn ask(chain: &dyn ChainAdapter, nodes: &[Node]) -> Result<Balance, ChainError> {
    let address = to_checksum(&nodes[0].anvil.accounts()[0].address, None);
    chain.get_balances(&[BalanceQuery { address, token: None }]).await.remove(0)
}

/// Asks, and it is right.
async fn answers(chain: &dyn ChainAdapter, nodes: &[Node]) {
    let told = ask(chain, nodes).await.unwrap();
    assert_eq!(told.amount.units, U256::exp10(22));
}

/// What is known of a node.
fn health(chain: &dyn ChainAdapter, node: &Node) -> EndpointHealth {
    chain.health().into_iter().find(|health| health.endpoint == node.host()).unwrap()
}

/// Which of them is asked first, after all have answered: the others hear nothing meanwhile.
async fn first_asked(chain: &dyn ChainAdapter, nodes: &[Node]) -> usize {
    answers(chain, nodes).await;
    nodes.iter().for_each(|node| node.proxy.forget());
    answers(chain, nodes).await;
    let busiest = (0..nodes.len()).max_by_key(|place| nodes[*place].proxy.requests());
    busiest.unwrap()
}
