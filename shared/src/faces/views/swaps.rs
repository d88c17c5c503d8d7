//! Swap quotes.

use async_graphql::{InputObject, SimpleObject};
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;

use super::time;
use crate::services::quotes::{BestQuote, Offer, SourceAnswer, SwapRequest};
use crate::sources::quotes;

/// A swap to be quoted.
#[derive(InputObject)]
pub(in crate::faces) struct SwapInput {
    /// The chain's name or CAIP-2 id.
    chain: String,
    /// The token to sell: its address, or a symbol that is known on the chain.
    from_token: String,
    /// The token to buy.
    to_token: String,
    /// How much to sell, in base units.
    amount: String,
    /// The slippage to allow for, in hundredths of a percent.
    #[graphql(default = 50)]
    slippage_bps: i32,
    /// Who would sign, and receive what is bought. Without them there is no transaction to sign.
    recipient: Option<String>,
}

impl From<SwapInput> for SwapRequest {
    fn from(input: SwapInput) -> Self {
        let SwapInput { chain, from_token, to_token, amount, slippage_bps, recipient } = input;
        Self { chain, from_token, to_token, amount, slippage_bps, recipient }
    }
}

/// The best quote for a swap: the one that leaves most after its transaction is paid for. Amounts are integers in base
/// units.
#[derive(Serialize, SimpleObject, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::faces) struct SwapQuote {
    /// What is sold.
    amount_in: String,
    /// What is bought.
    amount_out: String,
    /// What is bought at least, after slippage: what the transaction really insists on, where its source says less.
    min_amount_out: String,
    /// How much worse the price is than that of a tiny swap, in hundredths of a percent, where it is known.
    price_impact_bps: Option<i32>,
    /// Through what the swap goes.
    route: Vec<SwapHop>,
    /// Who quoted it.
    source: String,
    /// The gas that it takes, where it is known.
    gas_estimate: Option<String>,
    /// Until when it may be acted on.
    #[serde(serialize_with = "time")]
    expires_at: DateTime<Utc>,
    /// What everybody said who was asked, the best first.
    quotes: Vec<SourceQuote>,
    /// What to sign, where `recipient` was given and the source makes transactions.
    transaction: Option<UnsignedTransaction>,
}

/// A step of a swap.
#[derive(Serialize, SimpleObject, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::faces) struct SwapHop {
    /// The token that goes in; the wrapped one stands for the chain's own coin.
    from_token: String,
    /// The token that comes out.
    to_token: String,
    /// Which exchange.
    exchange: String,
    /// The pool's address, where it is known.
    pool: Option<String>,
    /// What the pool takes, in millionths, where it is known.
    fee_ppm: Option<i32>,
    /// The share of the whole that goes this way, in hundredths of a percent.
    share_bps: i32,
}

/// What a source said.
#[derive(Serialize, SimpleObject, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::faces) struct SourceQuote {
    /// Who.
    source: String,
    /// What is bought, if it offers the swap.
    amount_out: Option<String>,
    /// What is left of that after the transaction is paid for, where that could be told.
    net_amount_out: Option<String>,
    /// The gas that it takes, where it is known.
    gas_estimate: Option<String>,
    /// Why it does not offer it.
    error: Option<String>,
}

/// A transaction that waits for its signature.
#[derive(Serialize, SimpleObject, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::faces) struct UnsignedTransaction {
    /// Whom to call (EVM).
    to: Option<String>,
    /// What to say: hexadecimal (EVM); the whole transaction in base64 (Solana).
    data: String,
    /// How much of the chain's own coin to send along, in base units.
    value: String,
    /// A limit for its gas, where one is known.
    gas: Option<String>,
    /// Who must be allowed to take what is sold, before.
    spender: Option<String>,
}

impl From<BestQuote> for SwapQuote {
    fn from(best: BestQuote) -> Self {
        let quote = best.quote;
        Self {
            amount_in: best.amount_in.to_string(),
            amount_out: quote.amount_out.to_string(),
            min_amount_out: best.min_amount_out.to_string(),
            price_impact_bps: quote.price_impact_bps,
            route: quote.route.into_iter().map(SwapHop::from).collect(),
            source: best.source.to_owned(),
            gas_estimate: quote.gas.map(|gas| gas.to_string()),
            expires_at: best.expires_at,
            quotes: best.answers.into_iter().map(SourceQuote::from).collect(),
            transaction: quote.transaction.map(UnsignedTransaction::from),
        }
    }
}

impl From<quotes::Hop> for SwapHop {
    fn from(hop: quotes::Hop) -> Self {
        Self {
            from_token: hop.from,
            to_token: hop.to,
            exchange: hop.exchange,
            pool: hop.pool,
            fee_ppm: hop.fee_ppm.and_then(|fee| i32::try_from(fee).ok()),
            share_bps: hop.share_bps.into(),
        }
    }
}

impl From<SourceAnswer> for SourceQuote {
    fn from(SourceAnswer { source, outcome }: SourceAnswer) -> Self {
        let source = source.to_owned();
        match outcome {
            Ok(Offer { quote, net_amount_out }) => Self {
                source,
                amount_out: Some(quote.amount_out.to_string()),
                net_amount_out: net_amount_out.map(|amount| amount.to_string()),
                gas_estimate: quote.gas.map(|gas| gas.to_string()),
                error: None,
            },
            Err(error) => Self {
                source,
                amount_out: None,
                net_amount_out: None,
                gas_estimate: None,
                error: Some(error.to_string()),
            },
        }
    }
}

impl From<quotes::UnsignedTransaction> for UnsignedTransaction {
    fn from(transaction: quotes::UnsignedTransaction) -> Self {
        Self {
            to: transaction.to,
            data: transaction.data,
            value: transaction.value.to_string(),
            gas: transaction.gas.map(|gas| gas.to_string()),
            spender: transaction.spender,
        }
    }
}
