use super::*;
use crate::sources::chains::{BalanceQuery, ChainAdapter, ChainError};

const MINT: &str = "4Nd1mBQtrMJVYVfKf2PJy9NZUZdTAsp7D4xWLs4gDB4T";
const EMPTY: &str = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v";

/// Who has something, who has nothing, and what is no mint.
const RICH: &str = "11111111111111111111111111111112";
const POOR: &str = "SysvarC1ock11111111111111111111111111111111";
const NO_MINT: &str = "SysvarRent111111111111111111111111111111111";

fn query(address: &str, token: Option<&str>) -> BalanceQuery {
    BalanceQuery { address: address.to_owned(), token: token.map(str::to_owned) }
}

fn held(amount: &str) -> Value {
    let amount = json!({ "amount": amount, "decimals": 6, "uiAmount": 1.0, "uiAmountString": "1" });
    let info = json!({ "isNative": false, "mint": MINT, "owner": "o", "state": "initialized", "tokenAmount": amount });
    let data = json!({ "program": "spl-token", "space": 165, "parsed": { "type": "account", "info": info } });
    let account =
        json!({ "lamports": 2_039_280, "owner": "t", "executable": false, "rentEpoch": u64::MAX, "data": data });
    json!({ "pubkey": "a", "account": account })
}

/// Who has `lamports` where the address begins with `1`; nobody else exists.
async fn rich(lamports: u64, slot: u64) -> FakeNode {
    node(move |method, params| match method {
        "getMultipleAccounts" => {
            let account = json!({ "lamports": lamports, "owner": "s", "executable": false, "rentEpoch": 0,
                "data": ["", "base64"], "space": 0 });
            let account = |address: &Value| {
                if address.as_str().unwrap().starts_with('1') { account.clone() } else { Value::Null }
            };
            at(slot, params[0].as_array().unwrap().iter().map(account).collect())
        }
        "getTokenAccountsByOwner" => match params[1]["mint"].as_str().unwrap() {
            MINT => at(slot, json!([held("1500000"), held("2")])),
            EMPTY => at(slot, json!([])),
            _ => Err(json!({ "code": -32602, "message": "Invalid param: could not find mint" })),
        },
        "getTokenSupply" => match params[0].as_str().unwrap() {
            MINT | EMPTY => at(slot, json!({ "amount": "9", "decimals": 6, "uiAmount": null, "uiAmountString": "9" })),
            _ => Err(json!({ "code": -32602, "message": "Invalid param: not a Token mint" })),
        },
        _ => unknown(method),
    })
    .await
}

#[tokio::test]
async fn many_balances_are_one_request() {
    let node = rich(7, 123).await;
    let solana = solana(&[&node], 1);
    let mut queries: Vec<_> = (0..150).map(|place| query(if place % 2 == 0 { RICH } else { POOR }, None)).collect();
    queries.insert(3, query(RICH, Some(MINT)));
    queries.push(query(RICH, Some(EMPTY)));
    queries.push(query(RICH, Some(NO_MINT)));
    let balances = solana.get_balances(&queries).await;
    let units = |place: usize| balances[place].as_ref().unwrap().amount.units.as_u64();
    assert_eq!((units(0), units(1), units(2), units(3), units(4)), (7, 0, 7, 1_500_002, 0));
    let token = balances[3].as_ref().unwrap();
    assert_eq!(
        (token.amount.to_decimal().as_str(), token.amount.symbol.as_str(), token.block),
        ("1.500002", "4Nd1…DB4T", 123)
    );
    let nothing = &balances[151].as_ref().unwrap().amount;
    assert_eq!((nothing.units.as_u64(), nothing.decimals, nothing.symbol.as_str()), (0, 6, "USDC"));
    assert!(matches!(&balances[152], Err(ChainError::Invalid(_))));
    assert_eq!(node.requests().len(), 2, "the probe, and one request");
    // Decimals do not change.
    solana.get_balances(&[query(RICH, Some(EMPTY))]).await.remove(0).unwrap();
    assert_eq!(node.requests()[2].len(), 1);
}

#[tokio::test]
async fn nodes_agree_on_how_much_not_on_the_slot() {
    let (one, other, odd) = (rich(7, 123).await, rich(7, 124).await, rich(8, 123).await);
    let balance = solana(&[&one, &other], 2).get_balances(&[query(RICH, None)]).await.remove(0).unwrap();
    assert_eq!(balance.amount.units.as_u64(), 7);
    let outcome = solana(&[&one, &odd], 2).get_balances(&[query(RICH, None)]).await.remove(0);
    assert!(matches!(outcome, Err(ChainError::Unavailable { .. })), "{outcome:?}");
}
