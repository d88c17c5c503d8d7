//! Prices as callers ask for them: from the cache, else from the sources in one call for everybody who asks at the same
//! time, else the last good ones, marked stale.

mod history;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crate::cache::{Cache, EntryOptions, Loaded, ReadOptions, ReadThrough, Source};
use crate::domain::coin::{Coin, InvalidCoin};
use crate::domain::price::Quote;
use crate::platform::BoxFuture;
use crate::services::Error;
use crate::sources::prices::{OrderedSources, Outcome};
use crate::store::ReadModels;
pub use history::{HistoryFilter, MAX_POINTS};

/// The most coins of one request.
pub const MAX_COINS: usize = 250;

/// The first part of a key: the family, and the version of the shape of its values.
const FAMILY: &str = "price:2:";
/// How long callers are gathered for one call: short beside any answer from a source.
const GATHERING: Duration = Duration::from_millis(3);
/// How long a price may be served as stale.
const RETAINED: Duration = Duration::from_secs(3600);
/// How long nobody is asked again for a coin that nobody knew.
const UNKNOWN: Duration = Duration::from_secs(60);
/// How long a caller waits for a newer price than the one that is there, or for another process to bring one.
const PATIENCE: Duration = Duration::from_secs(1);

/// A price, and whether it is the last good one rather than a current one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Price {
    /// The quote.
    pub quote: Quote,
    /// Whether no source could be asked for a newer one.
    pub stale: bool,
}

/// The prices service. One in a process, so that all requests share its calls.
pub struct Prices {
    read_models: Arc<dyn ReadModels>,
    quotes: ReadThrough<Quote, Error>,
}

impl Prices {
    /// Prices from `cache`, `sources` and, where these fail, `read_models`.
    pub fn new(cache: PriceCache, sources: Arc<OrderedSources>, read_models: Arc<dyn ReadModels>) -> Self {
        let source = Quotes { sources, read_models: Arc::clone(&read_models) };
        Self { read_models, quotes: ReadThrough::new(cache.cache, Arc::new(source), cache.options) }
    }

    /// The prices of `coins` in that order, duplicates included: all of them or none.
    ///
    /// # Errors
    /// [`Error::Invalid`] for none or too many; [`Error::UnknownCoins`] with all unknown ones, else the failure of the
    /// first coin that has one.
    pub async fn prices(&self, coins: &[Coin]) -> Result<Vec<Price>, Error> {
        Self::all_or_nothing(coins, &self.resolve(coins).await?)
    }

    /// The prices of `coins` in that order, out of what is known of each.
    ///
    /// # Errors
    /// As for [`prices`](Self::prices).
    pub fn all_or_nothing(coins: &[Coin], resolved: &HashMap<Coin, Result<Price, Error>>) -> Result<Vec<Price>, Error> {
        let mut unknown: Vec<Coin> = vec![];
        for coin in coins {
            if matches!(resolved.get(coin), Some(Err(Error::UnknownCoins(_)))) && !unknown.contains(coin) {
                unknown.push(coin.clone());
            }
        }
        if !unknown.is_empty() {
            return Err(Error::UnknownCoins(unknown));
        }
        let price = |coin| resolved.get(coin).cloned().unwrap_or_else(|| Err(unanswered(coin)));
        coins.iter().map(price).collect()
    }

    /// Refuses a request for no coins, or too many.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn check(coins: &[Coin]) -> Result<(), Error> {
        Self::check_number(coins.len())
    }

    /// The same, of their number.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn check_number(coins: usize) -> Result<(), Error> {
        if coins == 0 || coins > MAX_COINS {
            return Err(Error::Invalid(format!("expected 1 to {MAX_COINS} coins, not {coins}")));
        }
        Ok(())
    }

    /// The id of a coin.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn coin(asked: &str) -> Result<Coin, Error> {
        asked.parse().map_err(|invalid: InvalidCoin| Error::Invalid(invalid.to_string()))
    }

    /// What came of each coin that was asked for, out of what is known of those that are coins at all.
    pub fn outcomes(asked: &[String], resolved: &HashMap<Coin, Result<Price, Error>>) -> Vec<Result<Price, Error>> {
        let outcome = |asked: &String| {
            let coin = Self::coin(asked)?;
            resolved.get(&coin).cloned().unwrap_or_else(|| Err(Error::UnknownCoins(vec![coin])))
        };
        asked.iter().map(outcome).collect()
    }

    /// The price of each coin in the order asked, or why there is none.
    ///
    /// # Errors
    /// [`Error::Invalid`] for none or too many.
    pub async fn each(&self, asked: &[String]) -> Result<Vec<Result<Price, Error>>, Error> {
        Self::check_number(asked.len())?;
        let coins: Vec<_> = asked.iter().filter_map(|asked| Self::coin(asked).ok()).collect();
        Ok(Self::outcomes(asked, &self.resolve_all(&coins).await))
    }

    /// What is known of each of `coins`: a price, or why there is none.
    ///
    /// # Errors
    /// [`Error::Invalid`] for none or too many.
    pub async fn resolve(&self, coins: &[Coin]) -> Result<HashMap<Coin, Result<Price, Error>>, Error> {
        Self::check(coins)?;
        Ok(self.resolve_all(coins).await)
    }

    /// The same of any number of coins: those of all the fields of one request.
    pub(crate) async fn resolve_all(&self, coins: &[Coin]) -> HashMap<Coin, Result<Price, Error>> {
        let distinct: HashSet<_> = coins.iter().collect();
        let keys: Vec<_> = distinct.iter().map(|coin| key(coin)).collect();
        let mut known = self.quotes.get(&keys).await;
        let mut price = |coin: &Coin| {
            let fetched = known.remove(&key(coin)).unwrap_or_else(|| Err(unanswered(coin)))?;
            let quote = fetched.value().cloned().ok_or_else(|| Error::UnknownCoins(vec![coin.clone()]))?;
            Ok(Price { quote, stale: fetched.stale })
        };
        distinct.into_iter().map(|coin| (coin.clone(), price(coin))).collect()
    }
}

