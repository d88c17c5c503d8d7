//! Handing a transaction in while nodes fail: at last it is on the chain, once.

use ethers::types::TransactionRequest;
use ethers::types::transaction::eip2718::TypedTransaction;
use ethers_signers::{LocalWallet, Signer};
use mcp_core::sources::chains::SignedTransaction;
use serde_json::{Value, json};
use support::eventually::eventually;

use super::*;

/// Two ways to one chain.
async fn two_ways() -> (Anvil, [RpcProxy; 2], Arc<dyn ChainAdapter>) {
    let anvil = Anvil::start(AnvilOptions::default()).await;
    let proxies = [RpcProxy::before(&anvil.url()).await, RpcProxy::before(&anvil.url()).await];
    let chain = evm("anvil", &[&proxies[0].url(), &proxies[1].url()]);
    chain.head().await.unwrap();
    (anvil, proxies, chain)
}

fn transfer(anvil: &Anvil, chain: &dyn ChainAdapter, units: u64) -> SignedTransaction {
    let wallet = LocalWallet::from_bytes(anvil.accounts()[1].key.as_bytes()).unwrap().with_chain_id(31_337_u64);
    let request = TransactionRequest::new().to(Address::repeat_byte(7)).value(units).gas(21_000).nonce(0);
    let typed: TypedTransaction = request.gas_price(10_u64.pow(11)).chain_id(31_337).into();
    let signature = wallet.sign_transaction_sync(&typed).unwrap();
    chain.decode_signed(&typed.rlp_signed(&signature)).unwrap()
}

/// The transactions of all blocks.
async fn landed(anvil: &Anvil) -> Vec<Value> {
    let mut all = vec![];
    for number in 0..=anvil.block_number().await {
        all.extend(anvil.block(number).await["transactions"].as_array().unwrap().clone());
    }
    all
}

#[tokio::test]
async fn where_a_node_dies_after_it_took_it_the_next_one_says_that_it_is_there() {
    let (anvil, proxies, chain) = two_ways().await;
    let signed = transfer(&anvil, &*chain, 5);
    for proxy in &proxies {
        proxy.behave(Mode::Swallow).await;
    }
    let dies = async {
        eventually("a node has taken it", async || landed(&anvil).await.len() == 1).await;
        let first = usize::from(proxies[1].calls().contains(&"eth_sendRawTransaction".to_owned()));
        proxies[1 - first].behave(Mode::Pass).await;
        proxies[first].behave(Mode::Refuse).await;
    };
    let (sent, ()) = tokio::join!(chain.send_transaction(&signed), dies);
    sent.unwrap();
    assert_eq!(landed(&anvil).await, [json!(signed.hash)]);
    assert_eq!(anvil.balance(Address::repeat_byte(7)).await, 5.into());
}

#[tokio::test]
async fn where_all_nodes_die_it_is_not_known_and_a_later_try_finds_it() {
    let (anvil, proxies, chain) = two_ways().await;
    let signed = transfer(&anvil, &*chain, 5);
    for proxy in &proxies {
        proxy.behave(Mode::Swallow).await;
    }
    let dies = async {
        eventually("a node has taken it", async || landed(&anvil).await.len() == 1).await;
        for proxy in &proxies {
            proxy.behave(Mode::Refuse).await;
        }
    };
    let (sent, ()) = tokio::join!(chain.send_transaction(&signed), dies);
    assert!(matches!(sent, Err(ChainError::Unavailable { .. })), "neither done nor refused: {sent:?}");
    for proxy in &proxies {
        proxy.behave(Mode::Pass).await;
    }
    eventually("it is known to be sent", || chain.send_transaction(&signed)).await;
    assert_eq!(landed(&anvil).await, [json!(signed.hash)]);
}

#[tokio::test]
async fn it_is_sent_through_whoever_answers() {
    for mode in [Mode::Refuse, Mode::TooManyRequests, Mode::Html, Mode::WrongChain(1)] {
        let (anvil, proxies, chain) = two_ways().await;
        let signed = transfer(&anvil, &*chain, 5);
        proxies[0].behave(mode).await;
        let fresh = evm("anvil", &[&proxies[0].url(), &proxies[1].url()]);
        for chain in [chain, fresh] {
            chain.send_transaction(&signed).await.unwrap();
        }
        eventually("it landed", async || landed(&anvil).await == [json!(signed.hash)]).await;
    }
}

#[tokio::test]
async fn what_a_node_of_another_chain_would_take_it_is_not_given() {
    let (anvil, proxies, chain) = two_ways().await;
    let signed = transfer(&anvil, &*chain, 5);
    for proxy in &proxies {
        proxy.behave(Mode::WrongChain(1)).await;
    }
    let fresh = evm("anvil", &[&proxies[0].url(), &proxies[1].url()]);
    let sent = fresh.send_transaction(&signed).await;
    assert!(matches!(sent, Err(ChainError::Unavailable { .. })), "{sent:?}");
    assert_eq!(landed(&anvil).await, [] as [Value; 0]);
}
