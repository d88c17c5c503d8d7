//! What becomes of a transaction that was taken.

use ethers::types::U256;
use serde_json::{Value, json};
use support::anvil::call_data;
use support::uniswap::test_token;

use super::Scene;
use super::scene::transfer;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_in_a_block_is_confirmed_once() {
    let scene = Scene::new().await;
    let payment = scene.payment(1, 0, 5).await;
    let hash = text(&scene.send(&payment).await.sent()["hash"]);
    assert_eq!(scene.settle(0).await.settled, 0, "who has just sent it still waits for an answer");
    let summary = scene.settle(1).await;
    assert_eq!((summary.settled, summary.failed), (1, 0));
    assert_eq!(scene.settle(1).await.settled, 0);
    assert_eq!(scene.history(&hash).await, ["TransactionSubmitted", "TransactionAccepted", "TransactionConfirmed"]);
    let confirmed = &scene.events(&hash).await[2].data;
    assert_eq!(confirmed["block"], json!({ "number": 1, "hash": scene.anvil.block(1).await["hash"] }));
    let asked = scene.provider.calls().len();
    assert_eq!(scene.send(&payment).await.sent()["state"], "CONFIRMED");
    assert_eq!(scene.provider.calls().len(), asked, "what is settled is not sent again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_reverts_has_failed() {
    let scene = Scene::new().await;
    let token = test_token(&scene.anvil, U256::one()).await;
    let recipient = ethers::abi::Token::Address(super::scene::TO);
    let data = call_data("transfer(address,uint256)", &[recipient, ethers::abi::Token::Uint(5.into())]);
    let call = scene.sign(1, transfer(0, U256::zero()).to(token).data(data)).await;
    let hash = text(&scene.send(&call).await.sent()["hash"]);
    assert_eq!(scene.settle(1).await.settled, 1);
    assert_eq!(scene.history(&hash).await, ["TransactionSubmitted", "TransactionAccepted", "TransactionFailed"]);
    assert!(scene.events(&hash).await[2].data["error"].is_string());
    assert_eq!(scene.send(&call).await.sent()["state"], "FAILED");
    assert_eq!(scene.on_chain(1).await, 1.into());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_waits_is_waited_for() {
    let scene = Scene::new().await;
    scene.anvil.rpc("evm_setAutomine", json!([false])).await;
    let hash = text(&scene.send(&scene.payment(1, 0, 5).await).await.sent()["hash"]);
    // However long: the node has it.
    assert_eq!(scene.settle(60).await.settled, 0);
    scene.anvil.mine(1).await;
    assert_eq!(scene.settle(0).await.settled, 1);
    assert_eq!(scene.history(&hash).await.last().unwrap(), "TransactionConfirmed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_a_reorganisation_took_out_is_not_confirmed_and_can_be_sent_again() {
    let scene = Scene::new().await;
    scene.anvil.mine(2).await;
    let payment = scene.payment(1, 0, 5).await;
    let hash = text(&scene.send(&payment).await.sent()["hash"]);
    forget(&scene, &hash).await;
    assert_eq!(scene.settle(1).await.settled, 0);
    assert_eq!(scene.send(&payment).await.sent()["state"], "ACCEPTED");
    assert_eq!((scene.on_chain(1).await, scene.settle(1).await.settled), (1.into(), 1));
    assert_eq!(scene.history(&hash).await, ["TransactionSubmitted", "TransactionAccepted", "TransactionConfirmed"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_no_node_knows_is_dropped_once_another_has_taken_its_place() {
    let scene = Scene::new().await;
    scene.anvil.mine(2).await;
    let hash = text(&scene.send(&scene.payment(1, 0, 5).await).await.sent()["hash"]);
    forget(&scene, &hash).await;
    assert_eq!(scene.settle(14).await.settled, 0, "it may come yet");
    assert_eq!(scene.settle(600).await.settled, 0, "whoever has the bytes can still send it");
    let other = text(&scene.send(&scene.payment(1, 0, 6).await).await.sent()["hash"]);
    scene.anvil.mined().await;
    assert_eq!(scene.settle(20).await.settled, 2);
    assert_eq!(scene.history(&hash).await, ["TransactionSubmitted", "TransactionAccepted", "TransactionDropped"]);
    assert_eq!(scene.history(&other).await.last().unwrap(), "TransactionConfirmed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_down_settles_nothing_and_loses_nothing() {
    use support::rpc_proxy::Mode;

    let scene = Scene::new().await;
    let hash = text(&scene.send(&scene.payment(1, 0, 5).await).await.sent()["hash"]);
    scene.provider.behave(Mode::Refuse).await;
    let summary = scene.settle(60).await;
    assert_eq!((summary.settled, summary.failed), (0, 1), "what cannot be asked for is not dropped");
    scene.provider.behave(Mode::Pass).await;
    assert_eq!(scene.settle(0).await.settled, 1);
    assert_eq!(scene.history(&hash).await.last().unwrap(), "TransactionConfirmed");
}

/// A reorganisation takes it out of its block; the node's pool may have it after that, and does not for long.
async fn forget(scene: &Scene, hash: &str) {
    scene.anvil.mined().await;
    scene.anvil.reorg(1, &[]).await;
    scene.anvil.rpc("anvil_dropTransaction", json!([hash])).await;
    assert!(scene.anvil.rpc("eth_getTransactionByHash", json!([hash])).await.is_null(), "it is gone");
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value}")).to_owned()
}
