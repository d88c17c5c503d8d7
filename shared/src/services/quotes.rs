//! Swap quotes: everybody who knows the chain is asked at once, and who pays most, after what the transaction costs, wins.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join, join_all};
use primitive_types::U256;
use tokio::time::timeout;

use super::Error;
use super::chains::units;
use crate::breaker::{BreakerError, Breakers, CircuitBreaker, Options};
use crate::domain::swap::{BPS, min_amount_out, share};
use crate::platform::clock::{Clock, Timestamp, after};
use crate::sources::chains::{ChainAdapter, Chains};
use crate::sources::quotes::{GasCost, QuoteError, QuoteSource, SourceQuote, Swap, Token, Tokens};
use crate::sources::{SourceError, behind_breaker};

/// For all sources together.
const DEADLINE: Duration = Duration::from_secs(5);
/// How services spell an EVM chain's own coin; the first is a word.
const NATIVE: [&str; 3] =
    ["native", "0xEeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE", "0x0000000000000000000000000000000000000000"];
/// How long a quote may be acted on: prices move with every block.
const HOLDS: Duration = Duration::from_secs(30);

/// The use case of swap quotes.
pub struct Quotes {
    chains: Arc<Chains>,
    tokens: Arc<dyn Tokens>,
    sources: Vec<(Arc<dyn QuoteSource>, Arc<CircuitBreaker>)>,
    clock: Arc<dyn Clock>,
}

/// A swap that a caller wants a quote for.
#[derive(Debug, Clone)]
pub struct SwapRequest {
    /// The chain's name or CAIP-2 id.
    pub chain: String,
    /// The token to sell: an address or symbol.
    pub from_token: String,
    /// The token to buy.
    pub to_token: String,
    /// How much to sell, in the token's base units: a positive integer.
    pub amount: String,
    /// The slippage to allow for, in hundredths of a percent: 0 to 10,000.
    pub slippage_bps: i32,
    /// Who would sign and receive; without them there is no transaction to sign.
    pub recipient: Option<String>,
}

/// The best of all quotes, and the others.
#[derive(Debug, Clone)]
pub struct BestQuote {
    /// Who gave it.
    pub source: &'static str,
    /// How much is sold, in base units.
    pub amount_in: U256,
    /// The quote.
    pub quote: SourceQuote,
    /// The least that is taken: by the slippage that was asked for, or less where the source's transaction takes less.
    pub min_amount_out: U256,
    /// Until when it may be acted on.
    pub expires_at: Timestamp,
    /// What each source said, the best first.
    pub answers: Vec<SourceAnswer>,
}

/// What a source said.
#[derive(Debug, Clone)]
pub struct SourceAnswer {
    /// Who.
    pub source: &'static str,
    /// Its quote, or why there is none.
    pub outcome: Result<Offer, QuoteError>,
}

/// A quote, and what is left of it.
#[derive(Debug, Clone)]
pub struct Offer {
    /// The quote.
    pub quote: SourceQuote,
    /// What is left after the transaction is paid for, where that could be told.
    pub net_amount_out: Option<U256>,
}

impl Quotes {
    /// Quotes by `sources`, each behind its breaker.
    pub fn new(
        chains: Arc<Chains>,
        tokens: Arc<dyn Tokens>,
        sources: impl IntoIterator<Item = (Arc<dyn QuoteSource>, Options)>,
        clock: Arc<dyn Clock>,
        breakers: &Breakers,
    ) -> Self {
        let guarded = |(source, options)| (source, breakers.get(&options));
        Self { chains, tokens, sources: sources.into_iter().map(guarded).collect(), clock }
    }

    /// Asks everybody.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a request that makes no sense; [`Error::NotFound`], where everybody answered and nobody
    /// offers the swap; [`Error::Unavailable`], where nobody offers it and somebody did not answer.
    pub async fn quote(&self, request: &SwapRequest) -> Result<BestQuote, Error> {
        let swap = self.swap(request)?;
        let asked = self.sources.iter().filter(|(source, _)| source.serves(&swap.chain));
        let answers = join_all(asked.map(|(source, breaker)| ask(source.as_ref(), breaker, &swap)));
        // A cost that is not known in time only makes the comparison poorer.
        let cost = timeout(DEADLINE, self.tokens.gas_cost(&swap.chain, &swap.to));
        let (answers, cost) = join(answers, cost).await;
        let answers = ranked(answers, cost.unwrap_or_default());
        let Some(SourceAnswer { source, outcome: Ok(best) }) = answers.first() else {
            return Err(nothing(&swap, &answers));
        };
        Ok(BestQuote {
            source,
            amount_in: swap.amount,
            quote: best.quote.clone(),
            min_amount_out: min_of(&best.quote, swap.slippage_bps),
            expires_at: after(self.clock.now(), HOLDS),
            answers,
        })
    }

