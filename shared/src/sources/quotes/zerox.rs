//! The 0x Swap API, version 2, with allowances held by its `AllowanceHolder` contract
//! (<https://docs.0x.org/api-reference/openapi-json/swap/allowanceholder-getquote>).

use reqwest::Url;
use serde::Deserialize;

use super::upstream::{self, Api, Call, Figure, NATIVE, malformed};
use super::{Hop, QuoteError, QuoteSource, SourceQuote, Swap, Token, UnsignedTransaction};
use crate::breaker;
use crate::platform::BoxFuture;
use crate::platform::secret::Secret;
use crate::sources::chains::Chain;
use crate::sources::http::HttpClient;

/// `AllowanceHolder` (<https://0x.org/docs/core-concepts/contracts>).
const ALLOWANCE_HOLDER: &str = "0x0000000000001fF3684f28c67538d4D072C22734";
const NAME: &str = "0x";

/// The chains that its documentation lists for swaps (<https://0x.org/docs/developer-resources/supported-chains>).
const CHAINS: &[u64] = &[
    1, 10, 56, 130, 137, 143, 146, 480, 2741, 5000, 8453, 9745, 34443, 42161, 43114, 57073, 59144, 80094, 81457,
    534_352,
];

/// 0x.
pub struct ZeroX {
    api: Api,
}

impl ZeroX {
    /// 0x at `base` (up to, without, `/swap`).
    pub fn new(http: HttpClient, base: Url, key: Secret) -> Self {
        let headers = vec![("0x-api-key", key.clone()), ("0x-version", Secret::new("v2"))];
        Self { api: Api { name: NAME, http, base, headers, key: Some(key) } }
    }

    /// How patient to be with it: a little less than 4 s.
    pub fn breaker_options() -> breaker::Options {
        upstream::breaker_options(NAME)
    }

    async fn ask(&self, swap: &Swap) -> Result<SourceQuote, QuoteError> {
        let number = swap.chain.id.evm_number().ok_or_else(|| QuoteError::NoRoute("not an EVM chain".to_owned()))?;
        let (number, amount) = (number.to_string(), swap.amount.to_string());
        let slippage = swap.slippage_bps.to_string();
        let mut query = vec![
            ("chainId", number.as_str()),
            ("sellToken", upstream::contract(&swap.from, NATIVE)),
            ("buyToken", upstream::contract(&swap.to, NATIVE)),
            ("sellAmount", &amount),
            ("slippageBps", &slippage),
        ];
        let path = match &swap.recipient {
            Some(recipient) => {
                query.push(("taker", recipient));
                "/swap/allowance-holder/quote"
            }
            None => "/swap/allowance-holder/price",
        };
        let body = self.api.ask(path, &query, None).await?;
        // Where there is no liquidity, nothing else is said.
        if !self.api.read::<Availability>(&body)?.liquidity_available {
            return Err(QuoteError::NoRoute("no liquidity".to_owned()));
        }
        self.api.read::<Answer>(&body)?.quote(swap)
    }
}

impl QuoteSource for ZeroX {
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
struct Availability {
    liquidity_available: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    sell_token: String,
    buy_token: String,
    sell_amount: String,
    buy_amount: String,
    min_buy_amount: Option<String>,
    route: Option<Route>,
    issues: Option<Issues>,
    allowance_target: Option<String>,
    /// Of a price; that of a quote is its transaction's.
    gas: Option<Figure>,
    transaction: Option<Transaction>,
}

#[derive(Deserialize)]
struct Route {
    fills: Vec<Fill>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fill {
    from: String,
    to: String,
    source: String,
    proportion_bps: Figure,
}

#[derive(Deserialize)]
struct Issues {
    allowance: Option<Allowance>,
}

#[derive(Deserialize)]
struct Allowance {
    spender: String,
}

#[derive(Deserialize)]
struct Transaction {
    to: String,
    data: String,
    value: String,
    gas: Option<Figure>,
}

impl Answer {
    fn quote(self, swap: &Swap) -> Result<SourceQuote, QuoteError> {
        upstream::check_echo("token to sell", upstream::contract(&swap.from, NATIVE), &self.sell_token)?;
        upstream::check_echo("token to buy", upstream::contract(&swap.to, NATIVE), &self.buy_token)?;
        upstream::check_amount_in(swap, &self.sell_amount)?;
        let transaction = swap.recipient.is_some().then(|| self.transaction(swap)).transpose()?;
        let gas = self.gas.as_ref().map(Figure::gas).transpose()?.flatten();
        Ok(SourceQuote {
            min_amount_out: upstream::least(self.min_buy_amount.as_deref())?,
            amount_out: upstream::amount_out(&self.buy_amount)?,
            price_impact_bps: None,
            route: upstream::route(self.route.iter().flat_map(|route| &route.fills).map(Fill::hop))?,
            gas: gas.or(transaction.as_ref().and_then(|transaction| transaction.gas)),
            transaction,
        })
    }

    fn transaction(&self, swap: &Swap) -> Result<UnsignedTransaction, QuoteError> {
        let Some(Transaction { to, data, value, gas }) = &self.transaction else {
            return Err(malformed("no transaction"));
        };
        // Only what is missing is an issue. Whoever needs no allowance is told nobody's address at all.
        let missing = self.issues.as_ref().and_then(|issues| issues.allowance.as_ref()).map(|it| it.spender.as_str());
        if let (Some(missing), Some(target)) = (missing, &self.allowance_target) {
            upstream::check_echo("spender", target, missing)?;
        }
        let spender = missing.or(self.allowance_target.as_deref());
        // What sells the chain's own coin goes to contracts that change with time, and takes no more than is sent along.
        let contracts: &[&str] = if swap.from == Token::Native { &[] } else { &[ALLOWANCE_HOLDER] };
        upstream::transaction(swap, &Call { to, data, value, gas: gas.as_ref(), spender, contracts })
    }
}

impl Fill {
    fn hop(&self) -> Result<Hop, QuoteError> {
        Ok(Hop {
            from: upstream::route_token(&self.from)?,
            to: upstream::route_token(&self.to)?,
            exchange: upstream::exchange(&self.source),
            pool: None,
            fee_ppm: None,
            share_bps: self.proportion_bps.share_bps()?,
        })
    }
}

/// What an answer quotes, as it came.
#[cfg(feature = "fuzzing")]
pub(super) fn read(body: &[u8], swap: &Swap) -> Option<Result<SourceQuote, QuoteError>> {
    serde_json::from_slice::<Answer>(body).ok().map(|answer| answer.quote(swap))
}

#[cfg(test)]
mod tests;
