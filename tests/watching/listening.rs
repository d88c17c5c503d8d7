//! `chainEvents`: what is observed and retracted, heard over the websocket of the local process.

use serde_json::{Value, json};
use support::anvil::{Anvil, AnvilOptions};
use support::local::Local;
use support::uniswap::test_token;

use super::scene::{transfer_of, transfers_since};
use crate::local::{next, send, socket, tokens};

const QUERY: &str = "subscription($filter: String!) { chainEvents(chain: \"anvil\", filter: $filter) \
    { kind chain filter block blockHash transaction index address topics data succeeded } }";

fn subscribe(filter: &str) -> Value {
    let payload = json!({ "query": QUERY, "variables": { "filter": filter } });
    json!({ "id": "1", "type": "subscribe", "payload": payload })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_hears_a_log_and_that_it_is_gone() {
    let anvil = Anvil::start(AnvilOptions::default()).await;
    let token = test_token(&anvil, 1_000.into()).await;
    let nodes = format!("anvil={} {}", anvil.url(), anvil.ws_url());
    let filters = transfers_since(token, 2).to_string();
    let local =
        Local::start(&[("PRICE_SOURCES", "simulated"), ("EVM_RPC_URLS", &nodes), ("CHAIN_FILTERS", &filters)]).await;
    let (user, _) = tokens(&local).await;
    let mut listener = socket(&local, json!({ "authorization": format!("Bearer {user}") })).await;
    assert_eq!(next(&mut listener).await["type"], "connection_ack");
    send(&mut listener, subscribe("transfers")).await;
    // A round trip on the same socket: what was sent before it has been taken.
    let round_trip = json!({ "id": "2", "type": "subscribe", "payload": { "query": "{ __typename }" } });
    send(&mut listener, round_trip).await;
    assert_eq!(next(&mut listener).await["payload"]["data"]["__typename"], "Query");
    assert_eq!(next(&mut listener).await["type"], "complete");

    let hash = anvil.rpc("eth_sendTransaction", json!([transfer_of(&anvil, token, 7)])).await;
    let observed = event(&next(&mut listener).await);
    let block = anvil.block(2).await["hash"].clone();
    let place = |event: &Value| json!([event["block"], event["blockHash"], event["transaction"], event["index"]]);
    assert_eq!((&observed["kind"], place(&observed)), (&json!("OBSERVED"), json!(["2", block, hash, "0"])));
    assert_eq!(observed["address"], ethers::utils::to_checksum(&token, None));
    assert!(observed["data"].as_str().is_some_and(|data| data.ends_with("07")), "{observed}");

    anvil.mined().await;
    anvil.reorg(1, &[]).await;
    let retracted = event(&next(&mut listener).await);
    assert_eq!((&retracted["kind"], place(&retracted)), (&json!("RETRACTED"), place(&observed)));
    assert!(retracted["data"].is_null() && retracted["succeeded"].is_null(), "{retracted}");
}

fn event(message: &Value) -> Value {
    assert_eq!(message["type"], "next", "{message}");
    message["payload"]["data"]["chainEvents"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filter_that_nobody_watches_is_not_found_and_a_listener_needs_a_token() {
    let filters = json!([{ "name": "transfers", "chain": "anvil" }]).to_string();
    let local = Local::start(&[
        ("PRICE_SOURCES", "simulated"),
        ("EVM_RPC_URLS", "anvil=http://127.0.0.1:1"),
        ("CHAIN_FILTERS", &filters),
    ])
    .await;
    let (user, _) = tokens(&local).await;
    let nobody = json!({});
    let somebody = json!({ "authorization": format!("Bearer {user}") });
    for (who, filter, wanted) in [
        (&nobody, "transfers", "UNAUTHENTICATED"),
        (&somebody, "swaps", "no such filter is watched on anvil; those that are: transfers"),
    ] {
        let mut listener = socket(&local, who.clone()).await;
        assert_eq!(next(&mut listener).await["type"], "connection_ack");
        send(&mut listener, subscribe(filter)).await;
        let answer = next(&mut listener).await.to_string();
        assert!(answer.contains(wanted), "{answer}");
    }
}
