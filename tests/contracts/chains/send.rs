use std::time::Duration;

use mcp_core::sources::chains::ChainError;
use support::eventually::within;

use super::{Ground, OnChain, chain_contract};

const SOON: Duration = Duration::from_secs(5);

chain_contract!(
    what_was_sent_happens,
    sending_again_is_a_success_and_happens_once,
    what_nobody_can_pay_is_refused,
    what_is_outdated_is_refused,
);

pub(super) async fn what_was_sent_happens<G: Ground>(on: OnChain<G>) {
    let (from, to) = (on.ground.rich().await, on.ground.nobody().await);
    on.adapter.send_transaction(&on.transfer(&from, &to, 1_000_000).await).await.unwrap();
    within(SOON, "it happens", async || on.ground.coins(&to).await == 1_000_000.into()).await;
}

pub(super) async fn sending_again_is_a_success_and_happens_once<G: Ground>(on: OnChain<G>) {
    let (from, to) = (on.ground.rich().await, on.ground.nobody().await);
    let signed = on.transfer(&from, &to, 1_000_000).await;
    on.ground.hold().await;
    on.adapter.send_transaction(&signed).await.unwrap();
    on.adapter.send_transaction(&signed).await.expect("it waits there already");
    on.ground.release().await;
    on.adapter.send_transaction(&signed).await.expect("it is in a block");
    on.ground.settle().await;
    on.adapter.send_transaction(&signed).await.expect("it is deep");
    assert_eq!(on.ground.coins(&to).await, 1_000_000.into());
}

pub(super) async fn what_nobody_can_pay_is_refused<G: Ground>(on: OnChain<G>) {
    let (from, to) = (on.ground.rich().await, on.ground.nobody().await);
    let more = on.ground.coins(&from.address).await * 2;
    let bytes = on.ground.sign(&from, &to, more).await;
    let why = refused(&on, &bytes).await;
    assert!(why.contains("insufficient"), "{why}");
    assert_eq!(on.ground.coins(&to).await, 0.into());
}

pub(super) async fn what_is_outdated_is_refused<G: Ground>(on: OnChain<G>) {
    let (from, to) = (on.ground.rich().await, on.ground.nobody().await);
    let bytes = on.ground.outdated(&from, &to).await;
    let before = on.ground.coins(&to).await;
    let why = refused(&on, &bytes).await;
    assert!(why.contains(G::OUTDATED), "{why}");
    assert_eq!(on.ground.coins(&to).await, before);
}

/// Why, in small letters. It does not get better by trying again.
async fn refused<G: Ground>(on: &OnChain<G>, bytes: &[u8]) -> String {
    let signed = on.adapter.decode_signed(bytes).unwrap();
    let mut reasons = vec![];
    for _ in 0..2 {
        match on.adapter.send_transaction(&signed).await {
            Err(ChainError::Refused(why)) => reasons.push(why.to_lowercase()),
            other => panic!("not refused: {other:?}"),
        }
    }
    assert_eq!(reasons[0], reasons[1]);
    reasons.remove(0)
}
