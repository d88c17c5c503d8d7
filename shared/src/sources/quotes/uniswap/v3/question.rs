//! What V3 is asked, all in one call, within the gas that a node gives an `eth_call`; and what comes of it.

use std::collections::{BTreeSet, HashMap};

use ethers::types::{Address, U256};

use crate::sources::chains::evm::contract::word;
use crate::sources::quotes::uniswap::abi::{self, Quoted};
use crate::sources::quotes::uniswap::deployments::V3;
use crate::sources::quotes::uniswap::legs::{Leg, Outcome, ways};
use crate::sources::quotes::uniswap::multicall::{Answer, Call};

/// The fees that pools are usually made with, in millionths.
const TIERS: [u32; 4] = [100, 500, 3000, 10_000];
/// Pairs of them for two hops, the likelier first: all sixteen.
const TIER_PAIRS: [(u32, u32); 16] = [
    (3000, 500),
    (500, 3000),
    (500, 500),
    (3000, 3000),
    (10_000, 500),
    (500, 10_000),
    (10_000, 3000),
    (3000, 10_000),
    (500, 100),
    (100, 500),
    (3000, 100),
    (100, 3000),
    (100, 100),
    (10_000, 100),
    (100, 10_000),
    (10_000, 10_000),
];
/// So many of those are asked for, over all base tokens.
const MOST_TWO_HOPS: usize = 26;

/// What each call may take. Nodes give a call 50 million or more; with four base tokens these come to less than 45.
const SINGLE_GAS: u64 = 2_000_000;
const PATH_GAS: u64 = 1_250_000;
const PRICE_GAS: u64 = 30_000;
const BALANCE_GAS: u64 = 100_000;

/// Where a price cannot go further: the lowest and the highest root that a swap may end at (`TickMath`, one within).
const LOWEST_PRICE: u64 = 4_295_128_740;
const HIGHEST_PRICE: &str = "1461446703485210103287273052203988822378723970341";

/// The calls, and what each is for.
pub(super) struct Question {
    routes: Vec<Vec<Leg>>,
    pools: Vec<Leg>,
    first_pools: Vec<Leg>,
    calls: Vec<Call>,
}

/// What was answered.
#[derive(Debug, Default)]
pub(super) struct Seen {
    quotes: HashMap<Vec<Leg>, Quoted>,
    /// What the quoter said instead of a quote.
    refusals: HashMap<Vec<Leg>, Vec<u8>>,
    prices: HashMap<Address, U256>,
    held: HashMap<Address, U256>,
}

impl Question {
    /// What `amount` of `from` brings in `to`.
    pub(super) fn new(v3: &V3, (from, to): (Address, Address), amount: U256, base_tokens: &[Address]) -> Self {
        let routes = routes(v3, from, to, base_tokens);
        let pools = distinct(routes.iter().flatten());
        let first_pools = distinct(routes.iter().filter_map(|route| route.first()));
        let quote = |route: &Vec<Leg>| match &route[..] {
            [leg] => {
                let data = abi::quote_single(leg.from, leg.to, amount, leg.fee);
                Call { target: v3.quoter, gas: SINGLE_GAS, data }
            }
            legs => {
                let path = abi::path(from, legs.iter().map(|leg| (leg.fee, leg.to)));
                Call { target: v3.quoter, gas: PATH_GAS, data: abi::quote_path(path, amount) }
            }
        };
        let price = |leg: &Leg| Call { target: leg.pool, gas: PRICE_GAS, data: abi::slot0() };
        let held = |leg: &Leg| Call { target: from, gas: BALANCE_GAS, data: abi::balance_of(leg.pool) };
        let quotes = routes.iter().map(quote);
        let calls = quotes.chain(pools.iter().map(price)).chain(first_pools.iter().map(held)).collect();
        Self { routes, pools, first_pools, calls }
    }

    pub(super) fn calls(&self) -> &[Call] {
        &self.calls
    }

    pub(super) fn routes(&self) -> &[Vec<Leg>] {
        &self.routes
    }

