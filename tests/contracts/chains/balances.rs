use mcp_core::domain::chain::Amount;
use mcp_core::sources::chains::{BalanceQuery, ChainError};

use super::{Ground, OnChain, chain_contract};

chain_contract!(
    balances_come_in_the_order_asked_in_their_units,
    an_account_that_nobody_knows_has_nothing,
    what_is_no_token_is_invalid_and_spoils_nothing_else,
    more_than_a_hundred_balances_are_a_few_requests,
);

fn query(address: &str, token: Option<&str>) -> BalanceQuery {
    BalanceQuery { address: address.to_owned(), token: token.map(str::to_owned) }
}

pub(super) async fn balances_come_in_the_order_asked_in_their_units<G: Ground>(on: OnChain<G>) {
    let (one, other) = (on.ground.rich().await.address, on.ground.rich().await.address);
    let token = on.ground.token(&one, 1_500_000).await;
    on.ground.settle().await;
    let queries = [query(&one, None), query(&one, Some(&token)), query(&other, None), query(&other, Some(&token))];
    for _ in 0..2 {
        let told: Vec<_> =
            on.adapter.get_balances(&queries).await.into_iter().map(|told| told.unwrap().amount).collect();
        let chain = on.adapter.chain();
        let coins = async |address: &str| Amount {
            units: on.ground.coins(address).await,
            decimals: chain.decimals,
            symbol: chain.symbol.clone(),
        };
        let tokens =
            |units: u64| Amount { units: units.into(), decimals: G::TOKEN_DECIMALS, symbol: G::symbol(&token) };
        assert_eq!(told, [coins(&one).await, tokens(1_500_000), coins(&other).await, tokens(0)]);
    }
}

pub(super) async fn an_account_that_nobody_knows_has_nothing<G: Ground>(on: OnChain<G>) {
    let (owner, nobody) = (on.ground.rich().await.address, on.ground.nobody().await);
    let token = on.ground.token(&owner, 1).await;
    on.ground.settle().await;
    let told = on.adapter.get_balances(&[query(&nobody, None), query(&nobody, Some(&token))]).await;
    for balance in told {
        let balance = balance.unwrap();
        assert!(balance.amount.units.is_zero() && balance.block > 0, "{balance:?}");
    }
    assert_eq!(on.adapter.get_balances(&[]).await.len(), 0);
}

pub(super) async fn what_is_no_token_is_invalid_and_spoils_nothing_else<G: Ground>(on: OnChain<G>) {
    let (owner, nobody) = (on.ground.rich().await.address, on.ground.nobody().await);
    let token = on.ground.token(&owner, 7).await;
    on.ground.settle().await;
    let queries = [
        query(&owner, Some(&nobody)),
        query(&owner, Some(&owner)),
        query("nonsense", None),
        query(&owner, Some(&token)),
        query(&owner, None),
    ];
    let told = on.adapter.get_balances(&queries).await;
    for wrong in &told[..3] {
        assert!(matches!(wrong, Err(ChainError::Invalid(_))), "{wrong:?}");
    }
    assert_eq!(told[3].as_ref().unwrap().amount.units, 7.into());
    assert_eq!(told[4].as_ref().unwrap().amount.units, on.ground.coins(&owner).await);
}

pub(super) async fn more_than_a_hundred_balances_are_a_few_requests<G: Ground>(on: OnChain<G>) {
    let owner = on.ground.rich().await.address;
    let token = on.ground.token(&owner, 9).await;
    on.ground.settle().await;
    let queries: Vec<_> = (0..120).map(|n| query(&owner, (n % 2 == 0).then_some(token.as_str()))).collect();
    let told = on.adapter.get_balances(&queries).await;
    let coins = on.ground.coins(&owner).await;
    for (n, balance) in told.into_iter().enumerate() {
        assert_eq!(balance.unwrap().amount.units, if n % 2 == 0 { 9.into() } else { coins });
    }
    // One of them asks which chain it is.
    assert!(on.proxy.requests() <= 3, "{:?}", on.proxy.requests());
}
