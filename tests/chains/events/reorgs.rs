//! Forks: what was told and is no longer so begins where the chains part.

use mcp_core::domain::watch::Trail;

use super::*;
use crate::chains::reader::{Reader, transactions};

/// Transfers of the accounts 1 to 5, each in a block of its own.
async fn five_transfers(ledger: &Ledger) -> Vec<(Value, String)> {
    let mut signed = vec![];
    for account in 1..6 {
        let transfer = ledger.sign(account, 10).await;
        ledger.mine(&[&transfer.0]).await;
        signed.push(transfer);
    }
    signed
}

#[tokio::test]
async fn after_a_fork_what_is_told_begins_where_the_chains_part() {
    let ledger = Ledger::start().await;
    let adapter = ledger.adapter();
    let filter = EventFilter { from_block: Some(0), ..ledger.filter() };
    let mut reader = Reader::new(&*adapter, &filter);
    let fork = ledger.anvil.block_number().await;
    let signed = five_transfers(&ledger).await;
    let before = reader.rest().await;
    assert_eq!(before.last().unwrap().transaction, signed[4].1);
    // Two of them come into other blocks, three do not come again.
    ledger.anvil.reorg(5, &[(signed[0].0.clone(), 1), (signed[2].0.clone(), 3)]).await;
    let scan = reader.next().await.unwrap();
    assert_eq!(scan.from, fork + 1);
    assert_eq!(transactions(&scan.events), [signed[0].1.clone(), signed[2].1.clone()]);
    for (event, number) in scan.events.iter().zip([fork + 2, fork + 4]) {
        assert_eq!((event.block.number, &event.block.hash), (number, &ledger.hash_of(number).await));
    }
    let through = scan.through.unwrap();
    assert_eq!((through.number, &through.hash), (fork + 5, &ledger.hash_of(fork + 5).await));
    assert_eq!(reader.rest().await, []);
    let later = ledger.transfer(TO, 3).await;
    assert_eq!(transactions(&reader.rest().await), [later]);
}

#[tokio::test]
async fn a_fork_in_which_nothing_happens_is_told_too() {
    let ledger = Ledger::start().await;
    let adapter = ledger.adapter();
    let filter = EventFilter { from_block: Some(0), ..ledger.filter() };
    let mut reader = Reader::new(&*adapter, &filter);
    let fork = ledger.anvil.block_number().await;
    five_transfers(&ledger).await;
    reader.rest().await;
    ledger.anvil.reorg(3, &[]).await;
    let scan = reader.next().await.unwrap();
    assert_eq!((scan.from, scan.events), (fork + 3, vec![]));
    assert_eq!(scan.through.unwrap().number, fork + 5);
}

/// Between known blocks: the whole stretch that may have changed is read again.
#[tokio::test]
async fn a_fork_between_two_blocks_of_the_trail_begins_behind_the_older() {
    let ledger = Ledger::start().await;
    let adapter = ledger.adapter();
    let mut reader = Reader::new(&*adapter, &ledger.filter());
    reader.rest().await;
    let known = reader.trail.blocks.last().unwrap().number;
    ledger.anvil.mine(10).await;
    let gone = ledger.transfer(TO, 1).await;
    assert_eq!(transactions(&reader.rest().await), [gone]);
    ledger.anvil.reorg(5, &[]).await;
    let scan = reader.next().await.unwrap();
    assert_eq!((scan.from, scan.events), (known + 1, vec![]));
}

#[tokio::test]
async fn a_fork_older_than_the_trail_is_read_from_the_trails_beginning() {
    let ledger = Ledger::start().await;
    let adapter = ledger.adapter();
    let mut reader = Reader::new(&*adapter, &ledger.filter());
    let signed = five_transfers(&ledger).await;
    reader.rest().await;
    let tip = ledger.anvil.block_number().await;
    reader.trail = Trail { blocks: reader.trail.blocks.split_off(reader.trail.blocks.len() - 1) };
    assert_eq!(reader.trail.blocks[0].number, tip);
    ledger.anvil.reorg(5, &[(signed[0].0.clone(), 0), (signed[4].0.clone(), 4)]).await;
    let scan = reader.next().await.unwrap();
    assert_eq!(scan.from, tip);
    assert_eq!(transactions(&scan.events), [signed[4].1.clone()]);
    assert_eq!(scan.through.unwrap().hash, ledger.hash_of(tip).await);
    let later = ledger.transfer(TO, 3).await;
    assert_eq!(transactions(&reader.rest().await), [later]);
}

#[tokio::test]
async fn what_is_dropped_before_it_counts_is_never_told() {
    let ledger = Ledger::of(7777).await;
    ledger.anvil.mine(20).await;
    let adapter = ledger.adapter();
    let mut reader = Reader::new(&*adapter, &ledger.filter());
    reader.rest().await;
    let signed = five_transfers(&ledger).await;
    assert_eq!(reader.rest().await, []);
    ledger.anvil.reorg(5, &[(signed[3].0.clone(), 2)]).await;
    ledger.anvil.mine(20).await;
    assert_eq!(transactions(&reader.rest().await), [signed[3].1.clone()]);
}
