//! Whatever the forks, what a reader was told is in the end what is on the chain.

use mcp_core::domain::watch::ChainEvent;

use super::*;
use crate::chains::reader::Reader;

/// What the reader keeps: behind a scan's beginning, only what the scan says counts.
fn keep(kept: &mut Vec<ChainEvent>, from: u64, events: Vec<ChainEvent>) {
    kept.retain(|event| event.block.number < from);
    kept.extend(events);
}

/// As the node itself lists them: block, its hash, transaction.
async fn on_chain(ledger: &Ledger) -> Vec<(u64, String, String)> {
    let query = json!([{ "fromBlock": "0x0", "toBlock": "latest", "address": ledger.token }]);
    let logs = ledger.anvil.rpc("eth_getLogs", query).await;
    let text = |log: &Value, name: &str| log[name].as_str().unwrap().to_owned();
    let log =
        |log: &Value| (as_u256(&log["blockNumber"]).as_u64(), text(log, "blockHash"), text(log, "transactionHash"));
    logs.as_array().unwrap().iter().map(log).collect()
}

#[tokio::test]
async fn after_any_forks_what_was_told_is_what_is_on_the_chain() {
    let ledger = Ledger::start().await;
    let adapter = ledger.adapter();
    let filter = EventFilter { from_block: Some(0), ..ledger.filter() };
    let mut reader = Reader::new(&*adapter, &filter);
    let mut kept = vec![];
    // Depth of the fork, transactions before it, of which so many come again, and whether the reader looks in between.
    let rounds =
        [(1, 1, 0, true), (3, 2, 1, true), (2, 4, 2, false), (6, 3, 3, true), (1, 0, 0, false), (4, 5, 1, true)];
    for (depth, count, again, looks) in rounds {
        let mut signed = vec![];
        for account in 1..=count {
            let transfer = ledger.sign(account, 1).await;
            ledger.mine(&[&transfer.0]).await;
            signed.push((transfer.0, 0));
        }
        ledger.anvil.mine(1).await;
        if looks {
            let scan = reader.next().await.unwrap();
            keep(&mut kept, scan.from, scan.events);
        }
        signed.truncate(again);
        // Those whose first blocks are not replaced are there still.
        let gone = usize::try_from(depth - 1).unwrap().min(count);
        let replaced: Vec<_> = signed.into_iter().skip(count - gone).collect();
        ledger.anvil.reorg(depth, &replaced).await;
        let scan = reader.next().await.unwrap();
        assert!(scan.caught_up);
        keep(&mut kept, scan.from, scan.events);
        let told: Vec<_> = kept
            .iter()
            .map(|event| (event.block.number, event.block.hash.clone(), event.transaction.clone()))
            .collect();
        assert_eq!(told, on_chain(&ledger).await);
    }
}
