use ethers::abi::Token;
use ethers::types::{Address, U256};
use ethers::utils::{hex, keccak256};
use support::anvil::{Anvil, AnvilOptions, call_data};
use support::uniswap::{Uniswap, V3Pool, sqrt_price_x96};

/// This many whole tokens of 18 decimals.
fn whole(tokens: u64) -> U256 {
    U256::from(tokens) * U256::exp10(18)
}

async fn uniswap() -> (Anvil, Uniswap) {
    let anvil = Anvil::start(AnvilOptions::default()).await;
    let uniswap = Uniswap::deploy(&anvil).await;
    (anvil, uniswap)
}

const TO: Address = Address::repeat_byte(0x70);

/// What a V2 pair gives, as its formula has it.
fn v2_out(amount_in: U256, reserve_in: U256, reserve_out: U256) -> U256 {
    let fed = amount_in * 997;
    fed * reserve_out / (reserve_in * 1000 + fed)
}

#[tokio::test]
async fn a_v2_swap_gives_what_the_formula_says_and_leaves_no_trace() {
    let (anvil, uniswap) = uniswap().await;
    let (a, b) = (uniswap.token(&anvil, whole(1_000_000)).await, uniswap.token(&anvil, whole(1_000_000)).await);
    let pair = uniswap.v2_pool(&anvil, a, b, whole(1000), whole(2000)).await;
    assert_eq!(pair, uniswap.v2_pair(&anvil, b, a).await);
    let before = anvil.block_number().await;
    let received = uniswap.v2_swap(&anvil, &[a, b], whole(10), TO).await;
    assert_eq!(received, v2_out(whole(10), whole(1000), whole(2000)));
    assert_eq!(uniswap.v2_reserves(&anvil, a, b).await, (whole(1000), whole(2000)));
    assert_eq!(anvil.block_number().await, before);
    assert_eq!(uniswap.v2_swap_and_keep(&anvil, &[a, b], whole(10), TO).await, received);
    assert_eq!(uniswap.v2_reserves(&anvil, a, b).await, (whole(1010), whole(2000) - received));
}

#[tokio::test]
async fn a_token_that_takes_a_part_gives_less() {
    let (anvil, uniswap) = uniswap().await;
    let plain = uniswap.token(&anvil, whole(1_000_000)).await;
    let taxed = uniswap.deflating_token(&anvil, whole(1_000_000)).await;
    uniswap.v2_pool(&anvil, plain, taxed, whole(1000), whole(1000)).await;
    let (reserve_plain, reserve_taxed) = uniswap.v2_reserves(&anvil, plain, taxed).await;
    assert_eq!((reserve_plain, reserve_taxed), (whole(1000), whole(990)));
    let received = uniswap.v2_swap(&anvil, &[taxed, plain], whole(10), TO).await;
    let arrived = whole(10) - whole(10) / 100;
    assert_eq!(received, v2_out(arrived, reserve_taxed, reserve_plain));
}

#[tokio::test]
async fn a_raw_pair_may_be_of_single_units_and_tokens_of_any_decimals() {
    let (anvil, uniswap) = uniswap().await;
    let a = uniswap.token_with_decimals(&anvil, 1_000_000.into(), 6).await;
    let b = uniswap.token_with_decimals(&anvil, 1_000_000.into(), 0).await;
    uniswap.v2_pool_raw(&anvil, a, b, 3.into(), 7.into()).await;
    assert_eq!(uniswap.v2_reserves(&anvil, b, a).await, (7.into(), 3.into()));
    assert_eq!(uniswap.v2_swap(&anvil, &[a, b], 100.into(), TO).await, v2_out(100.into(), 3.into(), 7.into()));
}

#[tokio::test]
async fn the_v3_quoter_says_what_a_swap_gives_over_one_pool_and_over_two() {
    let (anvil, uniswap) = uniswap().await;
    let (a, b) = (uniswap.token(&anvil, whole(1_000_000)).await, uniswap.token(&anvil, whole(1_000_000)).await);
    uniswap.wrap(&anvil, whole(500)).await;
    let pool = V3Pool {
        tokens: (a, uniswap.weth),
        fee: 3000,
        amounts: (whole(200_000), whole(100)),
        sqrt_price_x96: None,
        ticks: None,
    };
    let first = uniswap.v3_pool(&anvil, pool).await;
    assert_ne!(first, Address::zero());
    let near_one = sqrt_price_x96(1000.into(), 1001.into());
    let narrow = V3Pool {
        tokens: (b, a),
        fee: 100,
        amounts: (whole(1000), whole(1000)),
        sqrt_price_x96: Some(near_one),
        ticks: Some((-100, 100)),
    };
    uniswap.v3_pool(&anvil, narrow).await;
    for (path, fees, amount) in [
        (vec![uniswap.weth, a], vec![3000], whole(1)),
        (vec![a, uniswap.weth], vec![3000], whole(1)),
        // More than the narrow pool has: what it cannot take stays with the seller.
        (vec![uniswap.weth, a, b], vec![3000, 100], U256::exp10(15)),
    ] {
        let quoted = uniswap.v3_quote(&anvil, &path, &fees, amount).await;
        assert!(!quoted.is_zero());
        assert_eq!(uniswap.v3_swap(&anvil, &path, &fees, amount, TO).await, quoted, "{path:?}");
    }
    let (path, fees) = ([uniswap.weth, a], [3000]);
    let quoted = uniswap.v3_quote(&anvil, &path, &fees, whole(1)).await;
    assert_eq!(uniswap.v3_swap_and_keep(&anvil, &path, &fees, whole(1), TO).await, quoted);
    assert!(uniswap.v3_quote(&anvil, &path, &fees, whole(1)).await < quoted, "the price moved");
}

#[tokio::test]
async fn pools_are_where_uniswaps_published_hashes_put_them() {
    let (anvil, uniswap) = uniswap().await;
    let published = [
        "96e8ac4277198ff8b6f785478aa9a39f403cb768dd02cbee326c3e7da348845f",
        "e34f199b19b2b4f47f68442619d555527d244f78a3297ea89325f843f87b8b54",
    ];
    assert_eq!(hex::encode(Uniswap::v2_init_code_hash()), published[0]);
    assert_eq!(hex::encode(Uniswap::v3_init_code_hash()), published[1]);
    let (a, b) = (uniswap.token(&anvil, whole(1000)).await, uniswap.token(&anvil, whole(1000)).await);
    let (token0, token1) = if a < b { (a, b) } else { (b, a) };
    let pair = uniswap.v2_pool(&anvil, a, b, whole(1), whole(1)).await;
    let salt = keccak256([token0.as_bytes(), token1.as_bytes()].concat());
    let hash = Uniswap::v2_init_code_hash();
    let preimage = [&[0xff], uniswap.v2_factory.as_bytes(), &salt, hash.as_bytes()].concat();
    assert_eq!(pair, Address::from_slice(&keccak256(preimage)[12..]));
    let calls = vec![Token::Tuple(vec![
        Token::Address(pair),
        Token::Uint(100_000.into()),
        Token::Bytes(call_data("getReserves()", &[]).to_vec()),
    ])];
    let data = call_data("multicall((address,uint256,bytes)[])", &[Token::Array(calls)]);
    assert!(anvil.call(uniswap.multicall, data).await.len() > 96);
}
