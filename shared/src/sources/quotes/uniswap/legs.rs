//! Pools, one after the other: where they are, and what they would pay for a tiny amount.

use ethers::types::{Address, U256};
use ethers::utils::{get_create2_address_from_hash, keccak256};
use primitive_types::U512;

use super::abi::sorted;
use super::deployments::{V2, V3};
use crate::sources::chains::evm::contract::checksummed;
use crate::sources::quotes::{Hop, QuoteError};

/// What a pool of V2 takes, in millionths.
const V2_FEE: u32 = 3000;
const MILLION: u32 = 1_000_000;

/// A pool, and in which direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Leg {
    pub(super) from: Address,
    pub(super) to: Address,
    pub(super) pool: Address,
    /// In millionths.
    pub(super) fee: u32,
}

impl Leg {
    /// The pair of V2 that its factory makes of the two tokens, whether or not it has.
    pub(super) fn v2(v2: &V2, from: Address, to: Address) -> Self {
        let (token0, token1) = sorted(from, to);
        let salt = keccak256([token0.as_bytes(), token1.as_bytes()].concat());
        Self { from, to, pool: get_create2_address_from_hash(v2.factory, salt, v2.init_code_hash), fee: V2_FEE }
    }

    /// The pool of V3 with this fee, likewise.
    pub(super) fn v3(v3: &V3, from: Address, to: Address, fee: u32) -> Self {
        let (token0, token1) = sorted(from, to);
        let key = [
            ethers::abi::Token::Address(token0),
            ethers::abi::Token::Address(token1),
            ethers::abi::Token::Uint(fee.into()),
        ];
        let salt = keccak256(ethers::abi::encode(&key));
        Self { from, to, pool: get_create2_address_from_hash(v3.factory, salt, v3.init_code_hash), fee }
    }

    /// Whether what is sold is the pool's `token0`.
    pub(super) fn sells_first(&self) -> bool {
        self.from < self.to
    }

    fn hop(&self, exchange: &str) -> Hop {
        Hop {
            from: checksummed(self.from),
            to: checksummed(self.to),
            exchange: exchange.to_owned(),
            pool: Some(checksummed(self.pool)),
            fee_ppm: Some(self.fee),
            share_bps: crate::domain::swap::BPS,
        }
    }
}

/// A route, as it is shown.
pub(super) fn hops(legs: &[Leg], exchange: &str) -> Vec<Hop> {
    legs.iter().map(|leg| leg.hop(exchange)).collect()
}

/// The ways from one token to the other: straight, and through each base token.
pub(super) fn ways(from: Address, to: Address, base_tokens: &[Address]) -> Vec<Vec<Address>> {
    let through = base_tokens.iter().filter(|base| **base != from && **base != to);
    [vec![from, to]].into_iter().chain(through.map(|base| vec![from, *base, to])).collect()
}

/// What a pool makes of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// So much comes out: not zero.
    Pays(U256),
    /// There are pools, but so little is worth less than a unit.
    Nothing,
    /// There are pools, but they do not hold so much.
    TooMuch,
    /// There are pools, but one of the tokens did not let itself be transferred.
    Stuck,
    /// There are no such pools.
    NoPool,
}

/// The route that pays most, the shortest of those that pay the same.
///
/// # Errors
/// [`QuoteError::NoRoute`], where none pays anything.
pub(super) fn best<R>(
    routes: impl IntoIterator<Item = (R, Outcome)>,
    length: impl Fn(&R) -> usize,
) -> Result<(R, U256), QuoteError> {
    let mut best: Option<(R, U256)> = None;
    let (mut too_much, mut nothing, mut stuck) = (false, false, false);
    for (route, outcome) in routes {
        match outcome {
            Outcome::Pays(amount) => {
                let better = best
                    .as_ref()
                    .is_none_or(|(other, paid)| amount > *paid || (amount == *paid && length(&route) < length(other)));
                if better {
                    best = Some((route, amount));
                }
            }
            Outcome::TooMuch => too_much = true,
            Outcome::Nothing => nothing = true,
            Outcome::Stuck => stuck = true,
            Outcome::NoPool => {}
        }
    }
    best.ok_or_else(|| {
        let reason = if stuck {
            "one of the tokens cannot be transferred"
        } else if too_much {
            "no pool can take so much"
        } else if nothing {
            "no pool pays anything for so little"
        } else {
            "no pool trades these"
        };
        QuoteError::NoRoute(reason.to_owned())
    })
}

/// What `amount` would bring at V2's prices where it moved none, fees taken off: one division at the end, rounded down.
pub(super) fn ideal_of_reserves(amount: U256, reserves: &[(U256, U256)]) -> Option<U256> {
    let (mut numerator, mut denominator) = (U512::from(amount), U512::one());
    for (reserve_in, reserve_out) in reserves {
        // 112 bits and 10 a pool: with two pools no more than 500 bits.
        numerator = numerator.checked_mul(U512::from(*reserve_out) * U512::from(997))?;
        denominator = denominator.checked_mul(U512::from(*reserve_in) * U512::from(1000))?;
    }
    U256::try_from(numerator.checked_div(denominator)?).ok()
}