    fn swap(&self, request: &SwapRequest) -> Result<Swap, Error> {
        let adapter = self.chains.find(&request.chain)?.as_ref();
        let slippage = u16::try_from(request.slippage_bps).ok().filter(|bps| *bps <= BPS);
        let swap = Swap {
            chain: adapter.chain().clone(),
            from: self.token(adapter, "fromToken", &request.from_token)?,
            to: self.token(adapter, "toToken", &request.to_token)?,
            amount: units("amount", &request.amount)?,
            slippage_bps: slippage.ok_or_else(|| Error::Invalid(format!("slippageBps must be between 0 and {BPS}")))?,
            recipient: request.recipient.as_deref().map(|address| adapter.check_address(address)).transpose()?,
        };
        if swap.amount.is_zero() {
            return Err(Error::Invalid("amount must be more than 0".to_owned()));
        }
        if swap.from == swap.to {
            return Err(Error::Invalid("fromToken and toToken are the same".to_owned()));
        }
        Ok(swap)
    }

    /// A token by symbol or address.
    fn token(&self, adapter: &dyn ChainAdapter, field: &str, text: &str) -> Result<Token, Error> {
        let text = text.trim();
        if let Some(token) = self.tokens.by_symbol(adapter.chain(), text) {
            return Ok(token);
        }
        // What services write for a chain's own coin, which has no address.
        if NATIVE.iter().any(|alias| alias.eq_ignore_ascii_case(text)) {
            return Ok(Token::Native);
        }
        adapter.check_address(text).map(Token::Contract).map_err(|error| {
            let chain = &adapter.chain().name;
            Error::Invalid(format!("{field}: {error}; nor is it a symbol that is known on {chain}"))
        })
    }
}

async fn ask(
    source: &dyn QuoteSource,
    breaker: &CircuitBreaker,
    swap: &Swap,
) -> (&'static str, Result<SourceQuote, QuoteError>) {
    // To say no is an answer.
    let answered = |error: &BreakerError<QuoteError>| matches!(error, BreakerError::Failed(QuoteError::NoRoute(_)));
    let quote = timeout(DEADLINE, breaker.call_filtered(source.quote(swap), answered)).await;
    let quote = match quote {
        Err(_) => Err(SourceError::TimedOut(DEADLINE).into()),
        Ok(Ok(quote)) if quote.amount_out.is_zero() => Err(QuoteError::NoRoute("it pays nothing".to_owned())),
        Ok(outcome) => outcome.map_err(behind_breaker),
    };
    (source.name(), quote)
}

/// The offers, the best first, then who offers nothing.
fn ranked(answers: Vec<(&'static str, Result<SourceQuote, QuoteError>)>, cost: Option<GasCost>) -> Vec<SourceAnswer> {
    // Who does not say how much work it is gets no advantage from it.
    let most = answers.iter().filter_map(|(_, outcome)| outcome.as_ref().ok()?.gas).max();
    let offer = |quote: SourceQuote| {
        let gas = quote.gas.or(most);
        let net = gas.zip(cost).map(|(gas, cost)| quote.amount_out.saturating_sub(in_token(gas, cost)));
        Offer { quote, net_amount_out: net }
    };
    let mut ranked: Vec<_> =
        answers.into_iter().map(|(source, outcome)| SourceAnswer { source, outcome: outcome.map(offer) }).collect();
    // What is left may be less than nothing: so what is bought is compared with the others' costs on top.
    let dearest = most.zip(cost).map_or(U256::zero(), |(gas, cost)| in_token(gas, cost));
    let worth = |answer: &SourceAnswer| {
        let quote = &answer.outcome.as_ref().ok()?.quote;
        let paid = quote.gas.or(most).zip(cost).map_or(U256::zero(), |(gas, cost)| in_token(gas, cost));
        let saved = dearest.saturating_sub(paid);
        Some((quote.amount_out.saturating_add(saved), quote.amount_out))
    };
    ranked.sort_by_key(|answer| std::cmp::Reverse(worth(answer)));
    ranked
}

/// The least that is taken: by the slippage that was asked for, or what the source's transaction really takes, if that is
/// less.
fn min_of(quote: &SourceQuote, slippage_bps: u16) -> U256 {
    let wanted = min_amount_out(quote.amount_out, slippage_bps);
    quote.min_amount_out.map_or(wanted, |told| told.min(wanted))
}

fn in_token(gas: u64, cost: GasCost) -> U256 {
    share(cost.price.saturating_mul(gas.into()), cost.numerator, cost.denominator)
}

fn nothing(swap: &Swap, answers: &[SourceAnswer]) -> Error {
    let reasons: Vec<_> = answers
        .iter()
        .filter_map(|answer| Some(format!("{}: {}", answer.source, answer.outcome.as_ref().err()?)))
        .collect();
    let unanswered = answers.iter().find_map(|answer| match &answer.outcome {
        Err(QuoteError::Source(error)) => Some(error),
        _ => None,
    });
    match unanswered {
        Some(error) => {
            tracing::warn!(chain = swap.chain.name, reasons = reasons.join("; "), "nobody quotes a swap");
            Error::Unavailable { service: "swap-quotes".to_owned(), retry_after: error.retry_after() }
        }
        None if answers.is_empty() => {
            Error::NotFound(format!("nobody is known who quotes swaps on {}", swap.chain.name))
        }
        None => Error::NotFound(format!("nobody offers this swap: {}", reasons.join("; "))),
    }
}
