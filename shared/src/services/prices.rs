//! Prices as callers ask for them: from the cache, else from the sources in one call for everybody who asks at the same
//! time, else the last good ones, marked stale.

pub(crate) mod batcher;
mod history;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crate::cache::{Cache, Life};
use crate::domain::coin::Coin;
use crate::domain::price::Quote;
use crate::services::Error;
use crate::sources::prices::{OrderedSources, Outcome};
use crate::store::ReadModels;
use batcher::{Batcher, Window};
pub use history::{HistoryFilter, MAX_POINTS};

/// The most coins of one request.
pub const MAX_COINS: usize = 250;

/// How long callers are gathered for one call: short beside any answer from a source.
const GATHERING: Window = Window { quiet: Duration::from_millis(3), longest: Duration::from_millis(100) };
/// How long a price may be served as stale.
const RETAINED: Duration = Duration::from_secs(3600);
/// How long nobody is asked again for a coin that nobody knew.
const UNKNOWN: Life = Life { fresh: Duration::from_secs(60), retained: Duration::from_secs(60) };

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
    cache: PriceCache,
    read_models: Arc<dyn ReadModels>,
    batcher: Batcher<Coin, Result<Price, Error>>,
}

impl Prices {
    /// Prices from `cache`, `sources` and, where these fail, `read_models`.
    pub fn new(cache: PriceCache, sources: Arc<OrderedSources>, read_models: Arc<dyn ReadModels>) -> Self {
        let loader = Loader { cache: cache.clone(), sources, read_models: Arc::clone(&read_models) };
        let batcher = Batcher::new(GATHERING, move |coins| loader.clone().load(coins));
        Self { cache, read_models, batcher }
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
        if coins.is_empty() || coins.len() > MAX_COINS {
            return Err(Error::Invalid(format!("expected 1 to {MAX_COINS} coins, not {}", coins.len())));
        }
        Ok(())
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
        let distinct: HashSet<_> = coins.iter().cloned().collect();
        let distinct: Vec<_> = distinct.into_iter().collect();
        let mut resolved = HashMap::with_capacity(distinct.len());
        let mut missing = vec![];
        for (coin, cached) in self.cache.get(distinct).await {
            match cached {
                Some(Known { quote, fresh: true }) => _ = resolved.insert(coin.clone(), known(coin, quote)),
                _ => missing.push(coin),
            }
        }
        if !missing.is_empty() {
            resolved.extend(self.batcher.get(&missing).await);
        }
        resolved
    }
}

/// A fresh answer about a coin.
fn known(coin: Coin, quote: Option<Quote>) -> Result<Price, Error> {
    quote.map(|quote| Price { quote, stale: false }).ok_or_else(|| Error::UnknownCoins(vec![coin]))
}

fn unanswered(coin: &Coin) -> Error {
    Error::Internal(format!("nothing was said about {coin}"))
}

/// Quotes in the cache, under one shape of key.
#[derive(Clone)]
pub struct PriceCache {
    cache: Arc<Cache>,
    life: Life,
}

/// What the cache knows of a coin: a quote, or that there is none.
struct Known {
    quote: Option<Quote>,
    fresh: bool,
}

impl PriceCache {
    /// Quotes that are fresh until the next round of the poller is surely done.
    pub fn new(cache: Arc<Cache>, poll_every: Duration) -> Self {
        Self { cache, life: Life { fresh: poll_every + Duration::from_secs(5), retained: RETAINED } }
    }

    /// Keeps quotes.
    pub async fn put(&self, quotes: impl IntoIterator<Item = &Quote>) {
        self.cache.put_values(quotes.into_iter().map(|quote| (key(&quote.coin), quote)), self.life).await;
    }

    async fn put_unknown(&self, coins: impl IntoIterator<Item = &Coin>) {
        self.cache.put_values(coins.into_iter().map(|coin| (key(coin), None::<Quote>)), UNKNOWN).await;
    }

    async fn get(&self, coins: Vec<Coin>) -> impl Iterator<Item = (Coin, Option<Known>)> {
        let keys: Vec<_> = coins.iter().map(key).collect();
        let cached = self.cache.get_values(&keys).await;
        let known = cached.into_iter().map(|cached| cached.map(|it| Known { quote: it.value, fresh: it.fresh }));
        coins.into_iter().zip(known)
    }
}

/// With the version of the value's shape: an optional [`Quote`] as JSON.
fn key(coin: &Coin) -> String {
    format!("price:1:{coin}")
}

/// Loads what the cache did not have, once for all who wait.
#[derive(Clone)]
struct Loader {
    cache: PriceCache,
    sources: Arc<OrderedSources>,
    read_models: Arc<dyn ReadModels>,
}

impl Loader {
    async fn load(self, coins: Vec<Coin>) -> HashMap<Coin, Result<Price, Error>> {
        let mut results = HashMap::with_capacity(coins.len());
        let mut last_good = HashMap::new();
        let mut missing = vec![];
        // A look again: an earlier batch may have ended between a caller's look and its joining this one.
        for (coin, cached) in self.cache.get(coins).await {
            match cached {
                Some(Known { quote, fresh: true }) => _ = results.insert(coin.clone(), known(coin, quote)),
                Some(Known { quote: Some(quote), .. }) => {
                    last_good.insert(coin.clone(), quote);
                    missing.push(coin);
                }
                _ => missing.push(coin),
            }
        }
        if missing.is_empty() {
            return results;
        }
        let (mut found, mut unknown, mut failed) = (vec![], vec![], HashMap::new());
        for (coin, outcome) in self.sources.quotes(&missing).await {
            match outcome {
                Outcome::Found(quote) => found.push(quote),
                Outcome::Unknown => unknown.push(coin),
                Outcome::Failed { service, retry_after } => {
                    failed.insert(coin, Error::Unavailable { service: service.to_owned(), retry_after });
                }
            }
        }
        self.cache.put(&found).await;
        self.cache.put_unknown(&unknown).await;
        self.add_stored(&failed, &mut last_good).await;
        let fresh = found.into_iter().map(|quote| (quote.coin.clone(), Ok(Price { quote, stale: false })));
        let unknown = unknown.into_iter().map(|coin| (coin.clone(), Err(Error::UnknownCoins(vec![coin]))));
        let failed = failed.into_iter().map(|(coin, error)| {
            let stale = last_good.remove(&coin).map(|quote| Price { quote, stale: true });
            (coin, stale.ok_or(error))
        });
        results.extend(fresh.chain(unknown).chain(failed));
        results
    }

    /// Adds the last stored quotes of coins that failed and of which none is at hand.
    async fn add_stored(&self, failed: &HashMap<Coin, Error>, last_good: &mut HashMap<Coin, Quote>) {
        let wanted: Vec<_> = failed.keys().filter(|coin| !last_good.contains_key(*coin)).cloned().collect();
        if wanted.is_empty() {
            return;
        }
        match self.read_models.latest_prices(&wanted).await {
            Ok(quotes) => last_good.extend(quotes.into_iter().map(|quote| (quote.coin.clone(), quote))),
            Err(error) => tracing::warn!(%error, "the last stored prices cannot be read"),
        }
    }
}

#[cfg(test)]
mod tests;
