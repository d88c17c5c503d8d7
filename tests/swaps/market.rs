//! Random markets: new tokens, and pools between them, the wrapped coin and a base token.

use std::collections::BTreeMap;

use ethers::types::{Address, U256};
use support::uniswap::V3Pool;

use super::dice::Dice;
use super::world::World;

/// V3's fees, and between how many ticks there may be a limit of a range.
const TIERS: [(u32, i32); 4] = [(100, 1), (500, 10), (3000, 60), (10_000, 200)];
/// Pairs of fees for two hops that are not asked for where there are two base tokens: the least likely.
const NOT_ASKED: [(u32, u32); 3] = [(10_000, 100), (100, 10_000), (10_000, 10_000)];
/// Of each token there is more than all pools take.
const SUPPLY_BITS: usize = 126;

/// Tokens, and the pools that there are between them.
pub(super) struct Market {
    /// The wrapped coin, the base token, and the new ones.
    pub(super) tokens: [Address; 4],
    /// By both tokens, in the order of their addresses: what the pair holds.
    v2: BTreeMap<(Address, Address), (U256, U256)>,
    /// The same with the fee: what was put in first.
    v3: BTreeMap<(Address, Address, u32), (U256, U256)>,
}

/// A way through pools of V3: the tokens, and the fees between them.
pub(super) type V3Route = (Vec<Address>, Vec<u32>);

/// A token of 6, 8 or 18 decimals.
pub(super) async fn new_token(world: &World, dice: &mut Dice) -> Address {
    let decimals = dice.one(&[6, 8, 18]);
    world.uniswap.token_with_decimals(&world.anvil, U256::one() << SUPPLY_BITS, decimals).await
}

impl Market {
    /// Only the wrapped coin and the base token, and pools between them.
    pub(super) async fn of_base(world: &World, dice: &mut Dice, base: Address) -> Self {
        let tokens = [world.uniswap.weth, base, Address::zero(), Address::zero()];
        let mut market = Self { tokens, v2: BTreeMap::new(), v3: BTreeMap::new() };
        let (reserves, deep) = (pair(dice, 80, 90), pair(dice, 70, 80));
        market.add_v2(world, (world.uniswap.weth, base), reserves).await;
        market.add_v3(world, dice, (world.uniswap.weth, base), 3000, deep, false).await;
        market
    }

    /// With two new tokens, and pools between all of them but the first two.
    pub(super) async fn with_new_tokens(&self, world: &World, dice: &mut Dice) -> Self {
        let [wrapped, base, ..] = self.tokens;
        let (x, y) = (new_token(world, dice).await, new_token(world, dice).await);
        let mut market = Self { tokens: [wrapped, base, x, y], v2: self.v2.clone(), v3: self.v3.clone() };
        for pool in [(x, y), (x, wrapped), (base, x), (y, wrapped), (base, y)] {
            if dice.percent(60) {
                let reserves = if dice.percent(15) { pair(dice, 1, 8) } else { pair(dice, 9, 111) };
                market.add_v2(world, pool, reserves).await;
            }
            for (fee, _) in TIERS {
                if dice.percent(30) {
                    let (amounts, narrow) = (pair(dice, 16, 85), dice.percent(50));
                    market.add_v3(world, dice, pool, fee, amounts, narrow).await;
                }
            }
        }
        market
    }

    async fn add_v2(&mut self, world: &World, tokens: (Address, Address), amounts: (U256, U256)) {
        let ((token0, token1), (amount0, amount1)) = sorted(tokens, amounts);
        world.uniswap.v2_pool_raw(&world.anvil, token0, token1, amount0, amount1).await;
        self.v2.insert((token0, token1), (amount0, amount1));
    }

    /// A pool with one position, or with several narrow ones about its price, or beside it.
    async fn add_v3(
        &mut self,
        world: &World,
        dice: &mut Dice,
        tokens: (Address, Address),
        fee: u32,
        amounts: (U256, U256),
        narrow: bool,
    ) {
        let ((token0, token1), amounts) = sorted(tokens, amounts);
        let mut pool = V3Pool { tokens: (token0, token1), fee, amounts, sqrt_price_x96: None, ticks: None };
        let spacing = TIERS.iter().find(|(tier, _)| *tier == fee).map_or(1, |(_, spacing)| *spacing);
        let at = tick_at(amounts).div_euclid(spacing);
        for _ in 0..if narrow { dice.from(1, 3) } else { 1 } {
            if narrow {
                let steps = |dice: &mut Dice, least, most| i32::try_from(dice.from(least, most)).expect("a few steps");
                let below = at + 2 - steps(dice, 0, 20);
                pool.ticks = Some((below * spacing, (below + steps(dice, 1, 20)) * spacing));
            }
            world.uniswap.v3_pool(&world.anvil, pool).await;
        }
        self.v3.insert((token0, token1, fee), amounts);
    }

