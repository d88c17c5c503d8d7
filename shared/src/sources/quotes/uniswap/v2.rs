//! Uniswap V2: reserves, and the formula of its contract
//! (<https://docs.uniswap.org/contracts/v2/reference/smart-contracts/library>).

use std::collections::HashMap;
use std::sync::Arc;

use ethers::types::{Address, U256};

use super::deployments::Deployments;
use super::ground::{Ground, Plan, not_there};
use super::legs::{Leg, Outcome, best, hops, ideal_of_reserves, ways};
use super::multicall::{self, Call};
use super::probe::{self, Loan, Version};
use super::{abi, transactions};
use crate::domain::chain::ChainId;
use crate::domain::swap::{constant_product_out, impact_bps};
use crate::platform::BoxFuture;
use crate::platform::clock::Clock;
use crate::sources::chains::Chain;
use crate::sources::chains::evm::EvmClient;
use crate::sources::quotes::{QuoteError, QuoteSource, SourceQuote, Swap};

const NAME: &str = "uniswap-v2";
const EXCHANGE: &str = "Uniswap V2";
/// For asking a pair for its reserves: it reads one slot.
const RESERVES_GAS: u64 = 50_000;
/// What a swap through one pair takes, with plain tokens, transaction and router included; and each further pair. An
/// estimate: what swaps of the kind take on Ethereum.
const GAS: (u64, u64) = (120_000, 70_000);

/// Uniswap V2 on every chain where it is known.
pub struct UniswapV2 {
    ground: Ground,
}

/// What each pair holds, in the order of the pair's tokens.
type Reserves = HashMap<Address, (U256, U256)>;

impl UniswapV2 {
    /// Asks the nodes of these chains.
    pub(crate) fn new(
        clients: HashMap<ChainId, EvmClient>,
        deployments: Arc<Deployments>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { ground: Ground::new(clients, deployments, clock) }
    }

    async fn ask(&self, swap: &Swap) -> Result<SourceQuote, QuoteError> {
        let plan = self.ground.plan(swap)?;
        let v2 = plan.deployment.v2.ok_or_else(|| not_there(&swap.chain))?;
        let routes: Vec<Vec<Leg>> = ways(plan.from, plan.to, &plan.deployment.base_tokens)
            .iter()
            .map(|way| way.windows(2).map(|pair| Leg::v2(&v2, pair[0], pair[1])).collect())
            .collect();
        let reserves = reserves(&plan, &routes).await?;
        let outcomes = routes.into_iter().map(|route| {
            let outcome = outcome(plan.amount, &held(&route, &reserves));
            (route, outcome)
        });
        let (route, amount_out) = best(outcomes, Vec::len)?;
        let held = held(&route, &reserves);
        probe::check(plan.client, &loans(&plan, &route, &held, amount_out)).await?;
        let ideal = ideal_of_reserves(plan.amount, &held);
        let transaction = plan
            .recipient
            .zip(v2.router)
            .map(|(recipient, router)| transactions::v2(router, &plan, recipient, &route, amount_out));
        let further = u64::try_from(route.len().saturating_sub(1)).unwrap_or_default();
        Ok(SourceQuote {
            min_amount_out: None,
            amount_out,
            price_impact_bps: ideal.map(|ideal| impact_bps(amount_out, ideal)),
            route: hops(&route, EXCHANGE),
            gas: Some(GAS.0 + GAS.1 * further),
            transaction,
        })
    }
}

impl QuoteSource for UniswapV2 {
    fn name(&self) -> &'static str {
        NAME
    }

    fn serves(&self, chain: &Chain) -> bool {
        self.ground.on(chain).is_some_and(|(_, deployment)| deployment.v2.is_some())
    }

    fn quote<'a>(&'a self, swap: &'a Swap) -> BoxFuture<'a, Result<SourceQuote, QuoteError>> {
        Box::pin(self.ask(swap))
    }
}

/// Asks all pairs at once. One that is missing does not exist.
async fn reserves(plan: &Plan<'_>, routes: &[Vec<Leg>]) -> Result<Reserves, QuoteError> {
    let pairs: Vec<_> = routes.iter().flatten().map(|leg| leg.pool).collect();
    let call = |pair: &Address| Call { target: *pair, gas: RESERVES_GAS, data: abi::get_reserves() };
    let calls: Vec<_> = pairs.iter().map(call).collect();
    let answers = multicall::ask(plan.client, plan.deployment.multicall, &calls).await?;
    let known = pairs.into_iter().zip(answers);
    Ok(known.filter_map(|(pair, answer)| Some((pair, abi::reserves(&answer.ok()?)?))).collect())
}

/// What the pairs of a route hold, of what goes in and what comes out; zeros where there is no pair.
fn held(route: &[Leg], known: &Reserves) -> Vec<(U256, U256)> {
    let held = |leg: &Leg| {
        let (first, second) = known.get(&leg.pool).copied().unwrap_or_default();
        if leg.sells_first() { (first, second) } else { (second, first) }
    };
    route.iter().map(held).collect()
}

/// What comes out of pairs that hold so much.
fn outcome(amount: U256, held: &[(U256, U256)]) -> Outcome {
    if held.iter().any(|(reserve_in, reserve_out)| reserve_in.is_zero() || reserve_out.is_zero()) {
        return Outcome::NoPool;
    }
    let through = |amount: Option<U256>, (reserve_in, reserve_out): &(U256, U256)| {
        constant_product_out(amount?, *reserve_in, *reserve_out)
    };
    match held.iter().fold(Some(amount), through) {
        None => Outcome::TooMuch,
        Some(out) if out.is_zero() => Outcome::Nothing,
        Some(out) => Outcome::Pays(out),
    }
}

/// What is borrowed to see whether the tokens take a fee. The wrapped coin takes none.
fn loans(plan: &Plan<'_>, route: &[Leg], held: &[(U256, U256)], amount_out: U256) -> Vec<Loan> {
    let known = |token: Address| token == plan.deployment.wrapped;
    let sold = route.first().zip(held.first()).filter(|(leg, _)| !known(leg.from));
    let bought = route.last().zip(held.last()).filter(|(leg, _)| !known(leg.to));
    let sold = sold.and_then(|(leg, held)| Loan::of_sold(Version::V2, leg, plan.amount, held.0));
    let bought = bought.and_then(|(leg, held)| Loan::of_bought(Version::V2, leg, amount_out, held.1));
    sold.into_iter().chain(bought).collect()
}

#[cfg(test)]
mod tests;
