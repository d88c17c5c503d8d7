//! What the chain's own coin is worth in a token, to tell what a transaction's fee takes from what it brings.

use std::collections::HashMap;
use std::sync::Arc;

use ethers::types::{Address, U256};
use primitive_types::U512;

use super::abi;
use super::deployments::{Deployment, Deployments};
use super::legs::Leg;
use super::multicall::{self, Call};
use crate::domain::chain::ChainId;
use crate::sources::chains::Chain;
use crate::sources::chains::evm::EvmClient;
use crate::sources::chains::evm::contract::word;
use crate::sources::quotes::Token;

const TIERS: [u32; 4] = [100, 500, 3000, 10_000];
const GAS: u64 = 100_000;

/// Tells it from the pools of V2 and V3.
pub(super) struct NativePrice {
    clients: HashMap<ChainId, EvmClient>,
    deployments: Arc<Deployments>,
}

/// A price that a pool tells, and how much of the wrapped coin lies in it.
type Price = ((U256, U256), U256);

impl NativePrice {
    /// Asks the nodes of these chains.
    pub(super) fn new(clients: HashMap<ChainId, EvmClient>, deployments: Arc<Deployments>) -> Self {
        Self { clients, deployments }
    }

    /// How many base units of `token` one wei of the chain's own coin is worth: numerator and denominator, neither zero,
    /// from the pool that holds most of the coin. `None` where no pool tells, or nobody answers.
    pub(super) async fn native_in(&self, chain: &Chain, token: &Token) -> Option<(U256, U256)> {
        let (client, deployment) = (self.clients.get(&chain.id)?, self.deployments.on(&chain.id)?);
        let token = match token {
            Token::Native => return Some((U256::one(), U256::one())),
            Token::Contract(text) => text.parse::<Address>().ok()?,
        };
        if token == deployment.wrapped {
            return Some((U256::one(), U256::one()));
        }
        let (calls, v2, v3) = calls(deployment, token);
        let answers = match multicall::ask(client, deployment.multicall, &calls).await {
            Ok(answers) => answers,
            Err(error) => {
                tracing::debug!(chain = chain.name, %error, "what the coin is worth in a token cannot be told");
                return None;
            }
        };
        let mut answers = answers.iter().map(|answer| answer.as_deref().ok());
        let of_v2 = v2.and_then(|leg| of_reserves(&leg, abi::reserves(answers.next()??)?));
        let of_v3 = v3.iter().filter_map(|leg| {
            let (price, held) = (answers.next()?, answers.next()?);
            of_price(leg, abi::sqrt_price(price?)?, word(held?, 0)?)
        });
        deepest(of_v2.into_iter().chain(of_v3.collect::<Vec<_>>()))
    }
}

/// What is asked, in the order of the answers: V2's reserves, then price and balance of each pool of V3.
fn calls(deployment: &Deployment, token: Address) -> (Vec<Call>, Option<Leg>, Vec<Leg>) {
    let wrapped = deployment.wrapped;
    let v2 = deployment.v2.map(|v2| Leg::v2(&v2, wrapped, token));
    let v3: Vec<_> = deployment.v3.iter().flat_map(|v3| TIERS.map(|fee| Leg::v3(v3, wrapped, token, fee))).collect();
    let reserves = v2.iter().map(|leg| Call { target: leg.pool, gas: GAS, data: abi::get_reserves() });
    let prices = v3.iter().flat_map(|leg| {
        let price = Call { target: leg.pool, gas: GAS, data: abi::slot0() };
        [price, Call { target: wrapped, gas: GAS, data: abi::balance_of(leg.pool) }]
    });
    (reserves.chain(prices).collect(), v2, v3)
}

/// `leg` sells the wrapped coin.
fn of_reserves(leg: &Leg, (reserve0, reserve1): (U256, U256)) -> Option<Price> {
    let (coins, tokens) = if leg.sells_first() { (reserve0, reserve1) } else { (reserve1, reserve0) };
    usable((tokens, coins), coins)
}

fn of_price(leg: &Leg, sqrt_price: U256, held: U256) -> Option<Price> {
    let squared = U512::from(sqrt_price) * U512::from(sqrt_price);
    // As many digits as fit into 256 bits are kept, of both.
    let shift = squared.bits().saturating_sub(256);
    let (tokens, coins) = (U256::try_from(squared >> shift).ok()?, U256::one() << 192_usize.saturating_sub(shift));
    usable(if leg.sells_first() { (tokens, coins) } else { (coins, tokens) }, held)
}

fn usable(price: (U256, U256), held: U256) -> Option<Price> {
    (!price.0.is_zero() && !price.1.is_zero() && !held.is_zero()).then_some((price, held))
}

fn deepest(prices: impl Iterator<Item = Price>) -> Option<(U256, U256)> {
    prices.max_by_key(|(_, held)| *held).map(|(price, _)| price)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::swap::share;

    fn leg(from: u8, to: u8) -> Leg {
        let [from, to] = [from, to].map(Address::repeat_byte);
        Leg { from, to, pool: Address::zero(), fee: 500 }
    }

    #[test]
    fn reserves_tell_a_price_in_either_order() {
        let (reserves, other) = ((50.into(), 2.into()), (2.into(), 50.into()));
        assert_eq!(of_reserves(&leg(1, 2), reserves), Some(((2.into(), 50.into()), 50.into())));
        assert_eq!(of_reserves(&leg(2, 1), other), Some(((2.into(), 50.into()), 50.into())));
        assert_eq!(of_reserves(&leg(1, 2), (0.into(), 0.into())), None);
    }

    #[test]
    fn a_root_tells_a_price_in_either_order() {
        // The coin costs 4 tokens, or a quarter of one.
        let root = U256::one() << 97;
        for (leg, paid) in [(leg(1, 2), 4000), (leg(2, 1), 250)] {
            let ((numerator, denominator), _) = of_price(&leg, root, 1.into()).unwrap();
            assert_eq!(share(1000.into(), numerator, denominator), paid.into());
        }
        let highest = (U256::one() << 160) - 1;
        let ((numerator, denominator), _) = of_price(&leg(1, 2), highest, 1.into()).unwrap();
        assert_eq!((numerator.bits(), denominator), (256, U256::one() << 128));
        assert_eq!(of_price(&leg(1, 2), root, 0.into()), None);
    }

    #[test]
    fn the_deepest_pool_is_believed() {
        let price = |number: u64, held: u64| ((U256::from(number), U256::one()), U256::from(held));
        assert_eq!(deepest([price(1, 5), price(2, 9), price(3, 7)].into_iter()), Some((2.into(), 1.into())));
        assert_eq!(deepest(std::iter::empty()), None);
    }
}
