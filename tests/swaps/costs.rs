//! The best is what leaves most after its transaction is paid for.

use ethers::types::U256;
use serde_json::{Value, json};
use support::anvil::{as_u256, quantity};
use support::uniswap::{V3Pool, sqrt_price_x96};

use super::numbers::{units, whole};
use super::world::{Question, UNISWAP, World, said};

/// The tick of a price of two, and that of a half.
const TWICE: i32 = 6931;
const HALF: i32 = -6932;

impl World {
    /// What the next blocks ask for a unit of gas, about.
    async fn gas_costs(&self, wei: u64) -> U256 {
        self.anvil.rpc("anvil_setNextBlockBaseFeePerGas", json!([quantity(wei.into())])).await;
        self.anvil.mine(1).await;
        as_u256(&self.anvil.rpc("eth_gasPrice", json!([])).await)
    }
}

/// What is left of a source's quote, where a wei is worth two units.
fn left(said: &Value, gas_price: U256) -> U256 {
    units(&said["amountOut"]) - units(&said["gasEstimate"]) * gas_price * 2
}

#[tokio::test]
async fn more_is_not_better_where_its_gas_eats_it() {
    let world = World::start().await;
    let World { anvil, uniswap, .. } = &world;
    let token = uniswap.token(anvil, whole(1_000_000)).await;
    let weth = uniswap.weth;
    uniswap.wrap(anvil, whole(1500)).await;
    // The deep pair tells what the coin is worth: two tokens.
    uniswap.v2_pool(anvil, weth, token, whole(1000), whole(2000)).await;
    // The cheap pool is made of slices: a swap goes through many of them, and each is work.
    let tenth = U256::exp10(17);
    let (at, price) = if weth < token {
        (TWICE, sqrt_price_x96(1.into(), 2.into()))
    } else {
        (HALF, sqrt_price_x96(2.into(), 1.into()))
    };
    for tick in at - 11..at + 12 {
        let amounts = (tenth, tenth * 2);
        let pool = V3Pool {
            tokens: (weth, token),
            fee: 100,
            amounts,
            sqrt_price_x96: Some(price),
            ticks: Some((tick, tick + 1)),
        };
        uniswap.v3_pool(anvil, pool).await;
    }
    let server = world.server(UNISWAP, &world.deployments(&[], &[("TOK", token)])).await;
    for (base_fee, winner, order) in
        [(1, "uniswap-v3", ["uniswap-v3", "uniswap-v2"]), (100_000_000_000, "uniswap-v2", ["uniswap-v2", "uniswap-v3"])]
    {
        for from in ["ETH", "WETH"] {
            let gas_price = world.gas_costs(base_fee).await;
            let quote = Question::new(from, "TOK", whole(1)).quote(&server).await;
            let (v2, v3) = (said(&quote, "uniswap-v2"), said(&quote, "uniswap-v3"));
            assert!(units(&v3["amountOut"]) > units(&v2["amountOut"]), "before gas: {quote}");
            assert!(units(&v3["gasEstimate"]) > units(&v2["gasEstimate"]) + 100_000, "{quote}");
            for said in [v2, v3] {
                assert_eq!(units(&said["netAmountOut"]), left(said, gas_price), "{gas_price}: {quote}");
            }
            assert_eq!(quote["source"], winner, "{quote}");
            assert_eq!([&quote["quotes"][0]["source"], &quote["quotes"][1]["source"]], order);
            assert_eq!(quote["amountOut"], said(&quote, winner)["amountOut"], "what is bought is told before gas");
        }
    }
}

#[tokio::test]
async fn where_gas_costs_more_than_a_swap_brings_nothing_is_left_and_it_is_quoted_all_the_same() {
    let world = World::start().await;
    let World { anvil, uniswap, .. } = &world;
    let token = uniswap.token(anvil, whole(1_000_000)).await;
    uniswap.wrap(anvil, whole(1500)).await;
    uniswap.v2_pool(anvil, uniswap.weth, token, whole(1000), whole(2000)).await;
    let server = world.server(UNISWAP, &world.deployments(&[], &[("TOK", token)])).await;
    let quote = Question::new("ETH", "TOK", 1000).quote(&server).await;
    assert_eq!((&quote["amountOut"], &quote["quotes"][0]["netAmountOut"]), (&json!("1993"), &json!("0")), "{quote}");
}
