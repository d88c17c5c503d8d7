//! Uniswap V3: quotes of its `QuoterV2`, which makes the swap and takes it back
//! (<https://docs.uniswap.org/contracts/v3/reference/periphery/lens/QuoterV2>).

mod question;

use std::collections::HashMap;
use std::sync::Arc;

use ethers::types::{Address, U256};

use super::deployments::Deployments;
use super::ground::{Ground, Plan, not_there};
use super::legs::{Leg, best, hops, ideal_of_price};
use super::probe::{self, Loan, Version};
use super::{multicall, transactions};
use crate::domain::chain::ChainId;
use crate::domain::swap::impact_bps;
use crate::platform::BoxFuture;
use crate::platform::clock::Clock;
use crate::sources::chains::Chain;
use crate::sources::chains::evm::EvmClient;
use crate::sources::quotes::{QuoteError, QuoteSource, SourceQuote, Swap};
use question::{Question, Seen};

const NAME: &str = "uniswap-v3";
const EXCHANGE: &str = "Uniswap V3";
/// What lies around what `QuoterV2` measures: the transaction itself (21,000), the router, and paying the first pool. An
/// estimate, from swaps of plain tokens.
const GAS_AROUND: u64 = 40_000;

/// Uniswap V3 on every chain where it is known.
pub struct UniswapV3 {
    ground: Ground,
}

impl UniswapV3 {
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
        let v3 = plan.deployment.v3.ok_or_else(|| not_there(&swap.chain))?;
        let question = Question::new(&v3, (plan.from, plan.to), plan.amount, &plan.deployment.base_tokens);
        let answers = multicall::ask(plan.client, plan.deployment.multicall, question.calls()).await?;
        let seen = question.seen(&answers);
        let outcomes = question.routes().iter().map(|route| (route, seen.outcome(route)));
        let (route, amount_out) = best(outcomes, |route| route.len())?;
        probe::check(plan.client, &loans(&plan, route, &seen, amount_out)).await?;
        let ideal = route.iter().try_fold(plan.amount, |amount, leg| ideal_of_price(amount, seen.price(leg)?, leg));
        let transaction = plan
            .recipient
            .zip(v3.router)
            .map(|(recipient, router)| transactions::v3(router, &plan, recipient, route, amount_out));
        Ok(SourceQuote {
            min_amount_out: None,
            amount_out,
            price_impact_bps: ideal.map(|ideal| impact_bps(amount_out, ideal)),
            route: hops(route, EXCHANGE),
            gas: seen.gas(route).map(|gas| gas.saturating_add(GAS_AROUND)),
            transaction,
        })
    }
}

impl QuoteSource for UniswapV3 {
    fn name(&self) -> &'static str {
        NAME
    }

    fn serves(&self, chain: &Chain) -> bool {
        self.ground.on(chain).is_some_and(|(_, deployment)| deployment.v3.is_some())
    }

    fn quote<'a>(&'a self, swap: &'a Swap) -> BoxFuture<'a, Result<SourceQuote, QuoteError>> {
        Box::pin(self.ask(swap))
    }
}

/// What is borrowed to see whether the tokens take a fee. The wrapped coin takes none.
fn loans(plan: &Plan<'_>, route: &[Leg], seen: &Seen, amount_out: U256) -> Vec<Loan> {
    let known = |token: Address| token == plan.deployment.wrapped;
    let sold = route.first().filter(|leg| !known(leg.from));
    let bought = route.last().filter(|leg| !known(leg.to));
    let sold = sold.and_then(|leg| Loan::of_sold(Version::V3, leg, plan.amount, seen.held(leg)?));
    // It holds at least what it would pay.
    let bought = bought.and_then(|leg| Loan::of_bought(Version::V3, leg, amount_out, amount_out));
    sold.into_iter().chain(bought).collect()
}

#[cfg(test)]
mod tests;
