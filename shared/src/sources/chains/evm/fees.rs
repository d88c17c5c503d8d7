//! What a transaction would cost: gas as the node estimates it, prices from what the last blocks paid. What a rollup pays
//! for its place on the chain below comes on top: it is known once the transaction is in a block.

use ethers::types::{Bytes, U256};
use serde_json::{Value, json};

use super::Evm;
use super::address::parse_address;
use super::protocol::{FeeHistory, take};
use crate::domain::swap::share;
use crate::sources::chains::rpc::{RpcError, Session, decode};
use crate::sources::chains::{ChainError, Draft, FeeEstimate, FeeLevel};

/// Blocks that are looked at, and which of their transactions by what they paid to be included, in percent.
const BLOCKS: &str = "0x14";
const PERCENTILES: [u8; 3] = [10, 50, 90];
/// By how much the base fee may have grown by the time: an eighth a block is the most (EIP-1559). One full block; three;
/// six.
const ROOM: [(u64, u64); 3] = [(9, 8), (729, 512), (2, 1)];
/// The same for chains without a base fee: a part of what the node suggests.
const LEGACY: [(u64, u64); 3] = [(9, 10), (1, 1), (5, 4)];

/// A price and, of that, what goes to who makes the block.
type Price = (U256, U256);

/// What `draft` would cost.
pub(super) async fn estimate(evm: &Evm, draft: &Draft) -> Result<FeeEstimate, ChainError> {
    if draft.message.is_some() {
        return Err(ChainError::Invalid("an EVM chain needs `to`, `data` and `value`, not a message".to_owned()));
    }
    let call = call_of(draft)?;
    let asked = evm.nodes.read(|session| ask(session, &call)).await;
    let (gas, prices) = asked.map_err(|error| evm.nodes.error(error))?;
    let [slow, normal, fast] = prices.map(|(max_price, priority)| FeeLevel {
        max_price,
        priority,
        total: evm.coin(max_price.saturating_mul(gas)),
    });
    Ok(FeeEstimate { units: u64::try_from(gas).unwrap_or(u64::MAX), slow, normal, fast })
}

fn call_of(draft: &Draft) -> Result<Value, ChainError> {
    let mut call = json!({ "value": draft.value, "data": Bytes::from(draft.data.clone()) });
    for (name, address) in [("from", &draft.from), ("to", &draft.to)] {
        if let Some(address) = address {
            call[name] = json!(parse_address(address)?);
        }
    }
    Ok(call)
}

async fn ask(session: Session, call: &Value) -> Result<(U256, [Price; 3]), RpcError> {
    let calls = [
        ("eth_estimateGas", json!([call])),
        ("eth_gasPrice", json!([])),
        ("eth_feeHistory", json!([BLOCKS, "latest", PERCENTILES])),
    ];
    let [gas, price, history] = take(session.batch(&calls).await?)?;
    // Not every chain has a history of fees, nor one that can be read.
    let history = history.ok().and_then(|history| decode::<FeeHistory>(&history).ok());
    Ok((decode(&gas?)?, prices(history.as_ref(), decode(&price?)?)))
}

/// Three prices, from what the last blocks paid; without a base fee, from what the node suggests.
pub(super) fn prices(history: Option<&FeeHistory>, suggested: U256) -> [Price; 3] {
    let base = history.and_then(|history| history.base_fee_per_gas.last()).filter(|base| !base.is_zero());
    let (Some(base), Some(history)) = (base, history) else {
        return LEGACY.map(|(numerator, denominator)| {
            let price = share(suggested, numerator, denominator);
            (price, price)
        });
    };
    let mut levels = [0, 1, 2].map(|level| {
        let (numerator, denominator) = ROOM[level];
        // Where nobody has paid anything, what the node adds to the base fee. Nodes take nothing for nothing.
        let priority = median(rewards(history, level)).unwrap_or_else(|| suggested.saturating_sub(*base));
        let priority = priority.max(U256::one());
        (share(*base, numerator, denominator).saturating_add(priority), priority)
    });
    // Of blocks with few transactions the percentiles may cross.
    levels.sort_unstable();
    levels
}

/// What was paid at a level in blocks that held anything.
fn rewards(history: &FeeHistory, level: usize) -> Vec<U256> {
    let blocks = history.reward.as_deref().unwrap_or_default().iter().zip(&history.gas_used_ratio);
    blocks.filter(|(_, used)| **used > 0.0).filter_map(|(block, _)| block.get(level).copied()).collect()
}

fn median(mut values: Vec<U256>) -> Option<U256> {
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(base: &[u64], used: &[f64], reward: &[[u64; 3]]) -> FeeHistory {
        FeeHistory {
            base_fee_per_gas: base.iter().map(|fee| U256::from(*fee)).collect(),
            gas_used_ratio: used.to_vec(),
            reward: Some(reward.iter().map(|block| block.map(U256::from).to_vec()).collect()),
        }
    }

    fn numbers(prices: [Price; 3]) -> [(u64, u64); 3] {
        prices.map(|(price, priority)| (price.as_u64(), priority.as_u64()))
    }

    #[test]
    fn prices_leave_room_for_the_base_fee_to_grow() {
        let history = history(&[900, 800], &[0.5], &[[1, 2, 30]]);
        assert_eq!(numbers(prices(Some(&history), 7.into())), [(901, 1), (1141, 2), (1630, 30)]);
    }

    #[test]
    fn empty_blocks_say_nothing_of_what_is_paid() {
        let history = history(&[8, 8, 8, 8], &[0.0, 0.5, 0.0], &[[99, 99, 99], [3, 4, 5], [99, 99, 99]]);
        assert_eq!(numbers(prices(Some(&history), 7.into())), [(12, 3), (15, 4), (21, 5)]);
    }

    #[test]
    fn where_nobody_pays_a_node_takes_nothing_for_nothing() {
        assert_eq!(numbers(prices(Some(&history(&[8, 8], &[0.5], &[[0, 0, 0]])), 9.into()))[1], (12, 1));
        assert_eq!(numbers(prices(Some(&history(&[8, 8], &[0.0], &[[9, 9, 9]])), 10.into()))[1], (13, 2));
    }

    #[test]
    fn without_a_base_fee_the_nodes_price_is_the_guide() {
        assert_eq!(numbers(prices(None, 100.into())), [(90, 90), (100, 100), (125, 125)]);
        assert_eq!(numbers(prices(Some(&history(&[0, 0], &[0.1], &[[1, 1, 1]])), 100.into()))[1], (100, 100));
    }

    #[test]
    fn what_a_node_makes_up_does_not_overflow() {
        let mut wild = history(&[0], &[], &[]);
        wild.base_fee_per_gas = vec![U256::MAX];
        assert_eq!(prices(Some(&wild), U256::MAX)[2].0, U256::MAX);
    }
}
