use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use support::json_rpc::JsonRpc;
use support::solana::{Failure, SolanaNode, Transfer};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

const SOL: u64 = 1_000_000_000;

fn confirmed() -> Value {
    json!({ "commitment": "confirmed", "maxSupportedTransactionVersion": 0 })
}

#[tokio::test]
async fn lamports_move_and_the_signature_is_listed() {
    let node = SolanaNode::start().await;
    let (from, to) = (node.keys_with(5 * SOL).await, node.keys().await.address);
    let signature = node.transfer(&from, &to, SOL).await;
    assert_eq!(node.rpc("getBalance", json!([to])).await["value"], SOL);
    let fee = 5000;
    assert_eq!(node.rpc("getBalance", json!([from.address])).await["value"], 4 * SOL - fee);
    let listed = node.rpc("getSignaturesForAddress", json!([to, confirmed()])).await;
    assert_eq!(listed[0]["signature"], signature);
    assert_eq!(listed[0]["confirmationStatus"], "confirmed");
    assert_eq!(node.rpc("getSignaturesForAddress", json!([to])).await, json!([]), "nothing of it is final yet");
    let transaction = node.rpc("getTransaction", json!([signature, confirmed()])).await;
    assert_eq!((&transaction["meta"]["fee"], &transaction["version"]), (&json!(fee), &json!("legacy")));
    assert!(node.rpc("getTransaction", json!([signature])).await.is_null());
    node.advance(32).await;
    assert_eq!(node.rpc("getTransaction", json!([signature])).await["slot"], transaction["slot"]);
    let statuses = node.rpc("getSignatureStatuses", json!([[signature]])).await;
    assert_eq!(statuses["value"][0]["confirmationStatus"], "finalized");
}

#[tokio::test]
async fn what_cannot_succeed_is_refused_as_agave_refuses_it() {
    let node = SolanaNode::start().await;
    let (from, to) = (node.keys_with(SOL).await, node.keys().await.address);
    let send = async |transaction: &str| {
        let params = json!([transaction, { "encoding": "base64" }]);
        node.try_rpc("sendTransaction", params).await.unwrap_err()
    };
    let good = node.sign_transfer(&from, &to, SOL / 10).await;
    node.send(&good).await;
    let again = send(&good).await;
    assert_eq!((again.code, &again.data["err"]), (-32002, &json!("AlreadyProcessed")));
    let poor = node.sign_transfer(&from, &to, 7 * SOL).await;
    let refused = send(&poor).await;
    assert_eq!((refused.code, &refused.data["err"]), (-32002, &json!({ "InstructionError": [0, { "Custom": 1 }] })));
    assert!(refused.data["logs"].as_array().is_some_and(|logs| !logs.is_empty()));
    let landed = node.send_unchecked(&poor).await;
    let failed = node.rpc("getTransaction", json!([landed, confirmed()])).await;
    assert_eq!(failed["meta"]["err"], refused.data["err"]);
    let stale = node.sign_transfer(&from, &to, SOL / 20).await;
    node.advance(151).await;
    assert_eq!(send(&stale).await.data["err"], "BlockhashNotFound");
}

#[tokio::test]
async fn tokens_are_minted_moved_and_shown() {
    let node = SolanaNode::start().await;
    let (from, to) = (node.keys_with(SOL).await, node.keys().await.address);
    let mint = node.create_mint(6).await;
    node.mint_to(&mint, &from.address, 1_500_000).await;
    let transfer =
        Transfer { from: &from, to: &to, amount: 250_000, mint: Some(&mint), memo: Some("for lunch"), versioned: true };
    let signature = node.send(&node.sign(transfer).await).await;
    let owned = node.rpc("getTokenAccountsByOwner", json!([to, { "mint": mint }, { "encoding": "jsonParsed" }])).await;
    let info = &owned["value"][0]["account"]["data"]["parsed"]["info"];
    assert_eq!((&info["tokenAmount"]["amount"], &info["mint"]), (&json!("250000"), &json!(mint)));
    assert_eq!(node.rpc("getTokenSupply", json!([mint])).await["value"]["uiAmountString"], "1.5");
    let account = owned["value"][0]["pubkey"].clone();
    let listed = node.rpc("getSignaturesForAddress", json!([account, confirmed()])).await;
    assert_eq!((&listed[0]["signature"], &listed[0]["memo"]), (&json!(signature), &json!("[9] for lunch")));
}

#[tokio::test]
async fn subscribers_hear_of_logs_and_signatures() {
    let node = SolanaNode::start().await;
    let (from, to) = (node.keys_with(SOL).await, node.keys().await.address);
    let (mut socket, _) = connect_async(node.ws_url()).await.unwrap();
    let logs = json!({ "jsonrpc": "2.0", "id": 1, "method": "logsSubscribe",
        "params": [{ "mentions": [to] }, { "commitment": "confirmed" }] });
    socket.send(Message::text(logs.to_string())).await.unwrap();
    let mut heard = async || {
        let message = socket.next().await.unwrap().unwrap().into_text().unwrap();
        serde_json::from_str::<Value>(&message).unwrap()
    };
    let subscription = heard().await["result"].clone();
    let signature = node.transfer(&from, &to, SOL / 10).await;
    let told = heard().await["params"].clone();
    assert_eq!(told["subscription"], subscription);
    assert_eq!(told["result"]["value"]["signature"], signature);
    let once = json!({ "jsonrpc": "2.0", "id": 2, "method": "signatureSubscribe", "params": [signature] });
    socket.send(Message::text(once.to_string())).await.unwrap();
    let mut heard = async || {
        let message = socket.next().await.unwrap().unwrap().into_text().unwrap();
        serde_json::from_str::<Value>(&message).unwrap()
    };
    assert!(heard().await["result"].is_u64());
    node.advance(32).await;
    assert_eq!(heard().await["params"]["result"]["value"]["err"], Value::Null);
}

#[tokio::test]
async fn it_answers_batches_and_fails_as_it_is_told() {
    let node = SolanaNode::start().await;
    let client = JsonRpc::new(&node.url());
    let call = |id: u8, method: &str| json!({ "jsonrpc": "2.0", "id": id, "method": method });
    let (_, text) = client.post(&json!([call(1, "getHealth"), call(2, "nothing")])).await.unwrap();
    let answers: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&answers[0]["result"], &answers[1]["error"]["code"]), (&json!("ok"), &json!(-32601)));
    node.fail(Failure::TooManyRequests).await;
    assert_eq!(client.post(&call(1, "getHealth")).await.unwrap().0, 429);
    node.fail(Failure::Garbage).await;
    assert!(serde_json::from_str::<Value>(&client.post(&call(1, "getHealth")).await.unwrap().1).is_err());
    node.fail(Failure::Lag(40)).await;
    assert_eq!(client.try_call("getHealth", json!([])).await.unwrap_err().code, -32005);
    assert_eq!(client.call("getSlot", json!([{ "commitment": "processed" }])).await, 960);
    node.fail(Failure::None).await;
    assert_eq!(client.call("getSlot", json!([{ "commitment": "processed" }])).await, 1000);
}
