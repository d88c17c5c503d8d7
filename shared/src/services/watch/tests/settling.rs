//! Transactions that are settled.

use super::*;
use crate::domain::transaction::{Submission, TransactionAggregate, TransactionCommand, TransactionState};
use crate::sources::chains::{ChainTransaction, TransactionStatus};
use crate::store::Repository;

fn transactions(it: &Fixture) -> Repository<TransactionAggregate> {
    Repository::new(Arc::clone(&it.store) as _)
}

async fn tell(it: &Fixture, chain: &ChainId, hash: &str, command: &TransactionCommand) {
    let subject = TransactionAggregate::subject(chain, hash);
    transactions(it).execute(&subject, command, &it.watcher.metadata("test"), None).await.unwrap();
}

async fn submit(it: &Fixture, chain: &ChainId, hash: &str) {
    let submission = Submission {
        chain: chain.clone(),
        hash: hash.to_owned(),
        from: "0xa".to_owned(),
        to: None,
        nonce: Some(1),
        user_id: None,
        submitted_at: it.clock.now(),
    };
    tell(it, chain, hash, &TransactionCommand::Submit(submission)).await;
}

async fn state(it: &Fixture, hash: &str) -> Option<TransactionState> {
    let subject = TransactionAggregate::subject(&ChainId::evm(1), hash);
    transactions(it).load(&subject).await.unwrap().state.state()
}

fn found(hash: &str, status: TransactionStatus, confirmations: u64) -> ChainTransaction {
    ChainTransaction {
        hash: hash.to_owned(),
        status,
        block: (status != TransactionStatus::Pending).then(|| block(9)),
        confirmations,
        timestamp: None,
        from: "0xa".to_owned(),
        to: None,
        value: None,
        fee: None,
        nonce: Some(1),
        error: (status == TransactionStatus::Failed).then(|| "reverted".to_owned()),
    }
}

fn without_filters() -> Fixture {
    let mut it = fixture();
    it.watcher.filters.clear();
    it
}

#[tokio::test]
async fn a_transaction_is_settled_once_its_block_is_deep_enough() {
    let it = without_filters();
    let chain = ChainId::evm(1);
    for hash in ["0x1", "0x2", "0x3", "0x4"] {
        submit(&it, &chain, hash).await;
    }
    tell(&it, &chain, "0x2", &TransactionCommand::Accept).await;
    assert_eq!(it.run().await.unwrap().settled, 0, "who has just handed it in waits for the node's answer");
    it.clock.advance(TimeDelta::seconds(11));
    it.chain.put(found("0x1", TransactionStatus::Succeeded, 3));
    it.chain.put(found("0x2", TransactionStatus::Failed, 4));
    it.chain.put(found("0x3", TransactionStatus::Succeeded, 2));
    it.chain.put(found("0x4", TransactionStatus::Pending, 0));
    assert_eq!(it.run().await.unwrap(), WatchSummary { settled: 2, ..WatchSummary::default() });
    let wanted = [TransactionState::Confirmed, TransactionState::Failed, TransactionState::Submitted];
    for (hash, wanted) in ["0x1", "0x2", "0x3"].into_iter().zip(wanted) {
        assert_eq!(state(&it, hash).await, Some(wanted), "{hash}");
    }
    it.chain.put(found("0x3", TransactionStatus::Succeeded, 3));
    assert_eq!(it.run().await.unwrap().settled, 1);
    assert_eq!(it.run().await.unwrap().settled, 0);
}

#[tokio::test]
async fn a_transaction_that_no_node_knows_is_dropped_in_the_end() {
    let it = without_filters();
    submit(&it, &ChainId::evm(1), "0x1").await;
    it.clock.advance(TimeDelta::minutes(15));
    assert_eq!(it.run().await.unwrap().settled, 0);
    it.clock.advance(TimeDelta::seconds(1));
    assert_eq!(it.run().await.unwrap().settled, 1);
    assert_eq!(state(&it, "0x1").await, Some(TransactionState::Dropped));
    // A node had it all the same: the chain is right.
    it.chain.put(found("0x1", TransactionStatus::Succeeded, 9));
    let settle = TransactionCommand::Settle { block: block(9), succeeded: true, error: None };
    tell(&it, &ChainId::evm(1), "0x1", &settle).await;
    assert_eq!(state(&it, "0x1").await, Some(TransactionState::Confirmed));
}

#[tokio::test]
async fn a_chain_that_is_down_keeps_no_other_transaction_waiting() {
    let mut it = fixture();
    let down = FakeChain::new(2);
    down.down.store(true, Ordering::SeqCst);
    it.watcher = watcher(&it.store, &[down.clone(), it.chain.clone()], &it.clock);
    it.watcher.filters.clear();
    for number in 0..120 {
        submit(&it, &ChainId::evm(2), &format!("0xd{number}")).await;
    }
    it.clock.advance(TimeDelta::seconds(1));
    submit(&it, &ChainId::evm(1), "0x1").await;
    it.chain.put(found("0x1", TransactionStatus::Succeeded, 9));
    it.clock.advance(TimeDelta::seconds(11));
    // It is asked for a page of transactions, and no more.
    assert_eq!(it.run().await.unwrap(), WatchSummary { settled: 1, failed: 50, ..WatchSummary::default() });
}
