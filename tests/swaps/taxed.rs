//! Tokens that take a part of each transfer are not quoted: what arrives is not what a pool pays. And pools that are too small.

use support::uniswap::V3Pool;

use super::numbers::whole;
use super::world::{Question, UNISWAP, World, said, text};

#[tokio::test]
async fn a_token_that_takes_a_fee_on_transfer_is_refused_by_its_name_sold_or_bought() {
    let world = World::start().await;
    let World { anvil, uniswap, .. } = &world;
    let taxed = uniswap.deflating_token(anvil, whole(1_000_000)).await;
    let plain = uniswap.token(anvil, whole(1_000_000)).await;
    uniswap.wrap(anvil, whole(500)).await;
    uniswap.v2_pool(anvil, taxed, uniswap.weth, whole(1000), whole(100)).await;
    uniswap.v2_pool(anvil, plain, uniswap.weth, whole(1000), whole(100)).await;
    let server = world.server(UNISWAP, &world.deployments(&[], &[("TAX", taxed), ("PLAIN", plain)])).await;
    let refusal = format!("uniswap-v2: {} takes a fee of about 100 bps on transfer", text(taxed));
    for (from, to) in
        [("TAX", "WETH"), ("WETH", "TAX"), ("ETH", "TAX"), ("TAX", "ETH"), ("TAX", "PLAIN"), ("PLAIN", "TAX")]
    {
        for amount in [whole(1), 1_000_000.into()] {
            let (code, message) = Question::new(from, to, amount).outcome(&server).await.expect_err("it is refused");
            assert_eq!(code, "NOT_FOUND", "{message}");
            assert!(message.contains(&refusal), "{from} {to}: {message}");
        }
    }
    assert_eq!(Question::new("PLAIN", "ETH", whole(1)).quote(&server).await["source"], "uniswap-v2");
}

#[tokio::test]
async fn a_pool_of_single_units_pays_nothing_and_the_other_version_is_asked_all_the_same() {
    let world = World::start().await;
    let World { anvil, uniswap, .. } = &world;
    let (a, b) = (uniswap.token(anvil, whole(1000)).await, uniswap.token(anvil, whole(1000)).await);
    uniswap.v2_pool_raw(anvil, a, b, 1.into(), 1.into()).await;
    let server = world.server(UNISWAP, &world.deployments(&[], &[])).await;
    for amount in [1.into(), 1000.into(), whole(900)] {
        let (code, message) = Question::new(text(a), text(b), amount).outcome(&server).await.expect_err("nothing");
        assert_eq!(code, "NOT_FOUND");
        assert!(message.contains("uniswap-v2: no pool pays anything for so little"), "{message}");
        assert!(message.contains("uniswap-v3: no pool trades these"), "{message}");
    }
    let pool = V3Pool { tokens: (a, b), fee: 500, amounts: (whole(1), whole(1)), sqrt_price_x96: None, ticks: None };
    uniswap.v3_pool(anvil, pool).await;
    let quote = Question::new(text(a), text(b), 1000).quote(&server).await;
    assert_eq!(quote["source"], "uniswap-v3");
    assert_eq!(said(&quote, "uniswap-v2")["error"], "no pool pays anything for so little");
}
