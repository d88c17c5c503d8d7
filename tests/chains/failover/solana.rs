//! The same for two nodes of a Solana cluster.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;
use support::eventually::eventually;
use support::solana::SolanaNode;
use tokio::time::timeout;

use super::*;
use crate::chains::adapters::{cluster, solana};

const SOL: u64 = 1_000_000_000;

struct Cluster {
    node: SolanaNode,
    proxies: [RpcProxy; 2],
    chain: Arc<dyn ChainAdapter>,
    owner: String,
}

impl Cluster {
    async fn start() -> Self {
        let node = SolanaNode::start().await;
        node.advance(200).await;
        let proxies = [RpcProxy::before(&node.url()).await, RpcProxy::before(&node.url()).await];
        let chain = solana(&cluster(&node.url()).await, &[&proxies[0].url(), &proxies[1].url()]);
        let owner = node.keys_with(5 * SOL).await.address;
        Self { node, proxies, chain, owner }
    }

    async fn ask(&self) -> Result<Balance, ChainError> {
        let query = BalanceQuery { address: self.owner.clone(), token: None };
        self.chain.get_balances(&[query]).await.remove(0)
    }

    async fn answers(&self) {
        assert_eq!(self.ask().await.unwrap().amount.units, (5 * SOL).into());
    }
}

#[tokio::test]
async fn the_other_answers_whatever_the_first_does() {
    let modes = [Mode::Refuse, Mode::TooManyRequests, Mode::RateLimitBody, Mode::Garbage, Mode::Html, Mode::Hang];
    for mode in modes {
        let cluster = Cluster::start().await;
        cluster.answers().await;
        for broken in [0, 1] {
            cluster.proxies[broken].behave(mode).await;
            // The one that was broken before may still be left alone.
            eventually("the other answers", || cluster.ask()).await;
            for _ in 0..3 {
                timeout(HANG, cluster.answers()).await.unwrap_or_else(|_| panic!("{mode:?}"));
            }
            cluster.proxies[broken].behave(Mode::Pass).await;
        }
    }
}

#[tokio::test]
async fn who_lags_is_left_out() {
    let cluster = Cluster::start().await;
    cluster.proxies[0].behave(Mode::Lag(100)).await;
    for _ in 0..5 {
        cluster.answers().await;
    }
    let health = cluster.chain.health();
    assert!(!health[0].usable && health[0].note.contains("100 blocks behind"), "{health:?}");
    assert!(health[1].usable, "{health:?}");
}

#[tokio::test]
async fn a_node_of_another_cluster_is_asked_for_its_genesis_alone() {
    let node = SolanaNode::start().await;
    let proxy = RpcProxy::before(&node.url()).await;
    proxy.behave(Mode::WrongChain(0)).await;
    let chain = solana(&cluster(&node.url()).await, &[&proxy.url(), &node.url()]);
    for _ in 0..5 {
        chain.head().await.unwrap();
    }
    let asked = proxy.calls();
    assert!(asked.iter().all(|method| ["getGenesisHash", "getSlot"].contains(&method.as_str())), "{asked:?}");
    let health = chain.health();
    assert!(!health[0].usable && health[0].note.contains("solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1"), "{health:?}");
}

#[tokio::test]
async fn where_a_node_dies_after_it_took_a_transaction_the_next_one_knows() {
    let Cluster { node, proxies, chain, .. } = Cluster::start().await;
    chain.head().await.unwrap();
    let (from, to) = (node.keys_with(5 * SOL).await, node.keys().await.address);
    let signed = BASE64_STANDARD.decode(node.sign_transfer(&from, &to, SOL).await).unwrap();
    let signed = chain.decode_signed(&signed).unwrap();
    for proxy in &proxies {
        proxy.behave(Mode::Swallow).await;
    }
    let has = async || node.rpc("getBalance", json!([to])).await["value"] == SOL;
    let dies = async {
        eventually("a node has taken it", &has).await;
        let first = usize::from(proxies[1].calls().contains(&"sendTransaction".to_owned()));
        proxies[1 - first].behave(Mode::Pass).await;
        proxies[first].behave(Mode::Refuse).await;
    };
    let (sent, ()) = tokio::join!(chain.send_transaction(&signed), dies);
    sent.unwrap();
    assert!(has().await, "it came once");
}

#[tokio::test]
async fn a_killed_node_makes_it_unavailable_and_says_no_url() {
    let mut cluster = Cluster::start().await;
    cluster.answers().await;
    cluster.node.kill().await;
    for _ in 0..10 {
        let error = cluster.ask().await.unwrap_err();
        assert!(matches!(error, ChainError::Unavailable { .. }) && !format!("{error:?}").contains("://"), "{error:?}");
        assert!(error.to_string().starts_with(cluster.chain.chain().name.as_str()), "{error}");
    }
}
