//! What a quoted transaction really does: the node signs it for the owner of the tokens, and all is undone afterwards.

use ethers::abi::{ParamType, Token, decode, encode};
use ethers::types::{Address, Bytes, U256};
use ethers::utils::id;
use serde_json::{Value, json};
use support::anvil::{call_data, quantity};
use support::uniswap::owner;

use super::numbers::{address, units};
use super::world::{RECIPIENT, World};

const MULTICALL: &str = "multicall(bytes[])";
/// What the routers are asked for, and which word of it is the least that is taken.
const LEAST: [(&str, usize); 6] = [
    ("swapExactETHForTokens(uint256,address[],address,uint256)", 0),
    ("swapExactTokensForETH(uint256,uint256,address[],address,uint256)", 1),
    ("swapExactTokensForTokens(uint256,uint256,address[],address,uint256)", 1),
    ("exactInputSingle((address,address,uint24,address,uint256,uint256,uint256,uint160))", 6),
    // The tuple's place comes first.
    ("exactInput((bytes,address,uint256,uint256,uint256))", 5),
    ("unwrapWETH9(uint256,address)", 0),
];

/// What is sold or bought: a token, or the chain's own coin.
pub(super) type Side = Option<Address>;

/// What [`RECIPIENT`] gets by the transaction of a quote. It must take all that is sold and no more, from nobody but who
/// signs, and with one unit more as the least that is taken it must fail.
pub(super) async fn received(world: &World, quote: &Value, sold: Side, bought: Side) -> U256 {
    let World { anvil, uniswap, .. } = world;
    let transaction = &quote["transaction"];
    let (to, value) = (address(&transaction["to"]), units(&transaction["value"]));
    let data: Bytes = serde_json::from_value(transaction["data"].clone()).expect("bytes");
    let amount = units(&quote["amountIn"]);
    assert_eq!(value, if sold.is_none() { amount } else { U256::zero() }, "{quote}");
    let snapshot = anvil.snapshot().await;
    match sold {
        Some(token) => uniswap.approve(anvil, token, address(&transaction["spender"])).await,
        None => assert!(transaction["spender"].is_null(), "{quote}"),
    }
    let greedy = with_least(&data, units(&quote["amountOut"]) + 1);
    let call = json!([{ "from": owner(anvil), "to": to, "data": greedy, "value": quantity(value) }, "latest"]);
    let refused = anvil.try_rpc("eth_call", call).await;
    assert!(refused.is_err(), "one unit more is not paid: {quote}");
    let (held, before) = (has(world, sold, owner(anvil)).await, has(world, bought, RECIPIENT).await);
    anvil.send(owner(anvil), to, data, value).await;
    if sold.is_some() {
        assert_eq!(held - has(world, sold, owner(anvil)).await, amount, "all is sold: {quote}");
    }
    let received = has(world, bought, RECIPIENT).await - before;
    anvil.revert(snapshot).await;
    received
}

/// What somebody has of a token or of the coin.
pub(super) async fn has(world: &World, what: Side, account: Address) -> U256 {
    match what {
        Some(token) => world.uniswap.balance_of(&world.anvil, token, account).await,
        None => world.anvil.balance(account).await,
    }
}

/// What V3's quoter says of a route; nothing where it says none, or has more to do for it than a quote may take: a price that
/// falls through a gap in the liquidity looks for its end word by word.
pub(super) async fn v3_quote(world: &World, path: &[Address], fees: &[u32], amount: U256) -> Option<U256> {
    let further =
        fees.iter().zip(&path[1..]).flat_map(|(fee, token)| [&fee.to_be_bytes()[1..], token.as_bytes()].concat());
    let bytes = path[0].as_bytes().iter().copied().chain(further).collect();
    let data = call_data("quoteExactInput(bytes,uint256)", &[Token::Bytes(bytes), Token::Uint(amount)]);
    let gas = if fees.len() == 1 { 2_000_000 } else { 1_250_000 };
    let call = json!([{ "to": world.uniswap.quoter_v2, "data": data, "gas": quantity(gas.into()) }, "latest"]);
    let answer: Bytes = serde_json::from_value(world.anvil.try_rpc("eth_call", call).await.ok()?).ok()?;
    Some(U256::from_big_endian(answer.get(..32)?))
}

/// Whether a swap over a route of V3 takes all that is sold, in each of its pools. A pool that runs empty takes less, and the
/// rest stays where it is.
pub(super) async fn v3_takes_all(world: &World, path: &[Address], fees: &[u32], amount: U256) -> bool {
    let World { anvil, uniswap, .. } = world;
    let snapshot = anvil.snapshot().await;
    let held = has(world, Some(path[0]), owner(anvil)).await;
    uniswap.v3_swap_and_keep(anvil, path, fees, amount, RECIPIENT).await;
    let taken = held - has(world, Some(path[0]), owner(anvil)).await;
    let left = has(world, Some(path[fees.len() - 1]), uniswap.v3_router).await;
    anvil.revert(snapshot).await;
    taken == amount && left.is_zero()
}

/// A router's call, with another number as the least that is taken.
fn with_least(data: &[u8], least: U256) -> Bytes {
    let (function, arguments) = data.split_at(4);
    if *function == id(MULTICALL) {
        let calls = decode(&[ParamType::Array(Box::new(ParamType::Bytes))], arguments).expect("calls");
        let calls = calls.into_iter().next().and_then(Token::into_array).expect("a list");
        let with_least = |call: Token| Token::Bytes(with_least(&call.into_bytes().expect("a call"), least).to_vec());
        return call_data(MULTICALL, &[Token::Array(calls.into_iter().map(with_least).collect())]);
    }
    let known = LEAST.iter().find(|(signature, _)| *function == id(signature));
    let (_, word) = known.unwrap_or_else(|| panic!("an unknown function: {function:?}"));
    let mut data = data.to_vec();
    data[4 + word * 32..][..32].copy_from_slice(&encode(&[Token::Uint(least)]));
    data.into()
}