fn unanswered(coin: &Coin) -> Error {
    Error::Internal(format!("nothing was said about {coin}"))
}

/// Quotes in the cache, under one shape of key.
#[derive(Clone)]
pub struct PriceCache {
    cache: Arc<Cache>,
    options: ReadOptions,
}

impl PriceCache {
    /// Quotes that are fresh until the next round of the poller is surely done.
    pub fn new(cache: Arc<Cache>, poll_every: Duration) -> Self {
        let options = ReadOptions {
            absent: UNKNOWN,
            // The poller's round is due by then; where it is late, one request stands in for it.
            refresh_ahead: poll_every / 10,
            soft_timeout: PATIENCE,
            wait: PATIENCE,
            gathering: GATHERING,
            ..ReadOptions::new(EntryOptions::lasting(poll_every + Duration::from_secs(5), RETAINED))
        };
        Self { cache, options }
    }

    /// Keeps quotes.
    pub async fn put(&self, quotes: impl IntoIterator<Item = &Quote>) {
        let values = quotes.into_iter().map(|quote| (key(&quote.coin), Some(quote)));
        self.cache.put_values(values, &self.options.entry).await;
    }
}

/// With the version of the value's shape: an optional [`Quote`].
fn key(coin: &Coin) -> String {
    format!("{FAMILY}{coin}")
}

/// The sources, as the cache asks them.
struct Quotes {
    sources: Arc<OrderedSources>,
    read_models: Arc<dyn ReadModels>,
}

impl Quotes {
    fn coins(keys: &[String]) -> Vec<Coin> {
        keys.iter().filter_map(|key| key.strip_prefix(FAMILY)?.parse().ok()).collect()
    }

    async fn ask(&self, keys: &[String]) -> HashMap<String, Loaded<Quote, Error>> {
        let outcomes = self.sources.quotes(&Self::coins(keys)).await;
        let loaded = |outcome| match outcome {
            Outcome::Found(quote) => Loaded::Value(quote),
            Outcome::Unknown => Loaded::Absent,
            Outcome::Failed { service, retry_after } => {
                Loaded::Failed(Error::Unavailable { service: service.to_owned(), retry_after })
            }
        };
        outcomes.into_iter().map(|(coin, outcome)| (key(&coin), loaded(outcome))).collect()
    }

    /// Those that are stored.
    async fn stored(&self, keys: &[String]) -> HashMap<String, Quote> {
        match self.read_models.latest_prices(&Self::coins(keys)).await {
            Ok(quotes) => quotes.into_iter().map(|quote| (key(&quote.coin), quote)).collect(),
            Err(error) => {
                tracing::warn!(%error, "the last stored prices cannot be read");
                HashMap::new()
            }
        }
    }
}

impl Source<Quote, Error> for Quotes {
    fn load<'a>(&'a self, keys: &'a [String]) -> BoxFuture<'a, HashMap<String, Loaded<Quote, Error>>> {
        Box::pin(self.ask(keys))
    }

    fn last_good<'a>(&'a self, keys: &'a [String]) -> BoxFuture<'a, HashMap<String, Quote>> {
        Box::pin(self.stored(keys))
    }

    fn timed_out(&self) -> Error {
        Error::Unavailable { service: "prices".to_owned(), retry_after: None }
    }
}

#[cfg(test)]
mod tests;
