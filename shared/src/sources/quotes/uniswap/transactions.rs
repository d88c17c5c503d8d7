//! What is to be signed, for each of the routers. What is paid in the chain's own coin is sent along; what is bought is
//! unwrapped on its way, where it is that coin.

use ethers::abi::Token as Value;
use ethers::types::{Address, Bytes, U256};

use super::abi::path;
use super::deployments::V3Router;
use super::ground::Plan;
use super::legs::Leg;
use crate::domain::swap::min_amount_out;
use crate::sources::chains::evm::contract::{call, checksummed};
use crate::sources::quotes::UnsignedTransaction;

/// A swap by V2's router.
pub(super) fn v2(router: Address, plan: &Plan<'_>, recipient: Address, legs: &[Leg], out: U256) -> UnsignedTransaction {
    let tokens = [plan.from].into_iter().chain(legs.iter().map(|leg| leg.to)).map(Value::Address).collect();
    let least = Value::Uint(min_amount_out(out, plan.slippage_bps));
    let behind = [least, Value::Array(tokens), Value::Address(recipient), Value::Uint(plan.deadline)];
    let amount = Value::Uint(plan.amount);
    let data = match (plan.from_native, plan.to_native) {
        (true, _) => call("swapExactETHForTokens(uint256,address[],address,uint256)", &behind),
        (false, true) => {
            let signature = "swapExactTokensForETH(uint256,uint256,address[],address,uint256)";
            call(signature, &[&[amount], &behind[..]].concat())
        }
        (false, false) => {
            let signature = "swapExactTokensForTokens(uint256,uint256,address[],address,uint256)";
            call(signature, &[&[amount], &behind[..]].concat())
        }
    };
    transaction(router, plan, data)
}

/// A swap by one of V3's routers.
pub(super) fn v3(
    router: V3Router,
    plan: &Plan<'_>,
    recipient: Address,
    legs: &[Leg],
    out: U256,
) -> UnsignedTransaction {
    let least = min_amount_out(out, plan.slippage_bps);
    let receives = match (plan.to_native, router) {
        (false, _) => recipient,
        // Itself, in the words of either router.
        (true, V3Router::First(_)) => Address::zero(),
        (true, V3Router::Second(_)) => Address::from_low_u64_be(2),
    };
    let swap = v3_swap(router, plan, receives, legs, least);
    let mut steps = vec![swap];
    if plan.to_native {
        steps.push(call("unwrapWETH9(uint256,address)", &[Value::Uint(least), Value::Address(recipient)]));
    }
    match router {
        V3Router::First(router) if steps.len() == 1 => transaction(router, plan, steps.remove(0)),
        V3Router::First(router) => {
            let steps = Value::Array(steps.into_iter().map(Value::Bytes).collect());
            transaction(router, plan, call("multicall(bytes[])", &[steps]))
        }
        V3Router::Second(router) => {
            let steps = Value::Array(steps.into_iter().map(Value::Bytes).collect());
            transaction(router, plan, call("multicall(uint256,bytes[])", &[Value::Uint(plan.deadline), steps]))
        }
    }
}

fn v3_swap(router: V3Router, plan: &Plan<'_>, receives: Address, legs: &[Leg], least: U256) -> Vec<u8> {
    let deadline = match router {
        V3Router::First(_) => Some(Value::Uint(plan.deadline)),
        V3Router::Second(_) => None,
    };
    let amounts = [Value::Uint(plan.amount), Value::Uint(least)];
    let to = [Value::Address(receives)].into_iter().chain(deadline).chain(amounts);
    if let [leg] = legs {
        let pool = [Value::Address(leg.from), Value::Address(leg.to), Value::Uint(leg.fee.into())];
        // No limit for the price: the least amount is one.
        let values: Vec<_> = pool.into_iter().chain(to).chain([Value::Uint(U256::zero())]).collect();
        let signature = match router {
            V3Router::First(_) => "exactInputSingle((address,address,uint24,address,uint256,uint256,uint256,uint160))",
            V3Router::Second(_) => "exactInputSingle((address,address,uint24,address,uint256,uint256,uint160))",
        };
        return call(signature, &[Value::Tuple(values)]);
    }
    let path = path(plan.from, legs.iter().map(|leg| (leg.fee, leg.to)));
    let values = [Value::Bytes(path)].into_iter().chain(to).collect();
    let signature = match router {
        V3Router::First(_) => "exactInput((bytes,address,uint256,uint256,uint256))",
        V3Router::Second(_) => "exactInput((bytes,address,uint256,uint256))",
    };
    call(signature, &[Value::Tuple(values)])
}

fn transaction(router: Address, plan: &Plan<'_>, data: Vec<u8>) -> UnsignedTransaction {
    UnsignedTransaction {
        to: Some(checksummed(router)),
        data: Bytes::from(data).to_string(),
        value: if plan.from_native { plan.amount } else { U256::zero() },
        // Only a node can tell, once the router may take what is sold.
        gas: None,
        spender: (!plan.from_native).then(|| checksummed(router)),
    }
}
