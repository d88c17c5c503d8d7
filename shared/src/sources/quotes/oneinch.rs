//! 1inch's Classic Swap API, version 6
//! (<https://business.1inch.com/portal/documentation/apis/swap/classic-swap/methods/v6.1/1/quote/method/get>). Its router is whom the
//! transaction calls, and who takes the token that is sold.

use reqwest::Url;
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::upstream::{self, Api, Call, Figure, NATIVE, malformed};
use super::{Hop, QuoteError, QuoteSource, SourceQuote, Swap, UnsignedTransaction};
use crate::breaker;
use crate::platform::BoxFuture;
use crate::platform::secret::Secret;
use crate::sources::chains::Chain;
use crate::sources::http::HttpClient;

/// `AggregationRouterV6` and the one before it, the same on all chains that are served.
const ROUTERS: &[&str] = &["0x111111125421cA6dc452d289314280a0f8842A65", "0x1111111254EEB25477B68fb85Ed929f73A960582"];
const NAME: &str = "1inch";

/// The chains that its documentation lists under "Supported on".
const CHAINS: &[u64] = &[1, 10, 56, 100, 130, 137, 146, 324, 8453, 42161, 43114, 59144];

/// It takes no more slippage than this.
const MAX_SLIPPAGE_BPS: u16 = 5_000;

/// 1inch.
pub struct OneInch {
    api: Api,
}

impl OneInch {
    /// 1inch at `base` (up to, without, the chain's number: its path says which version is spoken).
    pub fn new(http: HttpClient, base: Url, key: Secret) -> Self {
        let headers = vec![("authorization", Secret::new(format!("Bearer {}", key.expose())))];
        Self { api: Api { name: NAME, http, base, headers, key: Some(key) } }
    }

    /// How patient to be with it: a little less than 4 s.
    pub fn breaker_options() -> breaker::Options {
        upstream::breaker_options(NAME)
    }

    async fn ask(&self, swap: &Swap) -> Result<SourceQuote, QuoteError> {
        let number = swap.chain.id.evm_number().ok_or_else(|| QuoteError::NoRoute("not an EVM chain".to_owned()))?;
        if swap.recipient.is_some() && swap.slippage_bps > MAX_SLIPPAGE_BPS {
            return Err(QuoteError::NoRoute("at most 50 % of slippage".to_owned()));
        }
        let amount = swap.amount.to_string();
        // In percent.
        let slippage = Decimal::new(swap.slippage_bps.into(), 2).normalize().to_string();
        let mut query = vec![
            ("src", upstream::contract(&swap.from, NATIVE)),
            ("dst", upstream::contract(&swap.to, NATIVE)),
            ("amount", amount.as_str()),
            ("includeTokensInfo", "true"),
            ("includeProtocols", "true"),
            ("includeGas", "true"),
        ];
        let path = match &swap.recipient {
            Some(recipient) => {
                // Not tried out on the chain: whoever asks may yet have to allow it.
                query.extend([("from", recipient.as_str()), ("origin", recipient), ("slippage", &slippage)]);
                query.push(("disableEstimate", "true"));
                format!("/{number}/swap")
            }
            None => format!("/{number}/quote"),
        };
        let body = self.api.ask(&path, &query, None).await?;
        self.api.read::<Answer>(&body)?.quote(swap)
    }
}

impl QuoteSource for OneInch {
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
    src_token: Option<TokenInfo>,
    dst_token: Option<TokenInfo>,
    dst_amount: String,
    /// Of one shape or another, by the version.
    protocols: Option<Box<RawValue>>,
    gas: Option<Figure>,
    tx: Option<Tx>,
}

#[derive(Deserialize)]
struct TokenInfo {
    address: String,
}

#[derive(Deserialize)]
struct Tx {
    from: Option<String>,
    to: String,
    data: String,
    value: String,
    gas: Option<Figure>,
}

/// Version 6.0: routes side by side, of steps one after the other, of legs side by side.
type Routes = Vec<Vec<Vec<Leg>>>;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Leg {
    name: String,
    /// In percent.
    part: u16,
    from_token_address: String,
    to_token_address: String,
}

/// Version 6.1: what becomes of each token.
#[derive(Deserialize)]
struct Sold {
    token: String,
    hops: Vec<Bought>,
}

#[derive(Deserialize)]
struct Bought {
    /// In percent of the token.
    part: u16,
    dst: String,
    protocols: Vec<Through>,
}

#[derive(Deserialize)]
struct Through {
    name: String,
    /// In percent of the hop.
    part: u16,
}

impl Answer {
    fn quote(self, swap: &Swap) -> Result<SourceQuote, QuoteError> {
        if let Some(token) = &self.src_token {
            upstream::check_echo("token to sell", upstream::contract(&swap.from, NATIVE), &token.address)?;
        }
        if let Some(token) = &self.dst_token {
            upstream::check_echo("token to buy", upstream::contract(&swap.to, NATIVE), &token.address)?;
        }
        let transaction = swap.recipient.as_deref().map(|recipient| self.transaction(swap, recipient)).transpose()?;
        let gas = self.gas.as_ref().map(Figure::gas).transpose()?.flatten();
        Ok(SourceQuote {
            min_amount_out: None,
            amount_out: upstream::amount_out(&self.dst_amount)?,
            price_impact_bps: None,
            route: self.protocols.as_deref().map(route).transpose()?.unwrap_or_default(),
            gas: gas.or(transaction.as_ref().and_then(|transaction| transaction.gas)),
            transaction,
        })
    }

    fn transaction(&self, swap: &Swap, recipient: &str) -> Result<UnsignedTransaction, QuoteError> {
        let Some(Tx { from, to, data, value, gas }) = &self.tx else {
            return Err(malformed("no transaction"));
        };
        if let Some(from) = from {
            upstream::check_echo("signer", recipient, from)?;
        }
        upstream::transaction(swap, &Call { to, data, value, gas: gas.as_ref(), spender: Some(to), contracts: ROUTERS })
    }
}

/// The route, in either shape. Nothing depends on it: one of a third shape is left out.
fn route(protocols: &RawValue) -> Result<Vec<Hop>, QuoteError> {
    if let Ok(routes) = serde_json::from_str::<Routes>(protocols.get()) {
        let legs = routes.iter().flatten().flatten();
        return upstream::route(
            legs.map(|leg| hop(&leg.from_token_address, &leg.to_token_address, &leg.name, u64::from(leg.part) * 100)),
        );
    }
    let sold: Vec<Sold> = serde_json::from_str(protocols.get()).unwrap_or_default();
    let hops = sold.iter().flat_map(|sold| sold.hops.iter().map(move |bought| (sold, bought)));
    upstream::route(hops.flat_map(|(sold, bought)| {
        bought.protocols.iter().map(|through| {
            hop(&sold.token, &bought.dst, &through.name, u64::from(bought.part) * u64::from(through.part))
        })
    }))
}

fn hop(from: &str, to: &str, exchange: &str, share_bps: u64) -> Result<Hop, QuoteError> {
    Ok(Hop {
        from: upstream::route_token(from)?,
        to: upstream::route_token(to)?,
        exchange: upstream::exchange(exchange),
        pool: None,
        fee_ppm: None,
        share_bps: Figure::Number(share_bps).share_bps()?,
    })
}

/// What an answer quotes, as it came.
#[cfg(feature = "fuzzing")]
pub(super) fn read(body: &[u8], swap: &Swap) -> Option<Result<SourceQuote, QuoteError>> {
    serde_json::from_slice::<Answer>(body).ok().map(|answer| answer.quote(swap))
}

#[cfg(test)]
mod tests;
