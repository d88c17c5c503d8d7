//! Price sources: one file each, and the order in which they are asked.

#[cfg(feature = "evm")]
mod chainlink;
mod coinbase;
mod coingecko;
#[cfg(test)]
pub(crate) mod fake;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod ordered;
mod simulated;

use rust_decimal::Decimal;
use serde_json::value::RawValue;

use super::SourceError;
use crate::breaker;
use crate::domain::coin::Coin;
use crate::domain::money;
use crate::domain::price::Quote;
use crate::platform::BoxFuture;

#[cfg(feature = "evm")]
pub use chainlink::{Chainlink, FeedError, Feeds};
pub use coinbase::Coinbase;
pub use coingecko::CoinGecko;
pub use ordered::{OrderedSources, Outcome};
pub use simulated::Simulated;

/// Somebody who quotes prices in US dollars.
pub trait PriceSource: Send + Sync {
    /// Its name: in `PRICE_SOURCES`, in `Price.source`, in metrics.
    fn name(&self) -> &'static str;

    /// A quote for each of `coins` that the source knows, in no order; a coin that is missing is unknown to it.
    fn quotes<'a>(&'a self, coins: &'a [Coin]) -> BoxFuture<'a, Result<Vec<Quote>, SourceError>>;
}

/// How patient to be with a source, unless it says otherwise.
fn breaker_options(name: &'static str) -> breaker::Options {
    breaker::Options { group: Some("prices".into()), ..breaker::Options::new(name) }
}

/// A JSON number, or a string that holds one, digit by digit.
fn number(raw: &RawValue) -> Option<Decimal> {
    money::exact(raw.get().trim_matches('"'))
}

/// Whether a coin can cost so many dollars.
fn plausible(usd: &Decimal) -> bool {
    *usd > Decimal::ZERO && *usd < Decimal::from(1_000_000_000_000_000_u64)
}

/// The beginning of what somebody else wrote, for a log.
fn excerpt(text: &str) -> String {
    text.chars().take(40).collect()
}
