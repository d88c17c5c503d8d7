//! LI.FI's quotes, within one chain (<https://docs.li.fi/api-reference/get-a-quote-for-a-token-transfer>).

use reqwest::Url;
use rust_decimal::Decimal;
use serde::Deserialize;

use super::upstream::{self, Api, Call, Figure, ZERO, malformed};
use super::{Hop, QuoteError, QuoteSource, SourceQuote, Swap, UnsignedTransaction};
use crate::breaker;
use crate::domain::swap::BPS;
use crate::platform::BoxFuture;
use crate::platform::secret::Secret;
use crate::sources::chains::Chain;
use crate::sources::http::HttpClient;

/// `LiFiDiamond`, the same on nearly all chains; where it is another one, there is no transaction of theirs.
const DIAMOND: &str = "0x1231DEB6f5749EF6cE6943a275A1D3E7486F4EaE";
const NAME: &str = "lifi";

/// Who is said to ask where nobody is named: it answers nobody, not even with a price. The address is that of the
/// examples in its documentation. The transaction that comes back for it is thrown away.
const PLACEHOLDER: &str = "0x552008c0f6870c2f77e5cC1d2eb9bdff03e30Ea0";

/// EVM chains that it knows by their own numbers (`ChainId` of <https://github.com/lifinance/types>); which of them are
/// open is for `/v1/chains` to say, and for its refusals.
const CHAINS: &[u64] = &[
    1,
    10,
    14,
    25,
    30,
    50,
    56,
    100,
    122,
    130,
    137,
    143,
    146,
    196,
    204,
    232,
    250,
    252,
    288,
    324,
    480,
    747,
    999,
    1088,
    1135,
    1284,
    1285,
    1329,
    1480,
    1625,
    1868,
    1923,
    2020,
    2741,
    5000,
    8217,
    8453,
    9745,
    13371,
    33139,
    34443,
    42161,
    42220,
    42793,
    43114,
    55244,
    57073,
    59144,
    60808,
    80094,
    81457,
    98866,
    167_000,
    534_352,
    747_474,
    1_313_161_554,
];

/// LI.FI.
pub struct LiFi {
    api: Api,
}

impl LiFi {
    /// LI.FI at `base` (up to, without, `/v1`). Without a key it answers less often.
    pub fn new(http: HttpClient, base: Url, key: Option<Secret>) -> Self {
        let headers = key.iter().map(|key| ("x-lifi-api-key", key.clone())).collect();
        Self { api: Api { name: NAME, http, base, headers, key } }
    }

    /// How patient to be with it: a little less than 4 s.
    pub fn breaker_options() -> breaker::Options {
        upstream::breaker_options(NAME)
    }

    async fn ask(&self, swap: &Swap) -> Result<SourceQuote, QuoteError> {
        let number = swap.chain.id.evm_number().ok_or_else(|| QuoteError::NoRoute("not an EVM chain".to_owned()))?;
        let (chain, amount) = (number.to_string(), swap.amount.to_string());
        // As a fraction.
        let slippage = Decimal::new(swap.slippage_bps.into(), 4).normalize().to_string();
        let query = [
            ("fromChain", chain.as_str()),
            ("toChain", &chain),
            ("fromToken", upstream::contract(&swap.from, ZERO)),
            ("toToken", upstream::contract(&swap.to, ZERO)),
            ("fromAmount", &amount),
            ("fromAddress", swap.recipient.as_deref().unwrap_or(PLACEHOLDER)),
            ("slippage", &slippage),
        ];
        let body = self.api.ask("/v1/quote", &query, None).await?;
        self.api.read::<Answer>(&body)?.quote(swap, number)
    }
}

impl QuoteSource for LiFi {
    fn name(&self) -> &'static str {
        NAME
    }

    fn serves(&self, chain: &Chain) -> bool {
        chain.id.evm_number().is_some_and(|number| CHAINS.contains(&number))
    }

    fn quote<'a>(&'a self, swap: &'a Swap) -> BoxFuture<'a, Result<SourceQuote, QuoteError>> {
        Box::pin(self.ask(swap))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    #[serde(flatten)]
    step: Step,
    estimate: Estimate,
    included_steps: Option<Vec<Step>>,
    transaction_request: Option<TransactionRequest>,
}

/// The whole, or a part of it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Step {
    tool: String,
    tool_details: Option<ToolDetails>,
    action: Action,
}