    /// Reads the answers to the calls, in their order.
    pub(super) fn seen(&self, answers: &[Answer]) -> Seen {
        let mut answers = answers.iter();
        let mut seen = Seen::default();
        for (route, answer) in self.routes.iter().zip(answers.by_ref()) {
            let read = if route.len() == 1 { abi::quoted_single } else { abi::quoted_path };
            match answer.as_deref().map(read) {
                Ok(Some(quoted)) => _ = seen.quotes.insert(route.clone(), quoted),
                Ok(None) => {}
                Err(refusal) => _ = seen.refusals.insert(route.clone(), refusal.clone()),
            }
        }
        for (leg, answer) in self.pools.iter().zip(answers.by_ref()) {
            if let Some(price) = answer.as_deref().ok().and_then(abi::sqrt_price) {
                seen.prices.insert(leg.pool, price);
            }
        }
        for (leg, answer) in self.first_pools.iter().zip(answers) {
            if let Some(held) = answer.as_deref().ok().and_then(|answer| word(answer, 0)) {
                seen.held.insert(leg.pool, held);
            }
        }
        seen
    }
}

impl Seen {
    /// What comes out of a route.
    pub(super) fn outcome(&self, route: &[Leg]) -> Outcome {
        if route.iter().any(|leg| self.price(leg).is_none()) {
            return Outcome::NoPool;
        }
        match self.quotes.get(route) {
            None => self.refusals.get(route).map_or(Outcome::TooMuch, |refusal| meaning(refusal)),
            // Such a pool has nothing in it.
            Some(quoted) if quoted.amount_out.is_zero() && quoted.prices_after.iter().any(at_the_end) => {
                Outcome::NoPool
            }
            // It quotes what a pool pays until it is empty, which is not for all that is sold.
            Some(quoted) if quoted.prices_after.iter().any(at_the_end) => Outcome::TooMuch,
            Some(quoted) if quoted.amount_out.is_zero() => Outcome::Nothing,
            Some(quoted) => Outcome::Pays(quoted.amount_out),
        }
    }

    /// The root of the pool's price, times 2^96.
    pub(super) fn price(&self, leg: &Leg) -> Option<U256> {
        self.prices.get(&leg.pool).copied()
    }

    /// How much the first pool of a route holds of what is sold.
    pub(super) fn held(&self, leg: &Leg) -> Option<U256> {
        self.held.get(&leg.pool).copied()
    }

    /// The work of the route's pools.
    pub(super) fn gas(&self, route: &[Leg]) -> Option<u64> {
        self.quotes.get(route).and_then(|quoted| u64::try_from(quoted.gas).ok())
    }
}

fn routes(v3: &V3, from: Address, to: Address, base_tokens: &[Address]) -> Vec<Vec<Leg>> {
    let ways = ways(from, to, base_tokens);
    let straight = TIERS.iter().map(|fee| vec![Leg::v3(v3, from, to, *fee)]);
    // The likeliest fees through every base token come before the less likely through any.
    let through = TIER_PAIRS.iter().flat_map(|fees| ways.iter().skip(1).map(move |way| (way, fees)));
    let through = through
        .map(|(way, (first, second))| vec![Leg::v3(v3, way[0], way[1], *first), Leg::v3(v3, way[1], way[2], *second)]);
    straight.chain(through.take(MOST_TWO_HOPS)).collect()
}

/// Each pool once, in the order in which they first come.
fn distinct<'a>(legs: impl Iterator<Item = &'a Leg>) -> Vec<Leg> {
    let mut known = BTreeSet::new();
    legs.filter(|leg| known.insert(leg.pool)).copied().collect()
}

/// Why the quoter gives no quote. What the pool says is in an `Error(string)`.
fn meaning(refusal: &[u8]) -> Outcome {
    // Selector, offset and length: 4 + 32 + 32 bytes, then the text.
    match refusal.get(4 + 64..4 + 67) {
        // Nothing comes out of the first pool to be sold to the second.
        Some(b"AS\0") => Outcome::Nothing,
        Some(b"TF\0") => Outcome::Stuck,
        // More than can be counted, or too much to do.
        _ => Outcome::TooMuch,
    }
}

