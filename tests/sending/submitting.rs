//! What is handed in is sent: once, however often it is handed in.

use axum::http::StatusCode;
use futures_util::future::join_all;
use serde_json::json;

use super::Scene;
use super::scene::SEND;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_is_accepted_and_on_the_chain() {
    let scene = Scene::new().await;
    let answer = scene.send(&scene.payment(1, 0, 5).await).await;
    let sent = answer.sent();
    assert_eq!((&sent["chain"], &sent["state"]), (&json!("eip155:31337"), &json!("ACCEPTED")));
    let from = ethers::utils::to_checksum(&scene.anvil.accounts()[1].address, None);
    assert_eq!((&sent["from"], &sent["nonce"]), (&json!(from), &json!("0")), "{sent}");
    let hash = sent["hash"].as_str().unwrap();
    let receipt = scene.receipt(hash).await;
    assert_eq!(receipt["status"], "0x1", "{receipt}");
    assert_eq!(scene.paid().await, 5.into());
    let events = scene.events(hash).await;
    assert_eq!(scene.history(hash).await, ["TransactionSubmitted", "TransactionAccepted"]);
    assert_eq!(events[0].data["userId"], "ada", "{events:?}");
    assert_eq!(events[0].metadata.user_id.as_deref(), Some("ada"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handing_it_in_again_says_the_same_and_does_nothing() {
    let scene = Scene::new().await;
    let payment = scene.payment(1, 0, 5).await;
    let first = scene.send(&payment).await;
    scene.anvil.mine(3).await;
    for text in [payment.clone(), format!("  {payment}\n"), payment.to_uppercase().replacen("0X", "0x", 1)] {
        assert_eq!(scene.send(&text).await.sent(), first.sent());
    }
    let somebody_else = scene.ask(Some("bob"), SEND, json!({ "chain": "eip155:31337", "signed": payment })).await;
    assert_eq!(somebody_else.sent(), first.sent());
    assert_eq!(scene.all_events().await, 2);
    assert_eq!((scene.on_chain(1).await, scene.paid().await), (1.into(), 5.into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_at_once_are_one() {
    let scene = Scene::new().await;
    // The node has it in its pool for a while.
    scene.anvil.rpc("evm_setAutomine", json!([false])).await;
    let payment = scene.payment(1, 0, 5).await;
    let answers = join_all((0..8).map(|_| scene.send(&payment))).await;
    let hashes: Vec<_> = answers.iter().map(|answer| answer.sent()["hash"].clone()).collect();
    assert!(hashes.iter().all(|hash| *hash == hashes[0]));
    let hash = hashes[0].as_str().unwrap();
    assert_eq!(scene.history(hash).await, ["TransactionSubmitted", "TransactionAccepted"]);
    scene.anvil.mine(1).await;
    assert_eq!((scene.on_chain(1).await, scene.paid().await), (1.into(), 5.into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nonce_that_is_not_yet_due_waits_for_the_one_before() {
    let scene = Scene::new().await;
    let (first, second) = (scene.payment(1, 0, 5).await, scene.payment(1, 1, 7).await);
    assert_eq!(scene.send(&second).await.sent()["state"], "ACCEPTED");
    assert_eq!(scene.on_chain(1).await, 0.into());
    scene.send(&first).await.sent();
    scene.anvil.mine(1).await;
    assert_eq!((scene.on_chain(1).await, scene.paid().await), (2.into(), 12.into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_needs_a_token() {
    let scene = Scene::new().await;
    let payment = scene.payment(1, 0, 5).await;
    let answer = scene.ask(None, SEND, json!({ "chain": "anvil", "signed": payment })).await;
    assert_eq!((answer.status, answer.refusal().0), (StatusCode::UNAUTHORIZED, "UNAUTHENTICATED"));
    assert_eq!((scene.all_events().await, scene.on_chain(1).await), (0, 0.into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_a_minute_are_enough_for_anybody() {
    let scene = Scene::with(&[]).await;
    for nonce in 0..10 {
        scene.send(&scene.payment(1, nonce, 1).await).await.sent();
    }
    let refused = scene.send(&scene.payment(1, 10, 1).await).await;
    assert_eq!((refused.status, refused.refusal().0), (StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED"));
    let after: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=61).contains(&after), "{after}");
    assert_eq!((scene.on_chain(1).await, scene.all_events().await), (10.into(), 20));
    let aliases = "mutation($chain: String!, $signed: String!) { a: sendTransaction(chain: $chain, signed: $signed) { hash } \
        b: sendTransaction(chain: $chain, signed: $signed) { hash } }";
    let variables = json!({ "chain": "anvil", "signed": scene.payment(2, 0, 1).await });
    assert!(scene.ask(Some("bob"), aliases, variables).await.json.get("errors").is_none(), "others are counted apart");
    assert_eq!(scene.on_chain(2).await, 1.into());
}
