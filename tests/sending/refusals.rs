//! What is no transaction of that chain is refused before anybody hears of it; what the chain refuses is kept, with its reason.

use ethers::types::transaction::eip2718::TypedTransaction;
use ethers::types::{TransactionRequest, U256};
use ethers_signers::Signer;
use serde_json::json;
use support::rpc_proxy::Mode;

use super::Scene;
use super::scene::{SEND, TO, transfer};

fn legacy() -> TransactionRequest {
    TransactionRequest::new().to(TO).value(5).nonce(0).gas(21_000).gas_price(10_000_000_000_u64)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_transaction_of_this_chain_is_refused_with_a_reason_and_leaves_no_trace() {
    let scene = Scene::new().await;
    let payment = scene.payment(1, 0, 5).await;
    let other_chain = TypedTransaction::Eip1559(transfer(0, 5.into()).chain_id(1));
    let signature = scene.wallet(1).with_chain_id(1_u64).sign_transaction(&other_chain).await.unwrap();
    let before_eip_155 = TypedTransaction::Legacy(legacy());
    let old = scene.wallet(1).sign_hash(before_eip_155.sighash()).unwrap();
    for (what, signed, problem) in [
        ("empty", String::new(), "signed"),
        ("blank", "  ".to_owned(), "signed"),
        ("no bytes", "0x".to_owned(), "there is no transaction"),
        ("garbage", "not a transaction!".to_owned(), "hexadecimal with 0x, or base64"),
        ("half a byte", format!("{payment}0"), "hexadecimal"),
        ("cut short", payment[..payment.len() - 8].to_owned(), "it is cut short"),
        ("followed by something", format!("{payment}00"), "it is cut short, or something follows it"),
        ("of an unknown type", payment.replacen("0x02", "0x7e", 1), "type 126"),
        ("unsigned", TypedTransaction::Eip1559(transfer(0, 5.into())).rlp().to_string(), "not signed"),
        ("unsigned, legacy", TypedTransaction::Legacy(legacy().chain_id(31_337)).rlp().to_string(), "not signed"),
        ("of another chain", other_chain.rlp_signed(&signature).to_string(), "chain 1, not 31337"),
        ("of any chain", before_eip_155.rlp_signed(&old).to_string(), "EIP-155"),
        ("one of Solana's", "AQ==".to_owned(), "transaction"),
        ("a hash", format!("0x{}", "ab".repeat(32)), "type 171"),
    ] {
        let answer = scene.send(&signed).await;
        let (code, message) = answer.refusal();
        assert_eq!(code, "BAD_USER_INPUT", "{what}: {answer:?}");
        assert!(message.contains(problem), "{what}: {message}");
        assert!(message.len() < 300 && !message.contains(&payment[4..60]), "{what}: {message}");
    }
    let answer = scene.ask(Some("ada"), SEND, json!({ "chain": "solana", "signed": payment })).await;
    assert_eq!(answer.refusal(), ("BAD_USER_INPUT", "unsupported chain \"solana\"; supported: anvil"));
    assert_eq!(scene.all_events().await, 0);
    assert!(!scene.provider.calls().iter().any(|call| call == "eth_sendRawTransaction"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_long_is_not_even_read() {
    let scene = Scene::new().await;
    for length in [2_000_000, 1_000_000, 400_000] {
        let answer = scene.send(&format!("0x02{}", "00".repeat(length / 2))).await;
        assert_eq!(answer.refusal().0, "BAD_USER_INPUT", "{length}: {:?}", answer.status);
    }
    assert_eq!(scene.all_events().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nonce_that_was_used_is_named() {
    let scene = Scene::new().await;
    scene.send(&scene.payment(1, 0, 5).await).await.sent();
    let replayed = scene.payment(1, 0, 6).await;
    let answer = scene.send(&replayed).await;
    let (code, message) = answer.refusal();
    assert_eq!(code, "BAD_USER_INPUT");
    assert!(message.contains("nonce 0") && message.contains("the next one is 1"), "{message}");
    let hash = hash_of(&replayed);
    assert_eq!(scene.history(&hash).await, ["TransactionSubmitted", "TransactionRejected"]);
    assert_eq!(scene.events(&hash).await[1].data["reason"], message);
    // Handed in again, it is tried again, and refused again.
    assert_eq!(scene.send(&replayed).await.refusal(), (code, message));
    assert_eq!(scene.history(&hash).await.len(), 4);
    assert_eq!(scene.on_chain(1).await, 1.into());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_cannot_pay_is_refused_until_they_can() {
    let scene = Scene::new().await;
    let dear = scene.sign(1, transfer(0, U256::exp10(24))).await;
    let answer = scene.send(&dear).await;
    let (code, message) = answer.refusal();
    assert_eq!(code, "BAD_USER_INPUT");
    assert!(message.to_lowercase().contains("insufficient funds"), "{message}");
    let hash = hash_of(&dear);
    assert_eq!(scene.history(&hash).await, ["TransactionSubmitted", "TransactionRejected"]);
    assert_eq!(scene.settle(1).await.settled, 0, "a refused one is nothing to wait for");
    scene.anvil.set_balance(scene.anvil.accounts()[1].address, U256::exp10(25)).await;
    assert_eq!(scene.send(&dear).await.sent()["state"], "ACCEPTED");
    let states = ["TransactionSubmitted", "TransactionRejected", "TransactionSubmitted", "TransactionAccepted"];
    assert_eq!(scene.history(&hash).await, states);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_down_leaves_it_submitted_and_to_be_sent_again() {
    let scene = Scene::new().await;
    let payment = scene.payment(1, 0, 5).await;
    let hash = hash_of(&payment);
    scene.provider.behave(Mode::Refuse).await;
    let answer = scene.send(&payment).await;
    assert_eq!(answer.refusal(), ("UPSTREAM_UNAVAILABLE", "anvil is unavailable"));
    assert_eq!(scene.history(&hash).await, ["TransactionSubmitted"]);
    scene.provider.behave(Mode::Pass).await;
    assert_eq!(scene.send(&payment).await.sent()["state"], "ACCEPTED");
    assert_eq!(scene.history(&hash).await, ["TransactionSubmitted", "TransactionAccepted"]);
    assert_eq!(scene.on_chain(1).await, 1.into());
}

/// The node took it, and its answer never came: the watcher sees what became of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_lost_is_made_up_for() {
    let scene = Scene::new().await;
    let payment = scene.payment(1, 0, 5).await;
    let hash = hash_of(&payment);
    scene.provider.behave(Mode::Garbage).await;
    assert_eq!(scene.send(&payment).await.refusal().0, "UPSTREAM_UNAVAILABLE");
    scene.anvil.rpc("eth_sendRawTransaction", json!([payment])).await;
    scene.provider.behave(Mode::Pass).await;
    assert_eq!(scene.settle(1).await.settled, 1);
    assert_eq!(scene.history(&hash).await, ["TransactionSubmitted", "TransactionConfirmed"]);
    assert_eq!(scene.send(&payment).await.sent()["state"], "CONFIRMED");
}

/// A transaction's hash, as everybody calculates it.
pub(super) fn hash_of(signed: &str) -> String {
    let bytes = ethers::utils::hex::decode(signed).expect("hexadecimal");
    format!("0x{}", ethers::utils::hex::encode(ethers::utils::keccak256(bytes)))
}
