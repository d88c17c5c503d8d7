//! Jupiter's Swap API, version 1, on Solana (<https://developers.jup.ag/docs/api-reference/swap/quote>): a quote, and for
//! somebody who would sign, a transaction made from it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use primitive_types::U256;
use reqwest::Url;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::upstream::{self, Api, Figure, malformed};
use super::{Hop, QuoteError, QuoteSource, SourceQuote, Swap, UnsignedTransaction};
use crate::breaker;
use crate::domain::money;
use crate::domain::swap::BPS;
use crate::platform::BoxFuture;
use crate::platform::secret::Secret;
use crate::sources::chains::Chain;
use crate::sources::http::HttpClient;

const NAME: &str = "jupiter";
const MAINNET: &str = "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp";
/// Wrapped SOL, which stands for SOL.
const SOL: &str = "So11111111111111111111111111111111111111112";
/// No transaction has more bytes, of whichever version.
const MAX_TRANSACTION: usize = 4096;

/// Jupiter.
pub struct Jupiter {
    api: Api,
}

impl Jupiter {
    /// Jupiter at `base` (up to, without, `/swap/v1`). Without a key it answers less often.
    pub fn new(http: HttpClient, base: Url, key: Option<Secret>) -> Self {
        let headers = key.iter().map(|key| ("x-api-key", key.clone())).collect();
        Self { api: Api { name: NAME, http, base, headers, key } }
    }

    /// How patient to be with it: a little less than 4 s, for both calls together.
    pub fn breaker_options() -> breaker::Options {
        upstream::breaker_options(NAME)
    }

    async fn ask(&self, swap: &Swap) -> Result<SourceQuote, QuoteError> {
        let amount = u64::try_from(swap.amount)
            .map_err(|_| QuoteError::NoRoute("more than there can be of any token on Solana".to_owned()))?;
        let (amount, slippage) = (amount.to_string(), swap.slippage_bps.to_string());
        let query = [
            ("inputMint", upstream::contract(&swap.from, SOL)),
            ("outputMint", upstream::contract(&swap.to, SOL)),
            ("amount", amount.as_str()),
            ("slippageBps", &slippage),
        ];
        let body = self.api.ask("/swap/v1/quote", &query, None).await?;
        let mut quote = self.api.read::<Answer>(&body)?.quote(swap)?;
        if let Some(recipient) = &swap.recipient {
            quote.transaction = Some(self.transaction(&body, recipient).await?);
        }
        Ok(quote)
    }

    /// The transaction for a quote, which is sent back as it came.
    async fn transaction(&self, quote: &[u8], recipient: &str) -> Result<UnsignedTransaction, QuoteError> {
        let quote: Box<RawValue> = self.api.read(quote)?;
        let request = SwapRequest { quote_response: &quote, user_public_key: recipient };
        let json = serde_json::to_vec(&request).map_err(|_| malformed("a quote that cannot be sent back"))?;
        let body = self.api.ask("/swap/v1/swap", &[], Some(json.into())).await?;
        let answer: SwapAnswer = self.api.read(&body)?;
        let bytes =
            STANDARD.decode(&answer.swap_transaction).map_err(|_| malformed("its transaction is not base64"))?;
        if bytes.is_empty() || bytes.len() > MAX_TRANSACTION {
            return Err(malformed("its transaction has an impossible length"));
        }
        Ok(UnsignedTransaction {
            to: None,
            data: answer.swap_transaction,
            value: U256::zero(),
            gas: None,
            spender: None,
        })
    }
}

impl QuoteSource for Jupiter {
    fn name(&self) -> &'static str {
        NAME
    }

    fn serves(&self, chain: &Chain) -> bool {
        chain.id.as_str() == MAINNET
    }

    fn quote<'a>(&'a self, swap: &'a Swap) -> BoxFuture<'a, Result<SourceQuote, QuoteError>> {
        Box::pin(self.ask(swap))
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SwapRequest<'a> {
    quote_response: &'a RawValue,
    user_public_key: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SwapAnswer {
    swap_transaction: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    input_mint: String,
    output_mint: String,
    in_amount: String,
    out_amount: String,
    other_amount_threshold: Option<String>,
    swap_mode: String,
    slippage_bps: u16,
    /// A fraction, whatever its name: 0.01 is one percent.
    price_impact_pct: Option<String>,
    route_plan: Vec<Plan>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Plan {
    swap_info: SwapInfo,
    percent: Option<u16>,
    /// Instead of percent, in newer answers.
    bps: Option<u16>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SwapInfo {
    amm_key: String,
    label: Option<String>,
    input_mint: String,
    output_mint: String,
}

impl Answer {
    fn quote(self, swap: &Swap) -> Result<SourceQuote, QuoteError> {
        // In base58, capitals mean something.
        if self.input_mint != upstream::contract(&swap.from, SOL) {
            return Err(malformed("it speaks of another token to sell"));
        }
        if self.output_mint != upstream::contract(&swap.to, SOL) {
            return Err(malformed("it speaks of another token to buy"));
        }
        upstream::check_amount_in(swap, &self.in_amount)?;
        // The transaction is made from these.
        if self.swap_mode != "ExactIn" || self.slippage_bps != swap.slippage_bps {
            return Err(malformed("it quotes on other terms"));
        }
        let amount_out = upstream::amount_out(&self.out_amount)?;
        if amount_out > U256::from(u64::MAX) {
            return Err(malformed("it would pay more than there can be"));
        }
        Ok(SourceQuote {
            min_amount_out: upstream::least(self.other_amount_threshold.as_deref())?,
            amount_out,
            price_impact_bps: self.price_impact_pct.as_deref().and_then(impact_bps),
            route: upstream::route(self.route_plan.iter().map(Plan::hop))?,
            gas: None,
            transaction: None,
        })
    }
}

/// A fraction in hundredths of a percent, rounded up. One that cannot be read, or cannot be, is not known.
fn impact_bps(fraction: &str) -> Option<i32> {
    let bps = money::exact(fraction)?.checked_mul(Decimal::from(BPS))?.ceil().to_i32()?;
    (-i32::from(BPS)..=i32::from(BPS)).contains(&bps).then_some(bps)
}

impl Plan {
    fn hop(&self) -> Result<Hop, QuoteError> {
        let SwapInfo { amm_key, label, input_mint, output_mint } = &self.swap_info;
        if ![amm_key, input_mint, output_mint].into_iter().all(|key| is_key(key)) {
            return Err(malformed("a step of its route names what is no account"));
        }
        let share = self.bps.map(u64::from).or(self.percent.map(|percent| u64::from(percent) * 100));
        let share = share.ok_or_else(|| malformed("a step of its route has no share"))?;
        Ok(Hop {
            from: input_mint.clone(),
            to: output_mint.clone(),
            exchange: upstream::exchange(label.as_deref().unwrap_or("unknown")),
            pool: Some(amm_key.clone()),
            fee_ppm: None,
            share_bps: Figure::Number(share).share_bps()?,
        })
    }
}

/// Whether `text` has the shape of an account's key: 32 bytes in base58.
fn is_key(text: &str) -> bool {
    (32..=44).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() && !matches!(byte, b'0' | b'O' | b'I' | b'l'))
}

/// What an answer quotes, as it came.
#[cfg(feature = "fuzzing")]
pub(super) fn read(body: &[u8], swap: &Swap) -> Option<Result<SourceQuote, QuoteError>> {
    serde_json::from_slice::<Answer>(body).ok().map(|answer| answer.quote(swap))
}

#[cfg(test)]
mod tests;
