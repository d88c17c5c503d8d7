//! Whoever quotes swaps: contracts on a chain, and services that know many of them.

#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod jupiter;
mod lifi;
mod oneinch;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(all(feature = "evm", feature = "graphql"))]
pub mod uniswap;
mod upstream;
mod zerox;

use primitive_types::U256;

use crate::platform::BoxFuture;
use crate::sources::SourceError;
use crate::sources::chains::Chain;

pub use jupiter::Jupiter;
pub use lifi::LiFi;
pub use oneinch::OneInch;
pub use zerox::ZeroX;

/// Somebody who quotes swaps.
pub trait QuoteSource: Send + Sync {
    /// Its name: in `QUOTE_SOURCES`, in answers, in metrics.
    fn name(&self) -> &'static str;

    /// Whether it knows the chain at all.
    fn serves(&self, chain: &Chain) -> bool;

    /// What it would pay. The breaker and the deadline are the caller's.
    fn quote<'a>(&'a self, swap: &'a Swap) -> BoxFuture<'a, Result<SourceQuote, QuoteError>>;
}

/// A swap that somebody may make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Swap {
    /// Where.
    pub chain: Chain,
    /// What is sold.
    pub from: Token,
    /// What is bought.
    pub to: Token,
    /// How much is sold, in base units: not zero.
    pub amount: U256,
    /// How much less than quoted is still taken, in hundredths of a percent: 0 to 10,000.
    pub slippage_bps: u16,
    /// Who would sign, and receive what is bought. Without them there is no transaction.
    pub recipient: Option<String>,
}

/// What is sold or bought.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Token {
    /// The coin that the chain's fees are paid in.
    Native,
    /// A contract or mint, in the form in which the chain writes it.
    Contract(String),
}

/// What a source would pay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceQuote {
    /// In base units of what is bought.
    pub amount_out: U256,
    /// The least that its transaction takes, where the source says so itself.
    pub min_amount_out: Option<U256>,
    /// How much worse than for a tiny amount, in hundredths of a percent, where it is known.
    pub price_impact_bps: Option<i32>,
    /// Through what.
    pub route: Vec<Hop>,
    /// How much work the transaction is, where it is known.
    pub gas: Option<u64>,
    /// What to sign, where somebody was named who would.
    pub transaction: Option<UnsignedTransaction>,
}

/// A step of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop {
    /// What goes in: a contract or mint; the wrapped one stands for the chain's own coin.
    pub from: String,
    /// What comes out.
    pub to: String,
    /// Which exchange.
    pub exchange: String,
    /// The pool's address, where it is known.
    pub pool: Option<String>,
    /// What the pool takes, in millionths, where it is known.
    pub fee_ppm: Option<u32>,
    /// Its share of the whole, in hundredths of a percent: 10,000 where all goes this way.
    pub share_bps: u16,
}

/// What to sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsignedTransaction {
    /// Whom to call (EVM).
    pub to: Option<String>,
    /// What to say: hexadecimal with `0x` (EVM), or the whole transaction in base64 (Solana).
    pub data: String,
    /// How much of the chain's own coin to send along.
    pub value: U256,
    /// A limit for its work.
    pub gas: Option<u64>,
    /// Who must be allowed to take what is sold, before.
    pub spender: Option<String>,
}

/// Why a source gives no quote.
#[derive(Debug, Clone, thiserror::Error)]
pub enum QuoteError {
    /// It answered: not this swap, and why.
    #[error("{0}")]
    NoRoute(String),
    /// It gave no usable answer.
    #[error(transparent)]
    Source(#[from] SourceError),
}

/// What tokens are called, and what work on a chain costs in them.
pub trait Tokens: Send + Sync {
    /// The token that goes by a symbol, in any case.
    fn by_symbol(&self, chain: &Chain, symbol: &str) -> Option<Token>;

    /// What a unit of gas costs in `token`, if anybody knows.
    fn gas_cost<'a>(&'a self, chain: &'a Chain, token: &'a Token) -> BoxFuture<'a, Option<GasCost>>;
}

/// What a unit of gas costs in a token: `price * numerator / denominator` of its base units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GasCost {
    /// Wei a unit.
    pub price: U256,
    /// So many base units of the token
    pub numerator: U256,
    /// are worth so many wei.
    pub denominator: U256,
}

/// Knows no token but the chain's own coin.
pub struct NoTokens;

impl Tokens for NoTokens {
    fn by_symbol(&self, chain: &Chain, symbol: &str) -> Option<Token> {
        chain.symbol.eq_ignore_ascii_case(symbol).then_some(Token::Native)
    }

    fn gas_cost<'a>(&'a self, _: &'a Chain, _: &'a Token) -> BoxFuture<'a, Option<GasCost>> {
        Box::pin(std::future::ready(None))
    }
}