#[derive(Deserialize)]
struct ToolDetails {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Action {
    from_chain_id: u64,
    to_chain_id: u64,
    from_token: TokenInfo,
    to_token: TokenInfo,
    from_address: Option<String>,
    to_address: Option<String>,
}

#[derive(Deserialize)]
struct TokenInfo {
    address: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Estimate {
    from_amount: String,
    to_amount: String,
    to_amount_min: Option<String>,
    approval_address: Option<String>,
    gas_costs: Option<Vec<GasCost>>,
}

#[derive(Deserialize)]
struct GasCost {
    #[serde(rename = "type")]
    kind: String,
    estimate: Figure,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TransactionRequest {
    from: Option<String>,
    to: String,
    data: String,
    value: String,
    gas_limit: Option<Figure>,
    chain_id: Option<u64>,
}

impl Answer {
    fn quote(self, swap: &Swap, number: u64) -> Result<SourceQuote, QuoteError> {
        let action = &self.step.action;
        upstream::check_echo("token to sell", upstream::contract(&swap.from, ZERO), &action.from_token.address)?;
        upstream::check_echo("token to buy", upstream::contract(&swap.to, ZERO), &action.to_token.address)?;
        if action.from_chain_id != number || action.to_chain_id != number {
            return Err(malformed("it speaks of another chain"));
        }
        upstream::check_amount_in(swap, &self.estimate.from_amount)?;
        let transaction =
            swap.recipient.as_deref().map(|recipient| self.transaction(swap, recipient, number)).transpose()?;
        Ok(SourceQuote {
            min_amount_out: upstream::least(self.estimate.to_amount_min.as_deref())?,
            amount_out: upstream::amount_out(&self.estimate.to_amount)?,
            price_impact_bps: None,
            route: self.route()?,
            gas: self.gas()?.or(transaction.as_ref().and_then(|transaction| transaction.gas)),
            transaction,
        })
    }

    fn transaction(&self, swap: &Swap, recipient: &str, number: u64) -> Result<UnsignedTransaction, QuoteError> {
        let Some(request) = &self.transaction_request else {
            return Err(malformed("no transaction"));
        };
        let TransactionRequest { from, to, data, value, gas_limit, chain_id } = request;
        if chain_id.is_some_and(|chain| chain != number) {
            return Err(malformed("its transaction is for another chain"));
        }
        for signer in [from, &self.step.action.from_address].into_iter().flatten() {
            upstream::check_echo("signer", recipient, signer)?;
        }
        if let Some(receiver) = &self.step.action.to_address {
            upstream::check_echo("recipient", recipient, receiver)?;
        }
        let spender = self.estimate.approval_address.as_deref();
        upstream::transaction(swap, &Call { to, data, value, gas: gas_limit.as_ref(), spender, contracts: &[DIAMOND] })
    }

    /// The steps inside; where none are told, the whole as one.
    fn route(&self) -> Result<Vec<Hop>, QuoteError> {
        match self.included_steps.as_deref() {
            None | Some([]) => upstream::route(std::iter::once(self.step.hop())),
            Some(steps) => upstream::route(steps.iter().map(Step::hop)),
        }
    }

    /// What sending takes: allowing is not part of it.
    fn gas(&self) -> Result<Option<u64>, QuoteError> {
        let costs = self.estimate.gas_costs.iter().flatten().filter(|cost| cost.kind == "SEND");
        let gas = costs.map(|cost| cost.estimate.gas()).collect::<Result<Vec<_>, _>>()?;
        let sum = gas.into_iter().flatten().fold(0_u64, u64::saturating_add);
        Ok(Some(sum).filter(|sum| *sum > 0))
    }
}

impl Step {
    fn hop(&self) -> Result<Hop, QuoteError> {
        let exchange = self.tool_details.as_ref().map_or(&self.tool, |details| &details.name);
        Ok(Hop {
            from: upstream::route_token(&self.action.from_token.address)?,
            to: upstream::route_token(&self.action.to_token.address)?,
            exchange: upstream::exchange(exchange),
            pool: None,
            fee_ppm: None,
            share_bps: BPS,
        })
    }
}

/// What an answer quotes, as it came.
#[cfg(feature = "fuzzing")]
pub(super) fn read(body: &[u8], swap: &Swap, number: u64) -> Option<Result<SourceQuote, QuoteError>> {
    serde_json::from_slice::<Answer>(body).ok().map(|answer| answer.quote(swap, number))
}

#[cfg(test)]
mod tests;