/// The same at V3's price: `sqrt_price` is the root of what `token0` costs in `token1`, times 2^96.
pub(super) fn ideal_of_price(amount: U256, sqrt_price: U256, leg: &Leg) -> Option<U256> {
    let kept = U512::from(MILLION.checked_sub(leg.fee)?);
    let (price, amount) = (U512::from(sqrt_price), U512::from(amount) * kept);
    let squared = price * price;
    let ideal = if leg.sells_first() {
        match amount.checked_mul(squared) {
            Some(product) => product >> 192,
            // More than 192 bits: what is lost by an earlier division is nothing beside it.
            None => ((amount * price) >> 96).checked_mul(price)? >> 96,
        }
    } else {
        (amount << 192).checked_div(squared)?
    };
    U256::try_from(ideal / U512::from(MILLION)).ok()
}

#[cfg(test)]
mod tests {
    use super::super::deployments::Deployments;
    use super::*;
    use crate::domain::chain::ChainId;

    const WETH: &str = "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2";
    const USDC: &str = "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48";

    fn token(text: &str) -> Address {
        text.parse().unwrap()
    }

    #[test]
    fn pools_are_where_the_factories_put_them() {
        let deployments = Deployments::new(&std::collections::BTreeMap::new(), &[]).unwrap();
        let ethereum = deployments.on(&ChainId::evm(1)).unwrap();
        let (weth, usdc) = (token(WETH), token(USDC));
        for (from, to) in [(weth, usdc), (usdc, weth)] {
            let pair = Leg::v2(&ethereum.v2.unwrap(), from, to);
            assert_eq!(checksummed(pair.pool), "0xB4e16d0168e52d35CaCD2c6185b44281Ec28C9Dc");
            let pool = Leg::v3(&ethereum.v3.unwrap(), from, to, 500);
            assert_eq!(checksummed(pool.pool), "0x88e6A0c2dDD26FEEb64F039a2c41296FcB3f5640");
            assert_eq!(pool.sells_first(), from == usdc);
        }
    }

    #[test]
    fn a_way_goes_straight_or_through_a_third_token() {
        let [one, two, three, four] = [1, 2, 3, 4].map(Address::repeat_byte);
        assert_eq!(ways(one, two, &[one, two]), [vec![one, two]]);
        let expected = [vec![one, two], vec![one, three, two], vec![one, four, two]];
        assert_eq!(ways(one, two, &[three, two, four]), expected);
    }

    #[test]
    fn the_best_route_pays_most_and_is_short() {
        let routes = [(2, Outcome::Pays(5.into())), (1, Outcome::Pays(5.into())), (3, Outcome::TooMuch)];
        assert_eq!(best(routes, |length| *length).unwrap(), (1, 5.into()));
        let why =
            |outcomes: &[Outcome]| best(outcomes.iter().map(|outcome| ((), *outcome)), |()| 1).unwrap_err().to_string();
        assert_eq!(why(&[Outcome::NoPool]), "no pool trades these");
        assert_eq!(why(&[Outcome::NoPool, Outcome::Nothing]), "no pool pays anything for so little");
        assert_eq!(why(&[Outcome::TooMuch, Outcome::Nothing]), "no pool can take so much");
    }

    #[test]
    fn ideals_are_exact() {
        let (big, small) = (U256::exp10(24), U256::exp10(12));
        let ideal = ideal_of_reserves(U256::exp10(18), &[(big, small)]).unwrap();
        assert_eq!(ideal, 997_000.into());
        let there_and_back = ideal_of_reserves(U256::exp10(18), &[(big, small), (small, big)]).unwrap();
        assert_eq!(there_and_back, U256::from(994_009) * U256::exp10(12));
        let largest = (U256::one() << 112) - 1;
        assert!(ideal_of_reserves(largest, &[(largest, largest), (largest, largest)]).is_some());
        assert_eq!(ideal_of_reserves(1.into(), &[(0.into(), 1.into())]), None);
    }

    #[test]
    fn a_root_of_a_price_is_a_price_both_ways() {
        let (low, high) = (Address::repeat_byte(1), Address::repeat_byte(2));
        let leg = |from, to| Leg { from, to, pool: Address::zero(), fee: 3000 };
        // One token0 is four token1.
        let root = U256::one() << 97;
        assert_eq!(ideal_of_price(1_000_000.into(), root, &leg(low, high)), Some(3_988_000.into()));
        assert_eq!(ideal_of_price(1_000_000.into(), root, &leg(high, low)), Some(249_250.into()));
        assert_eq!(ideal_of_price(1.into(), 0.into(), &leg(high, low)), None);
        let much = U256::one() << 200;
        assert_eq!(
            ideal_of_price(much, root, &leg(low, high)),
            Some(much / 1_000_000 * 3_988_000 + (much % 1_000_000) * 3_988_000 / 1_000_000)
        );
        assert_eq!(ideal_of_price(U256::MAX, (U256::one() << 160) - 1, &leg(low, high)), None);
    }
}
