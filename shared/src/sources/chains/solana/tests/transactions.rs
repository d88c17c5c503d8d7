use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use solana_message::VersionedMessage;

use super::*;
use crate::sources::chains::{ChainAdapter, TransactionStatus};

fn transaction() -> VersionedTransaction {
    let price = [&[3][..], &77_000_u64.to_le_bytes()].concat();
    signed(VersionedMessage::Legacy(message(&key(1), 1_500_000_000, &[price])), &[&key(1)])
}

fn hash() -> String {
    transaction().signatures[0].to_string()
}

fn told(failure: &Value) -> Value {
    json!({
        "slot": 999_990, "blockTime": 1_750_000_000, "version": "legacy",
        "transaction": [BASE64_STANDARD.encode(bytes(&transaction())), "base64"],
        "meta": {
            "err": failure, "status": if failure.is_null() { json!({ "Ok": null }) } else { json!({ "Err": failure }) },
            "fee": 5_016, "preBalances": [2_000_000_000_u64, 0, 1, 1], "postBalances": [499_994_984, 1_500_000_000, 1, 1],
            "innerInstructions": [], "logMessages": [], "preTokenBalances": [], "postTokenBalances": [], "rewards": [],
            "loadedAddresses": { "readonly": [], "writable": [] }, "computeUnitsConsumed": 300,
        },
    })
}

fn status(depth: &str) -> Value {
    json!({ "slot": 999_990, "confirmations": null, "err": null, "status": { "Ok": null }, "confirmationStatus": depth })
}

async fn knowing(transaction: Value, status: Value) -> FakeNode {
    node(move |method, _| match method {
        "getTransaction" => Ok(transaction.clone()),
        "getSignatureStatuses" => at(1_000_003, json!([status])),
        _ => unknown(method),
    })
    .await
}

#[tokio::test]
async fn a_transfer_is_told_whole() {
    let node = knowing(told(&Value::Null), status("finalized")).await;
    let hash = transaction().signatures[0].to_string();
    let found = solana(&[&node], 1).get_transaction(&hash).await.unwrap().unwrap();
    assert_eq!((found.status, found.confirmations), (TransactionStatus::Succeeded, 33));
    assert_eq!(found.block.unwrap().number, 999_990);
    assert_eq!(found.timestamp.unwrap().timestamp(), 1_750_000_000);
    assert_eq!((found.from, found.to), (address(&key(1)).to_string(), Some(address(&key(2)).to_string())));
    assert_eq!((found.value.unwrap().to_decimal().as_str(), found.fee.unwrap().units.as_u64()), ("1.5", 5_016));
    assert_eq!((found.hash, found.error), (hash, None));
    assert_eq!(node.requests().len(), 2, "the probe, and one request");
}

#[tokio::test]
async fn a_failure_says_why_and_what_is_confirmed_is_not_settled() {
    let node = knowing(told(&json!({ "InstructionError": [1, { "Custom": 1 }] })), status("confirmed")).await;
    let found = solana(&[&node], 1).get_transaction(&hash()).await.unwrap().unwrap();
    assert_eq!((found.status, found.confirmations), (TransactionStatus::Failed, 14));
    assert_eq!(found.error.unwrap(), "Error processing Instruction 1: custom program error: 0x1");
}

#[tokio::test]
async fn what_is_not_confirmed_is_pending() {
    let node = knowing(Value::Null, status("processed")).await;
    let found = solana(&[&node], 1).get_transaction(&hash()).await.unwrap().unwrap();
    assert_eq!((found.status, found.confirmations, found.block), (TransactionStatus::Pending, 0, None));
}

#[tokio::test]
async fn all_nodes_are_asked_before_it_is_unknown() {
    let (one, other) = (knowing(Value::Null, Value::Null).await, knowing(Value::Null, Value::Null).await);
    assert_eq!(solana(&[&one, &other], 1).get_transaction(&hash()).await.unwrap(), None);
    assert_eq!((one.calls("getTransaction").len(), other.calls("getTransaction").len()), (1, 1));
    let knows = knowing(told(&Value::Null), status("finalized")).await;
    assert!(solana(&[&one, &knows], 1).get_transaction(&hash()).await.unwrap().is_some());
}
