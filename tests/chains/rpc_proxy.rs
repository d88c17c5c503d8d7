use std::time::Duration;

use serde_json::{Value, json};
use support::anvil::{Anvil, AnvilOptions};
use support::json_rpc::JsonRpc;
use support::rpc_proxy::{Mode, OTHER_GENESIS, RpcProxy};
use support::solana::SolanaNode;

async fn before_a_node_at_block_ten() -> (Anvil, RpcProxy, JsonRpc) {
    let anvil = Anvil::start(AnvilOptions::default()).await;
    anvil.mine(10).await;
    let proxy = RpcProxy::before(&anvil.url()).await;
    let client = JsonRpc::new(&proxy.url());
    (anvil, proxy, client)
}

fn logs(from: &str, to: &str) -> Value {
    json!([{ "fromBlock": from, "toBlock": to }])
}

#[tokio::test]
async fn a_good_one_passes_and_counts() {
    let (_anvil, proxy, client) = before_a_node_at_block_ten().await;
    assert_eq!(client.call("eth_blockNumber", json!([])).await, "0xa");
    let call = |id: u8, method: &str| json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": [] });
    let (status, text) = client.post(&json!([call(1, "eth_chainId"), call(2, "eth_gasPrice")])).await.unwrap();
    let answers: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((status, answers.as_array().map(Vec::len)), (200, Some(2)));
    assert_eq!(proxy.requests(), 2);
    assert_eq!(proxy.calls(), ["eth_blockNumber", "eth_chainId", "eth_gasPrice"]);
    proxy.forget();
    assert_eq!((proxy.requests(), proxy.calls().len()), (0, 0));
}

#[tokio::test]
async fn refusals_and_rubbish_are_what_they_are_called() {
    let (_anvil, proxy, client) = before_a_node_at_block_ten().await;
    let call = json!({ "jsonrpc": "2.0", "id": 7, "method": "eth_blockNumber", "params": [] });
    proxy.behave(Mode::TooManyRequests).await;
    assert_eq!(client.post(&call).await.unwrap().0, 429);
    proxy.behave(Mode::RateLimitBody).await;
    assert_eq!(client.try_call("eth_blockNumber", json!([])).await.unwrap_err().code, -32005);
    let batch: Value = serde_json::from_str(&client.post(&json!([call, call])).await.unwrap().1).unwrap();
    assert_eq!((&batch[1]["error"]["code"], &batch[1]["id"]), (&json!(-32005), &json!(7)));
    for rubbish in [Mode::Garbage, Mode::Html] {
        proxy.behave(rubbish).await;
        let (status, text) = client.post(&call).await.unwrap();
        assert_eq!((status, serde_json::from_str::<Value>(&text).is_err()), (200, true));
    }
    proxy.behave(Mode::Hang).await;
    assert!(tokio::time::timeout(Duration::from_millis(200), client.post(&call)).await.is_err());
    proxy.behave(Mode::Refuse).await;
    assert!(client.post(&call).await.unwrap_err().is_connect());
    proxy.behave(Mode::Pass).await;
    assert_eq!(client.call("eth_blockNumber", json!([])).await, "0xa");
}

#[tokio::test]
async fn one_that_lags_shows_an_older_head() {
    let (anvil, proxy, client) = before_a_node_at_block_ten().await;
    proxy.behave(Mode::Lag(4)).await;
    assert_eq!(client.call("eth_blockNumber", json!([])).await, "0x6");
    let latest = client.call("eth_getBlockByNumber", json!(["latest", false])).await;
    assert_eq!(latest["hash"], anvil.block(6).await["hash"]);
}

#[tokio::test]
async fn one_of_another_chain_says_so() {
    let (_anvil, proxy, client) = before_a_node_at_block_ten().await;
    proxy.behave(Mode::WrongChain(56)).await;
    assert_eq!(client.call("eth_chainId", json!([])).await, "0x38");
    assert_eq!(client.call("net_version", json!([])).await, "56");
    assert_eq!(client.call("eth_blockNumber", json!([])).await, "0xa");
}

#[tokio::test]
async fn it_does_the_same_before_a_solana_node() {
    let node = SolanaNode::start().await;
    let proxy = RpcProxy::before(&node.url()).await;
    let client = JsonRpc::new(&proxy.url());
    let processed = json!([{ "commitment": "processed" }]);
    proxy.behave(Mode::Lag(10)).await;
    assert_eq!(client.call("getSlot", processed.clone()).await, 990);
    assert_eq!(client.call("getLatestBlockhash", processed).await["context"]["slot"], 990);
    proxy.behave(Mode::WrongChain(0)).await;
    assert_eq!(client.call("getGenesisHash", json!([])).await, OTHER_GENESIS);
}

#[tokio::test]
async fn one_with_a_limit_refuses_logs_of_a_wide_range() {
    let (_anvil, proxy, client) = before_a_node_at_block_ten().await;
    proxy.behave(Mode::NoLogsRange(5)).await;
    assert_eq!(client.call("eth_getLogs", logs("0x1", "0x5")).await, json!([]));
    for wide in [logs("0x1", "0x6"), logs("0x5", "latest"), logs("earliest", "0x5")] {
        assert_eq!(client.try_call("eth_getLogs", wide).await.unwrap_err().code, -32602);
    }
}
