use mcp_core::sources::chains::{ChainTransaction, TransactionStatus};

use super::{Ground, OnChain, chain_contract};

chain_contract!(
    a_hash_that_nobody_knows_is_no_transaction,
    a_transaction_is_pending_then_in_a_block_then_deep,
    what_is_told_of_a_transfer_is_what_was_signed,
    the_fee_is_what_the_sender_lost_beside_what_was_sent,
    a_transaction_that_failed_says_so_and_cost_something,
);

async fn known<G: Ground>(on: &OnChain<G>, hash: &str) -> ChainTransaction {
    on.adapter.get_transaction(hash).await.unwrap().unwrap()
}

pub(super) async fn a_hash_that_nobody_knows_is_no_transaction<G: Ground>(on: OnChain<G>) {
    assert_eq!(on.adapter.get_transaction(G::UNKNOWN_HASH).await.unwrap(), None);
    let (from, to) = (on.ground.rich().await, on.ground.nobody().await);
    let never_sent = on.transfer(&from, &to, 1_000_000).await;
    assert_eq!(on.adapter.get_transaction(&never_sent.hash).await.unwrap(), None);
}

pub(super) async fn a_transaction_is_pending_then_in_a_block_then_deep<G: Ground>(on: OnChain<G>) {
    let (from, to) = (on.ground.rich().await, on.ground.nobody().await);
    let signed = on.transfer(&from, &to, 1_000_000).await;
    on.ground.hold().await;
    on.ground.land(&signed.bytes).await;
    let pending = known(&on, &signed.hash).await;
    assert_eq!((pending.status, pending.block, pending.confirmations), (TransactionStatus::Pending, None, 0));
    on.ground.release().await;
    let fresh = known(&on, &signed.hash).await;
    let settled = on.adapter.chain().confirmations;
    assert_eq!(fresh.status, TransactionStatus::Succeeded);
    assert!((1..settled).contains(&fresh.confirmations), "{fresh:?}");
    on.ground.settle().await;
    let deep = known(&on, &signed.hash).await;
    assert!(deep.confirmations >= settled, "{deep:?}");
    assert_eq!((deep.block, deep.fee), (fresh.block, fresh.fee));
}

pub(super) async fn what_is_told_of_a_transfer_is_what_was_signed<G: Ground>(on: OnChain<G>) {
    let (from, to) = (on.ground.rich().await, on.ground.nobody().await);
    let signed = on.transfer(&from, &to, 1_000_000).await;
    on.ground.land(&signed.bytes).await;
    let told = known(&on, &signed.hash).await;
    assert_eq!(told.hash, signed.hash);
    assert_eq!((told.from, told.to), (from.address, Some(to)));
    assert_eq!(told.value.unwrap().units, 1_000_000.into());
    assert_eq!((told.nonce, told.error), (signed.nonce, None));
    assert!(told.timestamp.is_some() && told.block.is_some());
}

pub(super) async fn the_fee_is_what_the_sender_lost_beside_what_was_sent<G: Ground>(on: OnChain<G>) {
    let (from, to) = (on.ground.rich().await, on.ground.nobody().await);
    let before = on.ground.coins(&from.address).await;
    let signed = on.transfer(&from, &to, 1_000_000).await;
    on.ground.land(&signed.bytes).await;
    let fee = known(&on, &signed.hash).await.fee.unwrap();
    let after = on.ground.coins(&from.address).await;
    assert_eq!(before - after, fee.units + 1_000_000);
    assert_eq!(fee.symbol, on.adapter.chain().symbol);
}

pub(super) async fn a_transaction_that_failed_says_so_and_cost_something<G: Ground>(on: OnChain<G>) {
    let from = on.ground.rich().await;
    let before = on.ground.coins(&from.address).await;
    let bytes = on.ground.failing(&from).await;
    let signed = on.adapter.decode_signed(&bytes).unwrap();
    on.ground.land(&bytes).await;
    let told = known(&on, &signed.hash).await;
    assert_eq!(told.status, TransactionStatus::Failed);
    assert!(told.error.is_some_and(|error| !error.is_empty()));
    assert_eq!(told.fee.unwrap().units, before - on.ground.coins(&from.address).await);
}
