//! Stretches, filters and where reading begins.

use ethers::types::H256;
use mcp_core::sources::chains::ChainError;
use support::rpc_proxy::Mode;

use super::*;
use crate::chains::reader::{Reader, transactions};

#[tokio::test]
async fn a_long_stretch_is_read_in_parts_that_the_node_gives() {
    let ledger = Ledger::start().await;
    let first = ledger.anvil.block_number().await + 1;
    let mut happened = vec![];
    for units in 1..=10 {
        happened.push(ledger.transfer(TO, units).await);
        ledger.anvil.mine(49).await;
    }
    ledger.proxy.behave(Mode::NoLogsRange(50)).await;
    let adapter = ledger.adapter();
    let filter = EventFilter { from_block: Some(first), ..ledger.filter() };
    let mut reader = Reader::new(&*adapter, &filter);
    assert_eq!(transactions(&reader.rest().await), happened);
    assert_eq!(reader.trail.blocks.last().unwrap().number, first + 499);
    let asked = ledger.proxy.calls().iter().filter(|method| *method == "eth_getLogs").count();
    assert!(asked < 40, "{asked} requests for 500 blocks");
}

/// Not even one block's: there is nothing left to try.
#[tokio::test]
async fn what_no_node_gives_is_an_error_and_no_gap() {
    let ledger = Ledger::start().await;
    let adapter = ledger.adapter();
    let mut reader = Reader::new(&*adapter, &ledger.filter());
    reader.rest().await;
    let happened = ledger.transfer(TO, 1).await;
    ledger.proxy.behave(Mode::NoLogsRange(0)).await;
    assert!(matches!(reader.next().await, Err(ChainError::Refused(_) | ChainError::Unavailable { .. })));
    ledger.proxy.behave(Mode::Pass).await;
    assert_eq!(transactions(&reader.rest().await), [happened]);
}

#[tokio::test]
async fn what_is_in_one_block_comes_in_its_order() {
    let ledger = Ledger::start().await;
    let adapter = ledger.adapter();
    let mut reader = Reader::new(&*adapter, &ledger.filter());
    reader.rest().await;
    let mut signed = vec![];
    for account in 1..6 {
        signed.push(ledger.sign(account, 1).await);
    }
    ledger.mine(&signed.iter().map(|(raw, _)| raw).collect::<Vec<_>>()).await;
    let told = reader.rest().await;
    let number = ledger.anvil.block_number().await;
    assert!(told.iter().all(|event| event.block.number == number));
    assert_eq!(told.iter().map(|event| event.index).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    let block = ledger.anvil.block(number).await;
    assert_eq!(json!(transactions(&told)), block["transactions"]);
}

#[tokio::test]
async fn topics_let_through_what_they_say() {
    let ledger = Ledger::start().await;
    let adapter = ledger.adapter();
    let other = Address::repeat_byte(8);
    let from = ledger.anvil.block_number().await + 1;
    let ours = [ledger.transfer(TO, 1).await, ledger.transfer(TO, 2).await];
    let theirs = ledger.transfer(other, 3).await;
    let word = |address: Address| format!("{:#x}", H256::from(address));
    let told = async |topics: Vec<Vec<String>>, addresses: Vec<String>| {
        let filter = EventFilter { topics, addresses, from_block: Some(from), ..ledger.filter() };
        transactions(&Reader::new(&*adapter, &filter).rest().await)
    };
    let token = ledger.filter().addresses;
    assert_eq!(told(vec![vec![transfer_topic()], vec![], vec![word(TO)]], token.clone()).await, ours);
    assert_eq!(told(vec![vec![], vec![], vec![word(other)]], vec![]).await, std::slice::from_ref(&theirs));
    let both = [&ours[..], &[theirs]].concat();
    assert_eq!(told(vec![vec![], vec![], vec![word(other), word(TO)]], token.clone()).await, both);
    assert_eq!(told(vec![vec![word(TO)]], token.clone()).await, [""; 0]);
    assert_eq!(told(vec![], token).await, both);
}

#[tokio::test]
async fn reading_begins_where_the_filter_says() {
    let ledger = Ledger::start().await;
    let adapter = ledger.adapter();
    ledger.transfer(TO, 1).await;
    let second = ledger.transfer(TO, 2).await;
    let from_block = Some(ledger.anvil.block_number().await);
    let filter = EventFilter { from_block, ..ledger.filter() };
    assert_eq!(transactions(&Reader::new(&*adapter, &filter).rest().await), [second]);
    let later = EventFilter { from_block: from_block.map(|block| block + 10), ..ledger.filter() };
    let mut reader = Reader::new(&*adapter, &later);
    assert_eq!(reader.rest().await, []);
    ledger.anvil.mine(9).await;
    let third = ledger.transfer(TO, 3).await;
    assert_eq!(transactions(&reader.rest().await), [third]);
}

#[tokio::test]
async fn a_log_is_told_whole() {
    let ledger = Ledger::start().await;
    let adapter = ledger.adapter();
    let mut reader = Reader::new(&*adapter, &ledger.filter());
    reader.rest().await;
    let transaction = ledger.transfer(TO, 258).await;
    let event = reader.rest().await.remove(0);
    let number = ledger.anvil.block_number().await;
    assert_eq!((event.block.number, event.block.hash), (number, ledger.hash_of(number).await));
    assert_eq!((event.transaction, event.index, event.succeeded), (transaction, 0, true));
    assert_eq!(event.address, to_checksum(&ledger.token, None));
    let word = |address: Address| format!("{:#x}", H256::from(address));
    assert_eq!(event.topics, [transfer_topic(), word(ledger.anvil.accounts()[0].address), word(TO)]);
    assert_eq!(event.data, format!("0x{:064x}", 258));
}

#[tokio::test]
async fn a_node_behind_the_trail_is_not_believed_and_nothing_is_lost() {
    let ledger = Ledger::start().await;
    let adapter = ledger.adapter();
    let mut reader = Reader::new(&*adapter, &ledger.filter());
    reader.rest().await;
    let first = ledger.transfer(TO, 1).await;
    assert_eq!(transactions(&reader.rest().await), [first]);
    ledger.proxy.behave(Mode::Lag(3)).await;
    let error = reader.next().await.unwrap_err();
    assert!(matches!(error, ChainError::Unavailable { .. }), "{error:?}");
    let second = ledger.transfer(TO, 2).await;
    ledger.proxy.behave(Mode::Pass).await;
    assert_eq!(transactions(&reader.rest().await), [second]);
}

#[tokio::test]
async fn where_one_node_is_behind_the_trail_the_other_is_asked() {
    let ledger = Ledger::start().await;
    let late = RpcProxy::before(&ledger.anvil.url()).await;
    late.behave(Mode::Lag(3)).await;
    for urls in [[late.url(), ledger.proxy.url()], [ledger.proxy.url(), late.url()]] {
        let adapter = evm("anvil", &[&urls[0], &urls[1]]);
        let direct = ledger.adapter();
        let mut reader = Reader::new(&*direct, &ledger.filter());
        reader.rest().await;
        let mut reader = Reader { adapter: &*adapter, ..reader };
        let happened = ledger.transfer(TO, 1).await;
        let told = support::eventually::eventually("it is told", || async {
            let events =
                adapter.events_after(&reader.filter, &reader.trail).await.map_err(|error| error.to_string())?;
            if events.events.is_empty() { Err("nothing yet".to_owned()) } else { Ok(events) }
        })
        .await;
        crate::chains::reader::follow(&mut reader.trail, &told);
        assert_eq!(transactions(&told.events), [happened]);
    }
}
