use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use solana_message::VersionedMessage;

use super::*;
use crate::sources::chains::{ChainAdapter, ChainError, Draft, SignedTransaction};

fn transaction() -> SignedTransaction {
    let transaction = signed(VersionedMessage::Legacy(message(&key(1), 5, &[])), &[&key(1)]);
    super::super::wire::decode_signed(&bytes(&transaction)).unwrap()
}

fn preflight(failure: &Value, text: &str) -> Answer {
    let logs = ["Program 11111111111111111111111111111111 invoke [1]", "Transfer: insufficient lamports 1, need 5"];
    let data =
        json!({ "err": failure, "logs": logs, "accounts": null, "unitsConsumed": 150, "innerInstructions": null });
    Err(json!({ "code": -32002, "message": format!("Transaction simulation failed: {text}"), "data": data }))
}

async fn refusing(answer: impl Fn() -> Answer + Send + Sync + 'static) -> FakeNode {
    node(move |method, _| match method {
        "sendTransaction" => answer(),
        "getTransaction" => Ok(Value::Null),
        "getSignatureStatuses" => at(CONFIRMED, json!([null])),
        _ => unknown(method),
    })
    .await
}

#[tokio::test]
async fn a_transaction_is_sent_as_it_was_signed() {
    let node = node(|_, _| Ok(json!("5j7s"))).await;
    let transaction = transaction();
    solana(&[&node], 1).send_transaction(&transaction).await.unwrap();
    let sent = node.calls("sendTransaction").remove(0);
    assert_eq!(sent[0], BASE64_STANDARD.encode(&transaction.bytes));
    assert_eq!((&sent[1]["encoding"], &sent[1]["skipPreflight"]), (&json!("base64"), &json!(false)));
}

#[tokio::test]
async fn what_was_processed_already_is_sent() {
    for node in [
        refusing(|| preflight(&json!("AlreadyProcessed"), "This transaction has already been processed")).await,
        refusing(|| Err(json!({ "code": -32002, "message": "This transaction has already been processed" }))).await,
    ] {
        solana(&[&node], 1).send_transaction(&transaction()).await.unwrap();
    }
}

#[tokio::test]
async fn a_failed_simulation_is_told_with_its_last_line() {
    let failure = json!({ "InstructionError": [0, { "Custom": 1 }] });
    let node = refusing(move || preflight(&failure, "Error processing Instruction 0")).await;
    let Err(ChainError::Refused(text)) = solana(&[&node], 1).send_transaction(&transaction()).await else { panic!() };
    assert_eq!(
        text,
        "Error processing Instruction 0: custom program error: 0x1 (Transfer: insufficient lamports 1, need 5)"
    );
}

#[tokio::test]
async fn what_landed_is_sent_though_its_blockhash_is_too_old_by_now() {
    let node = node(|method, _| match method {
        "sendTransaction" => preflight(&json!("BlockhashNotFound"), "Blockhash not found"),
        "getTransaction" => Ok(Value::Null),
        "getSignatureStatuses" => at(
            CONFIRMED,
            json!([{ "slot": 900, "confirmations": null, "err": null, "status": { "Ok": null }, "confirmationStatus": "finalized" }]),
        ),
        _ => unknown(method),
    })
    .await;
    solana(&[&node], 1).send_transaction(&transaction()).await.unwrap();
}

#[tokio::test]
async fn another_node_may_know_the_blockhash() {
    let old = refusing(|| preflight(&json!("BlockhashNotFound"), "Blockhash not found")).await;
    let Err(ChainError::Refused(text)) = solana(&[&old], 1).send_transaction(&transaction()).await else { panic!() };
    assert_eq!(text, "its blockhash is unknown or too old: sign again");
    let new = node(|_, _| Ok(json!("5j7s"))).await;
    solana(&[&old, &new], 1).send_transaction(&transaction()).await.unwrap();
    assert_eq!(new.calls("sendTransaction").len(), 1);
}

