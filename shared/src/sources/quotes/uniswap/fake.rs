//! For tests: a chain with a multicall, and on it contracts that are functions.

use std::collections::HashMap;
use std::sync::Arc;

use ethers::abi::{Token as Value, encode};
use ethers::types::{Address, U256};

use super::deployments::Deployments;
use super::multicall::server;
use crate::domain::chain::ChainId;
use crate::sources::chains::Chain;
use crate::sources::chains::evm::fake_contracts::FakeContracts;
use crate::sources::chains::evm::{EvmClient, Revert};
use crate::sources::quotes::{Swap, Token};

pub(super) const WRAPPED: Address = Address::repeat_byte(0x10);
pub(super) const USDC: Address = Address::repeat_byte(0x20);
pub(super) const COIN: Address = Address::repeat_byte(0x30);
pub(super) const QUOTER: Address = Address::repeat_byte(0x72);
const MULTICALL: Address = Address::repeat_byte(0xee);

pub(super) fn deployments() -> Arc<Deployments> {
    let json = serde_json::json!({"anvil": {
        "wrapped": WRAPPED,
        "multicall": MULTICALL,
        "tokens": {"USDC": USDC},
        "v2": {"factory": Address::repeat_byte(0x61), "router": Address::repeat_byte(0x62)},
        "v3": {"factory": Address::repeat_byte(0x71), "quoter": QUOTER, "router": Address::repeat_byte(0x73)},
    }});
    Arc::new(Deployments::new(&serde_json::from_value(json).unwrap(), &[chain()]).unwrap())
}

/// A node whose multicall asks `contracts`; whatever else is called is asked of them too.
pub(super) async fn node(
    contracts: impl Fn(Address, &[u8]) -> Result<Vec<u8>, Revert> + Send + Sync + 'static,
) -> FakeContracts {
    FakeContracts::new(move |to, data| {
        if to != MULTICALL {
            return contracts(to, data);
        }
        let calls = server::calls(data).unwrap();
        Ok(server::answer(
            calls.iter().map(|call| contracts(call.target, &call.data).map_err(|revert| revert.data)).collect(),
        ))
    })
    .await
}

pub(super) fn clients(node: &FakeContracts) -> HashMap<ChainId, EvmClient> {
    [(chain().id, node.client.clone())].into()
}

pub(super) fn chain() -> Chain {
    Chain {
        id: ChainId::evm(31337),
        name: "anvil".to_owned(),
        symbol: "ETH".to_owned(),
        decimals: 18,
        confirmations: 1,
    }
}

pub(super) fn token(address: Address) -> Token {
    Token::Contract(format!("{address:?}"))
}

pub(super) fn swap(from: Token, to: Token, amount: u64) -> Swap {
    Swap { chain: chain(), from, to, amount: amount.into(), slippage_bps: 50, recipient: None }
}

pub(super) fn words(words: &[U256]) -> Vec<u8> {
    words.iter().flat_map(|word| encode(&[Value::Uint(*word)])).collect()
}

/// What the probe sees of a token that takes no fee.
pub(super) fn without_fee(lent: U256) -> Revert {
    Revert { message: "execution reverted".to_owned(), data: words(&[lent, 5.into(), lent + 5, 1.into()]) }
}
