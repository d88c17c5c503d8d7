//! Where nodes have to agree on a balance.

use std::time::Duration;

use serde_json::json;
use support::eventually::eventually;
use support::rpc_proxy::RpcProxy;
use support::uniswap::test_token;
use tokio::time::timeout;

use super::*;

#[tokio::test]
async fn two_that_agree_are_believed() {
    let nodes = nodes::<2>().await;
    let chain = chain(&nodes, 2);
    answers(&*chain, &nodes).await;
    assert!(nodes.iter().all(|node| node.proxy.calls().contains(&"eth_getBalance".to_owned())));
}

#[tokio::test]
async fn one_that_lies_is_outvoted() {
    let nodes = nodes::<3>().await;
    for liar in &nodes {
        liar.proxy.behave(Mode::Lie).await;
        let chain = chain(&nodes, 2);
        for _ in 0..3 {
            answers(&*chain, &nodes).await;
        }
        liar.proxy.behave(Mode::Pass).await;
    }
}

#[tokio::test]
async fn where_two_do_not_agree_nobody_is_believed() {
    let nodes = nodes::<2>().await;
    nodes[0].proxy.behave(Mode::Lie).await;
    let chain = chain(&nodes, 2);
    let error = ask(&*chain, &nodes).await.unwrap_err();
    assert!(matches!(error, ChainError::Unavailable { .. }), "{error:?}");
    assert!(error.to_string().contains("fewer than 2 nodes agree"), "{error}");
    nodes[0].proxy.behave(Mode::Pass).await;
    answers(&*chain, &nodes).await;
}

#[tokio::test]
async fn one_that_does_not_answer_is_made_up_for() {
    let nodes = nodes::<3>().await;
    for mode in [Mode::Refuse, Mode::Html, Mode::TooManyRequests] {
        let chain = chain(&nodes, 2);
        answers(&*chain, &nodes).await;
        nodes[0].proxy.behave(mode).await;
        answers(&*chain, &nodes).await;
        nodes[0].proxy.behave(Mode::Pass).await;
    }
}

#[tokio::test]
async fn one_alone_is_not_enough() {
    let nodes = nodes::<2>().await;
    let chain = chain(&nodes, 2);
    nodes[0].proxy.behave(Mode::Refuse).await;
    let error = ask(&*chain, &nodes).await.unwrap_err();
    assert!(matches!(error, ChainError::Unavailable { .. }), "{error:?}");
    nodes[0].proxy.behave(Mode::Pass).await;
    eventually("both answer again", || ask(&*chain, &nodes)).await;
}

#[tokio::test]
async fn a_node_ahead_of_the_others_is_asked_about_a_block_that_all_have() {
    let nodes = nodes::<2>().await;
    let chain = chain(&nodes, 2);
    nodes[0].anvil.mine(3).await;
    assert_eq!(ask(&*chain, &nodes).await.unwrap().block, 30);
}

/// Decimals are a thousandfold more or less, and are remembered.
#[tokio::test]
async fn what_a_token_calls_itself_is_agreed_on_too() {
    let nodes = nodes::<3>().await;
    let mut token = Address::zero();
    for node in &nodes {
        token = test_token(&node.anvil, U256::exp10(20)).await;
    }
    let [address, token] = [nodes[0].anvil.accounts()[0].address, token].map(|it| to_checksum(&it, None));
    // Who lies when the token is first asked about tells no truth of a balance either; who has none of it agrees on that.
    let queries = [BalanceQuery { address, token: Some(token) }];
    for liar in &nodes {
        liar.proxy.behave(Mode::Lie).await;
        let chain = chain(&nodes, 2);
        for _ in 0..3 {
            let told = chain.get_balances(&queries).await.remove(0).unwrap().amount;
            assert_eq!((told.units, told.decimals, told.symbol.as_str()), (U256::exp10(20), 18, "TT"));
        }
        liar.proxy.behave(Mode::Pass).await;
    }
}

/// A node that stands between, and hangs, costs its time but no more.
#[tokio::test]
async fn one_that_hangs_does_not_keep_the_others_from_agreeing() {
    let nodes = nodes::<3>().await;
    let chain = chain(&nodes, 2);
    answers(&*chain, &nodes).await;
    nodes[0].proxy.behave(Mode::Hang).await;
    for _ in 0..2 {
        timeout(Duration::from_secs(8), answers(&*chain, &nodes)).await.expect("two of three agree");
    }
}

#[tokio::test]
async fn on_solana_one_that_lies_is_outvoted() {
    let node = support::solana::SolanaNode::start().await;
    let owner = node.keys_with(5_000_000_000).await.address;
    let mut proxies = vec![];
    for _ in 0..3 {
        proxies.push(RpcProxy::before(&node.url()).await);
    }
    let urls: Vec<String> = proxies.iter().map(RpcProxy::url).collect();
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    let name = crate::chains::adapters::cluster(&node.url()).await;
    let truth = node.rpc("getBalance", json!([owner])).await["value"].as_u64().unwrap();
    let queries = [BalanceQuery { address: owner, token: None }];
    for liar in &proxies {
        liar.behave(Mode::Lie).await;
        let chain = adapter("SOLANA_RPC_URLS", &name, &urls, 2);
        for _ in 0..3 {
            assert_eq!(chain.get_balances(&queries).await.remove(0).unwrap().amount.units, truth.into());
        }
        liar.behave(Mode::Pass).await;
    }
}