    /// How much of `token` there is in some pool; any number where there is none.
    pub(super) fn some_depth(&self, dice: &mut Dice, token: Address) -> U256 {
        let v2 = self.v2.iter().map(|((token0, token1), held)| (*token0, *token1, *held));
        let v3 = self.v3.iter().map(|((token0, token1, _), held)| (*token0, *token1, *held));
        let held =
            v2.chain(v3).filter_map(
                |(token0, token1, (held0, held1))| {
                    if token == token0 { Some(held0) } else { (token == token1).then_some(held1) }
                },
            );
        let held: Vec<_> = held.collect();
        if held.is_empty() { dice.number(1, 100) } else { dice.one(&held) }
    }

    /// What the best way through pairs of V2 pays, by the contract's formula.
    pub(super) fn v2_pays(&self, from: Address, to: Address, amount: U256) -> Option<U256> {
        let through = |path: Vec<Address>| {
            path.windows(2).try_fold(amount, |amount, hop| {
                let ((token0, token1), _) = sorted((hop[0], hop[1]), ((), ()));
                let (held0, held1) = *self.v2.get(&(token0, token1))?;
                v2_out(amount, if hop[0] == token0 { (held0, held1) } else { (held1, held0) })
            })
        };
        self.paths(from, to).into_iter().filter_map(through).max().filter(|paid| !paid.is_zero())
    }

    /// All ways through pools of V3 that are asked for.
    pub(super) fn v3_routes(&self, from: Address, to: Address) -> Vec<V3Route> {
        let fees = |from: Address, to: Address| {
            let ((token0, token1), _) = sorted((from, to), ((), ()));
            TIERS.map(|(fee, _)| fee).into_iter().filter(move |fee| self.v3.contains_key(&(token0, token1, *fee)))
        };
        let ways = |path: Vec<Address>| -> Vec<V3Route> {
            match path[..] {
                [from, to] => fees(from, to).map(|fee| (path.clone(), vec![fee])).collect(),
                [from, base, to] => fees(from, base)
                    .flat_map(|first| fees(base, to).map(move |second| (first, second)))
                    .filter(|pair| !NOT_ASKED.contains(pair))
                    .map(|(first, second)| (path.clone(), vec![first, second]))
                    .collect(),
                _ => vec![],
            }
        };
        self.paths(from, to).into_iter().flat_map(ways).collect()
    }

    /// Straight, and through each base token.
    fn paths(&self, from: Address, to: Address) -> Vec<Vec<Address>> {
        let bases = self.tokens[..2].iter().filter(|base| **base != from && **base != to);
        [vec![from, to]].into_iter().chain(bases.map(|base| vec![from, *base, to])).collect()
    }
}

fn pair(dice: &mut Dice, least_bits: u32, most_bits: u32) -> (U256, U256) {
    (dice.number(least_bits, most_bits), dice.number(least_bits, most_bits))
}

fn sorted<T>(tokens: (Address, Address), amounts: (T, T)) -> ((Address, Address), (T, T)) {
    if tokens.0 < tokens.1 { (tokens, amounts) } else { ((tokens.1, tokens.0), (amounts.1, amounts.0)) }
}

/// `UniswapV2Library.getAmountOut`, where the pair can count what it would hold.
fn v2_out(amount: U256, (held_in, held_out): (U256, U256)) -> Option<U256> {
    if amount.is_zero() || (held_in + amount).bits() > 112 {
        return None;
    }
    let fed = amount * 997;
    Some(fed * held_out / (held_in * 1000 + fed))
}

/// The tick of a price, or one beside it.
fn tick_at((amount0, amount1): (U256, U256)) -> i32 {
    let logarithm = |amount: U256| {
        let shift = amount.bits().saturating_sub(52);
        #[expect(clippy::cast_precision_loss, reason = "52 bits are exact")]
        let (bits, shift) = ((amount >> shift).as_u64() as f64, shift as f64);
        bits.ln() + shift * std::f64::consts::LN_2
    };
    let tick = (logarithm(amount1) - logarithm(amount0)) / 1.0001_f64.ln();
    #[expect(clippy::cast_possible_truncation, reason = "ticks are below 887,273")]
    let tick = tick.floor() as i32;
    tick
}
