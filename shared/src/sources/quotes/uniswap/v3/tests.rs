use std::sync::Mutex;

use super::super::abi;
use super::super::fake::{
    COIN, QUOTER, USDC, WRAPPED, chain, clients, deployments, node, swap, token, without_fee, words,
};
use super::*;
use crate::platform::clock::SystemClock;
use crate::sources::chains::evm::Revert;
use crate::sources::chains::evm::contract::word;
use crate::sources::quotes::Token;

fn pool(one: Address, other: Address, fee: u32) -> Address {
    Leg::v3(&deployments().on(&chain().id).unwrap().v3.unwrap(), one, other, fee).pool
}

/// One pool of COIN and USDC at a price of 1 with a fee of 0.3 %; its quoter says `quoted`.
async fn source(quoted: [u64; 4]) -> (UniswapV3, Arc<Mutex<Vec<Vec<serde_json::Value>>>>) {
    let known = pool(COIN, USDC, 3000);
    let usual = U256::one() << 96;
    let node = node(move |to, data| {
        let failed = || Revert { message: "execution reverted".to_owned(), data: vec![] };
        if to == known && data == abi::slot0() {
            Ok(words(&[usual, 0.into(), 0.into(), 0.into(), 0.into(), 0.into(), 1.into()]))
        } else if to == known {
            Err(without_fee(word(&data[36..], 0).unwrap() + word(&data[36..], 1).unwrap()))
        } else if to == QUOTER && word(&data[4..], 3) == Some(3000.into()) {
            let [amount, price, ticks, gas] = quoted.map(U256::from);
            Ok(words(&[amount, if price.is_zero() { usual } else { price }, ticks, gas]))
        } else if to == QUOTER {
            Err(failed())
        } else if data == abi::balance_of(known) {
            Ok(words(&[5_000.into()]))
        } else {
            Ok(vec![])
        }
    })
    .await;
    (UniswapV3::new(clients(&node), deployments(), Arc::new(SystemClock)), node.batches.clone())
}

#[tokio::test]
async fn what_the_quoter_says_is_quoted() {
    let (source, batches) = source([990, 0, 1, 80_000]).await;
    let quote = source.quote(&swap(token(COIN), token(USDC), 1000)).await.unwrap();
    assert_eq!((quote.amount_out, quote.gas), (990.into(), Some(120_000)));
    // 997 without moving the price.
    assert_eq!(quote.price_impact_bps, Some(71));
    assert_eq!((quote.route.len(), quote.route[0].fee_ppm), (1, Some(3000)));
    assert_eq!(batches.lock().unwrap().iter().map(Vec::len).collect::<Vec<_>>(), [1, 2]);
}

#[tokio::test]
async fn what_cannot_be_swapped_is_told_apart() {
    for (quoted, reason) in [
        ([0, 0, 0, 80_000], "no pool pays anything for so little"),
        ([5, 4_295_128_740, 0, 1], "no pool can take so much"),
    ] {
        let (source, _) = source(quoted).await;
        let error = source.quote(&swap(token(COIN), token(USDC), 1000)).await.unwrap_err();
        assert_eq!(error.to_string(), reason);
        let error = source.quote(&swap(token(WRAPPED), token(USDC), 1000)).await.unwrap_err();
        assert_eq!(error.to_string(), "no pool trades these");
    }
}

#[tokio::test]
async fn either_router_is_told_what_it_understands() {
    let deployment = deployments();
    let deployment = deployment.on(&chain().id).unwrap();
    let node = node(|_, _| Ok(vec![])).await;
    let leg = Leg::v3(&deployment.v3.unwrap(), COIN, WRAPPED, 500);
    let further = Leg::v3(&deployment.v3.unwrap(), WRAPPED, USDC, 500);
    let plan = |to_native| Plan {
        client: &node.client,
        deployment,
        from: COIN,
        to: if to_native { WRAPPED } else { USDC },
        from_native: false,
        to_native,
        amount: 1000.into(),
        slippage_bps: 100,
        recipient: None,
        deadline: 7.into(),
    };
    let [first, second] = [super::super::deployments::V3Router::First, super::super::deployments::V3Router::Second]
        .map(|router| router(Address::repeat_byte(0x73)));
    let data = |router, to_native, legs: &[Leg]| {
        transactions::v3(router, &plan(to_native), Address::repeat_byte(0xaa), legs, 500.into()).data
    };
    assert!(data(first, false, &[leg]).starts_with("0x414bf389"));
    assert!(data(first, false, &[leg, further]).starts_with("0xc04b8d59"));
    let unwrapped = data(first, true, &[leg]);
    assert!(unwrapped.starts_with("0xac9650d8") && unwrapped.contains("49404b7c"), "{unwrapped}");
    assert!(data(second, false, &[leg]).starts_with("0x5ae401dc") && data(second, false, &[leg]).contains("04e45aaf"));
    assert!(data(second, true, &[leg, further]).contains("b858183f"));
}

#[tokio::test]
async fn the_coin_sold_is_sent_along() {
    let (source, _) = source([990, 0, 1, 80_000]).await;
    let swap = Swap {
        recipient: Some("0x00000000000000000000000000000000000000aa".to_owned()),
        ..swap(token(COIN), token(USDC), 1000)
    };
    let made = source.quote(&swap).await.unwrap().transaction.unwrap();
    assert_eq!((made.value, made.spender.clone()), (0.into(), made.to));
    assert!(source.quote(&Swap { from: Token::Native, ..swap }).await.is_err());
}
