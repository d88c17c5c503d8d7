//! Sending to Solana.

use axum::Router;
use mcp_core::domain::StreamId;
use serde_json::json;
use support::solana::SolanaNode;

use super::Answer;
use super::scene::{SEND, ask, log, server, settle};
use crate::pipeline::Deployment;

const SOL: u64 = 1_000_000_000;

struct Cluster {
    node: SolanaNode,
    deployment: Deployment,
    chain: String,
    local: mcp_core::app::Local,
    log: std::sync::Arc<mcp_core::bus::in_process::InProcessBus>,
}

impl Cluster {
    async fn new() -> Self {
        let (node, deployment) = tokio::join!(SolanaNode::start(), Deployment::without_topics());
        let genesis = node.rpc("getGenesisHash", json!([])).await;
        let chain = format!("solana:{}", &genesis.as_str().unwrap()[..32]);
        let nodes = format!("{chain}={}", node.url());
        let local = server(&deployment, &[("RATE_LIMITS", "off"), ("SOLANA_RPC_URLS", &nodes)]).await;
        let log = log(&deployment).await;
        Self { node, deployment, chain, local, log }
    }

    fn router(&self) -> &Router {
        &self.local.router
    }

    async fn send(&self, signed: &str) -> Answer {
        ask(self.router(), Some("ada"), SEND, json!({ "chain": self.chain, "signed": signed })).await
    }

    async fn history(&self, hash: &str) -> Vec<String> {
        let stream = StreamId::of("transaction", &format!("{}/{hash}", self.chain));
        let events = self.deployment.store.load(&stream, None).await.unwrap().events;
        events.into_iter().map(|event| event.event_type).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_is_sent_once_and_settled_once_it_is_final() {
    let it = Cluster::new().await;
    let (from, to) = (it.node.keys_with(5 * SOL).await, it.node.keys().await.address);
    let payment = it.node.sign_transfer(&from, &to, SOL).await;
    let first = it.send(&payment).await;
    let sent = first.sent();
    assert_eq!((&sent["state"], &sent["from"]), (&json!("ACCEPTED"), &json!(from.address)), "{sent}");
    assert_eq!(it.send(&payment).await.sent(), sent);
    let balance = async || it.node.rpc("getBalance", json!([to, { "commitment": "confirmed" }])).await["value"].clone();
    assert_eq!(balance().await, SOL);
    let hash = sent["hash"].as_str().unwrap();
    assert_eq!(it.history(hash).await, ["TransactionSubmitted", "TransactionAccepted"]);
    let watcher = it.local.watcher.as_ref().unwrap();
    assert_eq!(settle(&it.deployment, &it.log, watcher, 1).await.settled, 0, "not final yet");
    it.node.advance(40).await;
    assert_eq!(settle(&it.deployment, &it.log, watcher, 1).await.settled, 1);
    let query = "query($chain: String!, $hash: String!) { transaction(chain: $chain, hash: $hash) { status settled } }";
    let found = ask(it.router(), None, query, json!({ "chain": it.chain, "hash": hash })).await;
    let wanted = json!({ "status": "SUCCEEDED", "settled": true });
    assert_eq!(found.json["data"]["transaction"], wanted, "what is settled here is settled there");
    it.node.advance(200).await;
    assert_eq!(it.send(&payment).await.sent()["state"], "CONFIRMED");
    assert_eq!(balance().await, SOL);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_succeed_is_refused_with_a_reason() {
    let it = Cluster::new().await;
    let (from, to) = (it.node.keys_with(SOL).await, it.node.keys().await.address);
    let payment = it.node.sign_transfer(&from, &to, SOL / 10).await;
    for signed in [&payment[..payment.len() - 12], "AQ==", "0x02", "AAAA"] {
        let answer = it.send(signed).await;
        assert_eq!(answer.refusal().0, "BAD_USER_INPUT", "{signed}: {answer:?}");
    }
    assert_eq!(it.deployment.count("SELECT count(*) FROM events").await, 0);
    let dear = it.node.sign_transfer(&from, &to, 7 * SOL).await;
    assert_eq!(it.send(&dear).await.refusal().0, "BAD_USER_INPUT");
    let stale = it.node.sign_transfer(&from, &to, SOL / 20).await;
    it.node.advance(151).await;
    let answer = it.send(&stale).await;
    assert!(answer.refusal().1.contains("too old: sign again"), "{answer:?}");
    let rejected = "SELECT count(*) FROM events WHERE event_type = 'TransactionRejected'";
    assert_eq!(it.deployment.count(rejected).await, 2);
}
