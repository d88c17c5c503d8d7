//! A filter on Solana: an account's final transactions.

use mcp_core::domain::{RecordedEvent, StreamId};
use serde_json::{Value, json};
use support::lambda::Lambda;
use support::solana::{SolanaNode, Transfer};

use super::scene::{count, watch};
use crate::pipeline::Deployment;

const SOL: u64 = 1_000_000_000;

async fn watcher(node: &SolanaNode, chain: &str, deployment: &Deployment, account: &str) -> Lambda {
    let filters =
        json!([{ "name": "payments", "chain": chain, "addresses": [account], "fromBlock": 1000 }]).to_string();
    let nodes = format!("{chain}={}", node.url());
    deployment.start_with("chain-watcher", &[("SOLANA_RPC_URLS", &nodes), ("CHAIN_FILTERS", &filters)]).await
}

async fn events(deployment: &Deployment, chain: &str) -> Vec<RecordedEvent> {
    let stream = StreamId::of("chain", &format!("{chain}/payments"));
    deployment.store.load(&stream, None).await.unwrap().events
}

/// The signatures that were observed, in order.
fn observed(events: &[RecordedEvent]) -> Vec<&str> {
    let observed = events.iter().filter(|event| event.event_type == "ChainEventObserved");
    observed.map(|event| event.data["transaction"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn payments_are_observed_once_they_are_final_and_reading_goes_on_where_it_ended() {
    let (node, deployment) = tokio::join!(SolanaNode::start(), Deployment::without_topics());
    let genesis = node.rpc("getGenesisHash", json!([])).await;
    let chain = format!("solana:{}", &genesis.as_str().unwrap()[..32]);
    let (from, to) = (node.keys_with(5 * SOL).await, node.keys().await.address);
    let first = node.transfer(&from, &to, SOL).await;
    let memo = Transfer { from: &from, to: &to, amount: SOL, mint: None, memo: Some("for tea"), versioned: false };
    let second = node.send(&node.sign(memo).await).await;
    let watcher_one = watcher(&node, &chain, &deployment, &to).await;
    assert_eq!(watch(&watcher_one).await["observed"], 0, "nothing is final yet");
    node.advance(40).await;
    let summary = watch(&watcher_one).await;
    assert_eq!(summary["observed"], 2, "{summary}");
    let known = events(&deployment, &chain).await;
    assert_eq!(observed(&known), [&first, &second]);
    let with_memo = known.iter().find(|event| event.data["transaction"] == second.as_str()).unwrap();
    assert!(with_memo.data["data"].as_str().is_some_and(|memo| memo.contains("for tea")), "{with_memo:?}");

    // A failure is an event too; another process goes on.
    let poor = node.sign_transfer(&from, &to, 50 * SOL).await;
    let failed = node.send_unchecked(&poor).await;
    node.advance(40).await;
    let again = watcher(&node, &chain, &deployment, &to).await;
    assert_eq!(watch(&again).await["observed"], 1);
    let known = events(&deployment, &chain).await;
    assert_eq!(observed(&known), [&first, &second, &failed]);
    let last = known.iter().rfind(|event| event.event_type == "ChainEventObserved").unwrap();
    assert_eq!(last.data["succeeded"], false, "{last:?}");
    assert_eq!(count(&known, "ChainEventRetracted"), 0);
    let quiet: Value = watch(&again).await;
    assert_eq!((&quiet["observed"], &quiet["failed"]), (&json!(0), &json!(0)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_is_down_is_a_failed_run_and_nothing_is_missed() {
    let (mut node, deployment) = tokio::join!(SolanaNode::start(), Deployment::without_topics());
    let genesis = node.rpc("getGenesisHash", json!([])).await;
    let chain = format!("solana:{}", &genesis.as_str().unwrap()[..32]);
    let account = node.keys().await.address;
    let watcher = watcher(&node, &chain, &deployment, &account).await;
    watch(&watcher).await;
    node.kill().await;
    let error = watcher.invoke(crate::functions::sample("chain-watcher")).await.unwrap_err();
    assert_eq!(error["errorMessage"], format!("{chain} is unavailable"));
    assert_eq!(count(&events(&deployment, &chain).await, "ChainEventObserved"), 0);
}