fn at_the_end(price: &U256) -> bool {
    let highest = U256::from_dec_str(HIGHEST_PRICE).unwrap_or(U256::MAX);
    *price <= U256::from(LOWEST_PRICE) || *price >= highest
}

#[cfg(test)]
mod tests {
    use ethers::abi::{Token as Value, encode};

    use super::*;

    fn v3() -> V3 {
        V3 { factory: Address::repeat_byte(9), quoter: Address::repeat_byte(8), router: None, init_code_hash: [1; 32] }
    }

    fn question(base_tokens: &[u8]) -> Question {
        let base_tokens: Vec<_> = base_tokens.iter().map(|byte| Address::repeat_byte(*byte)).collect();
        Question::new(&v3(), (Address::repeat_byte(1), Address::repeat_byte(2)), 1000.into(), &base_tokens)
    }

    fn words(words: &[U256]) -> Vec<u8> {
        words.iter().flat_map(|word| encode(&[Value::Uint(*word)])).collect()
    }

    #[test]
    fn no_question_takes_more_than_a_node_gives() {
        let question = question(&[3, 4, 5, 6]);
        assert_eq!(question.routes().len(), 4 + MOST_TWO_HOPS);
        let gas: u64 = question.calls().iter().map(|call| call.gas).sum();
        assert!(gas < 45_000_000, "{gas}");
    }

    #[test]
    fn every_pair_of_fees_is_tried_through_one_token() {
        let question = question(&[1, 3]);
        assert_eq!(question.routes().len(), 4 + 16);
        assert_eq!(question.pools.len(), 4 + 8);
        assert_eq!(question.first_pools.len(), 4 + 4);
        let fees: BTreeSet<_> = question.routes()[4..].iter().map(|route| (route[0].fee, route[1].fee)).collect();
        assert_eq!(fees.len(), 16);
    }

    #[test]
    fn a_pool_that_was_emptied_is_no_route() {
        let question = question(&[]);
        let quoted = |amount: u64, price: U256| Ok(words(&[amount.into(), price, 1.into(), 80_000.into()]));
        let price = |known: bool| {
            let words = words(&[7.into(), 0.into(), 0.into(), 0.into(), 0.into(), 0.into(), 1.into()]);
            Ok(if known { words } else { vec![] })
        };
        let usual = U256::one() << 96;
        let highest = U256::from_dec_str(HIGHEST_PRICE).unwrap();
        let answers = [
            quoted(5, usual),
            quoted(9, highest),
            quoted(0, usual),
            Err(vec![]),
            price(true),
            price(true),
            price(true),
            price(false),
            Ok(words(&[11.into()])),
            Err(vec![]),
            Ok(vec![]),
            Ok(vec![]),
        ];
        let seen = question.seen(&answers);
        let outcomes: Vec<_> = question.routes().iter().map(|route| seen.outcome(route)).collect();
        assert_eq!(outcomes, [Outcome::Pays(5.into()), Outcome::TooMuch, Outcome::Nothing, Outcome::NoPool]);
        assert_eq!(seen.gas(&question.routes()[0]), Some(80_000));
        assert_eq!(seen.held(&question.routes()[0][0]), Some(11.into()));
        assert_eq!(seen.price(&question.routes()[0][0]), Some(7.into()));
        assert_eq!(seen.held(&question.routes()[2][0]), None);
    }

    #[test]
    fn a_refusal_says_why() {
        let error = |text: &str| [&[0x08, 0xc3, 0x79, 0xa0], &encode(&[Value::String(text.to_owned())])[..]].concat();
        assert_eq!(meaning(&error("AS")), Outcome::Nothing);
        assert_eq!(meaning(&error("TF")), Outcome::Stuck);
        for refusal in [error("SPL"), error("ASK"), vec![], vec![0; 68]] {
            assert_eq!(meaning(&refusal), Outcome::TooMuch);
        }
    }
}