#[tokio::test]
async fn where_nobody_answers_it_is_not_known() {
    let node = refusing(|| Err(json!({ "code": -32005, "message": "Node is unhealthy" }))).await;
    let outcome = solana(&[&node], 1).send_transaction(&transaction()).await;
    assert!(matches!(outcome, Err(ChainError::Unavailable { .. })), "{outcome:?}");
}

/// A node that takes 5,000 lamports a signature, and what a message itself offers.
async fn charging(known: bool) -> FakeNode {
    node(move |method, params| match method {
        "getFeeForMessage" => {
            let message = BASE64_STANDARD.decode(params[0].as_str().unwrap()).unwrap();
            let message = super::super::wire::decode_message(&message).unwrap();
            let price = message.instructions().iter().find(|call| call.data.first() == Some(&3));
            let price = price.map_or(0, |call| u64::from_le_bytes(call.data[1..].try_into().unwrap()));
            at(CONFIRMED, if known { json!(5_000 + price) } else { Value::Null })
        }
        "getRecentPrioritizationFees" => {
            let paid = (0..=100).map(|price| json!({ "slot": 1_000 + price, "prioritizationFee": price * 10 }));
            Ok(paid.collect())
        }
        _ => unknown(method),
    })
    .await
}

fn draft(budget: &[Vec<u8>]) -> Draft {
    let message = VersionedMessage::Legacy(message(&key(1), 5, budget)).serialize();
    Draft { message: Some(message), ..Draft::default() }
}

#[tokio::test]
async fn a_fee_is_the_base_and_the_price_of_all_units() {
    let node = charging(true).await;
    let solana = solana(&[&node], 1);
    let fee = solana.estimate_fee(&draft(&[])).await.unwrap();
    assert_eq!(fee.units, 200_000);
    assert_eq!(
        (fee.slow.priority.as_u64(), fee.normal.max_price.as_u64(), fee.fast.max_price.as_u64()),
        (250, 500, 900)
    );
    assert_eq!(fee.slow.total.units.as_u64(), 5_050);
    assert_eq!(fee.fast.total.to_decimal(), "0.00000518");
    // The payer and who is paid are written, the programs are not.
    let asked = node.calls("getRecentPrioritizationFees").remove(0);
    assert_eq!(asked, json!([[address(&key(1)).to_string(), address(&key(2)).to_string()]]));
    // All that in one request, after the probe.
    assert_eq!(node.requests().len(), 2);
}

#[tokio::test]
async fn a_price_that_the_message_sets_does_not_count_twice() {
    let node = charging(true).await;
    let limit = [&[2][..], &1_001_u32.to_le_bytes()].concat();
    let price = [&[3][..], &77_000_u64.to_le_bytes()].concat();
    let fee = solana(&[&node], 1).estimate_fee(&draft(&[limit, price])).await.unwrap();
    assert_eq!(fee.units, 1_001);
    assert_eq!(fee.slow.total.units.as_u64(), 5_001);
    let most = [&[2][..], &u32::MAX.to_le_bytes()].concat();
    assert_eq!(solana(&[&node], 1).estimate_fee(&draft(&[most])).await.unwrap().units, 1_400_000);
}

#[tokio::test]
async fn a_fee_needs_a_message_whose_blockhash_is_known() {
    let node = charging(false).await;
    let solana = solana(&[&node], 1);
    let Err(ChainError::Refused(text)) = solana.estimate_fee(&draft(&[])).await else { panic!() };
    assert_eq!(text, "its blockhash is unknown or too old");
    let Err(ChainError::Invalid(text)) = solana.estimate_fee(&Draft::default()).await else { panic!() };
    assert_eq!(text, "Solana needs the message");
    let junk = Draft { message: Some(vec![1, 2, 3]), ..Draft::default() };
    assert!(matches!(solana.estimate_fee(&junk).await, Err(ChainError::Invalid(_))));
}
