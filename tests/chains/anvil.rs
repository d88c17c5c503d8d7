use std::time::Duration;

use ethers_signers::{LocalWallet, Signer};
use serde_json::json;
use support::anvil::{Anvil, AnvilOptions, quantity};
use support::feed::Feed;
use support::json_rpc::JsonRpc;

use ethers::abi::{ParamType, Token, decode};
use ethers::types::{Address, Bytes, I256, U256};
use support::anvil::call_data;

#[tokio::test]
async fn a_transaction_mines_a_block_and_a_snapshot_takes_it_back() {
    let anvil = Anvil::start(AnvilOptions::default()).await;
    let (from, to) = (anvil.accounts()[0].address, Address::repeat_byte(7));
    let snapshot = anvil.snapshot().await;
    let receipt = anvil.send(from, to, Bytes::new(), 5.into()).await;
    assert_eq!((receipt.block_number, anvil.block_number().await), (Some(1.into()), 1));
    assert_eq!(anvil.balance(to).await, 5.into());
    anvil.revert(snapshot).await;
    assert_eq!((anvil.balance(to).await, anvil.block_number().await), (0.into(), 0));
}

#[tokio::test]
async fn its_ten_accounts_are_those_of_their_keys() {
    let anvil = Anvil::start(AnvilOptions { chain_id: 137, ..AnvilOptions::default() }).await;
    assert_eq!(anvil.accounts().len(), 10);
    for account in anvil.accounts() {
        let wallet = LocalWallet::from_bytes(account.key.as_bytes()).unwrap();
        assert_eq!(wallet.address(), account.address);
    }
    assert_eq!(anvil.rpc("eth_chainId", json!([])).await, "0x89");
}

#[tokio::test]
async fn a_reorg_changes_the_newest_blocks_and_puts_transactions_where_it_is_told() {
    let anvil = Anvil::start(AnvilOptions::default()).await;
    let (from, to) = (anvil.accounts()[0].address, Address::repeat_byte(7));
    anvil.mine(3).await;
    let gone = anvil.send(from, to, Bytes::new(), 5.into()).await;
    anvil.mine(2).await;
    let before = [anvil.block(3).await, anvil.block(4).await, anvil.block(6).await];
    let other = json!({ "from": from, "to": to, "value": "0x9" });
    anvil.reorg(3, &[(other, 1)]).await;
    let after = [anvil.block(3).await, anvil.block(4).await, anvil.block(6).await];
    assert_eq!(anvil.block_number().await, 6);
    assert_eq!(before[0]["hash"], after[0]["hash"]);
    assert_ne!(before[1]["hash"], after[1]["hash"]);
    assert_ne!(before[2]["hash"], after[2]["hash"]);
    assert!(anvil.rpc("eth_getTransactionReceipt", json!([gone.transaction_hash])).await.is_null());
    assert_eq!(anvil.block(5).await["transactions"].as_array().unwrap().len(), 1);
    assert_eq!(anvil.balance(to).await, 9.into());
}

#[tokio::test]
async fn blocks_come_by_the_clock_if_it_is_asked_to() {
    let anvil = Anvil::start(AnvilOptions { block_time: Some(1.0), ..AnvilOptions::default() }).await;
    let (from, to) = (anvil.accounts()[0].address, Address::repeat_byte(7));
    let receipt = anvil.send(from, to, Bytes::new(), 5.into()).await;
    assert_eq!(receipt.status, Some(1.into()));
}

#[tokio::test]
async fn a_transaction_that_reverts_has_a_receipt() {
    let anvil = Anvil::start(AnvilOptions::default()).await;
    let feed = Feed::deploy(&anvil, 8).await;
    let from = anvil.accounts()[0].address;
    let receipt = anvil.try_send(from, feed.address, call_data("nothing()", &[]), U256::zero()).await;
    assert_eq!(receipt.status, Some(0.into()));
}

#[tokio::test]
async fn it_is_silent_while_paused_and_empty_after_a_restart() {
    let mut anvil = Anvil::start(AnvilOptions::default()).await;
    anvil.mine(2).await;
    anvil.pause().await;
    let ask = async { JsonRpc::new(&anvil.url()).try_call("eth_blockNumber", json!([])).await };
    assert!(tokio::time::timeout(Duration::from_millis(200), ask).await.is_err());
    anvil.resume().await;
    assert_eq!(anvil.block_number().await, 2);
    anvil.kill().await;
    assert_eq!(anvil.try_rpc("eth_blockNumber", json!([])).await.unwrap_err().code, 0);
    anvil.restart().await;
    assert_eq!(anvil.block_number().await, 0);
}

#[tokio::test]
async fn a_feed_answers_what_it_was_set_to() {
    let anvil = Anvil::start(AnvilOptions::default()).await;
    let feed = Feed::deploy(&anvil, 8).await;
    let read = async |function| anvil.call(feed.address, call_data(function, &[])).await;
    assert_eq!(U256::from_big_endian(&read("decimals()").await), 8.into());
    for (round, answer) in [(1_u64, 350_000_000_000_i64), (2, -1)] {
        feed.set(&anvil, I256::from(answer), 1_700_000_000).await;
        let types =
            [ParamType::Uint(80), ParamType::Int(256), ParamType::Uint(256), ParamType::Uint(256), ParamType::Uint(80)];
        let (round, time) = (Token::Uint(round.into()), Token::Uint(1_700_000_000.into()));
        let expected = [round.clone(), Token::Int(I256::from(answer).into_raw()), time.clone(), time, round];
        assert_eq!(decode(&types, &read("latestRoundData()").await).unwrap(), expected);
    }
    assert_eq!(quantity(anvil.block_number().await.into()), "0x0", "no block was mined for it");
}
