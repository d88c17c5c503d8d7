//! The price poller: asks the sources for the coins of `PRICE_COINS`, appends what changed, refreshes the cache.
//!
//! A scheduled invocation makes the rounds of one minute under a lease, so that a second invocation in the same minute,
//! which a scheduler may well send, does nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::domain::coin::Coin;
use crate::domain::price::{PriceAggregate, PriceEvent, Quote};
use crate::domain::{Aggregate, Metadata, NewEvent, StreamId};
use crate::platform::clock::{Clock, Timestamp, delta};
use crate::platform::config::{ConfigError, PriceConfig};
use crate::services::Error;
use crate::services::prices::PriceCache;
use crate::sources::prices::{OrderedSources, Outcome};
use crate::store::{Append, EventStore, Expected, Store, StreamAppend};

const LEASE: &str = "price-poll";
/// The span of a scheduled invocation.
const MINUTE: Duration = Duration::from_secs(60);
/// What a round may take: the sources' deadlines and the store's.
const ROUND_TIME: Duration = Duration::from_secs(12);
/// A head and an event a stream, and one item to spare.
const STREAMS_PER_APPEND: usize = 49;

/// The poller.
pub struct Poller {
    /// Who is asked; not through the cache.
    pub sources: Arc<OrderedSources>,
    /// Where changes are appended.
    pub events: Arc<dyn EventStore>,
    /// Where the lease is held, and the newest events are read.
    pub store: Arc<dyn Store>,
    /// What is refreshed.
    pub cache: PriceCache,
    /// What is polled.
    pub coins: Vec<Coin>,
    /// How often.
    pub every: Duration,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// What an invocation did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PollSummary {
    /// Rounds that were made.
    pub rounds: u32,
    /// Those of them that failed.
    pub failed: u32,
    /// Rounds that were not made: another invocation makes them, or the time was up.
    pub skipped: u32,
    /// Quotes that the sources gave.
    pub fetched: usize,
    /// Events that were appended.
    pub appended: usize,
}

/// What a round did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Round {
    /// Quotes that the sources gave.
    pub fetched: usize,
    /// Events that were appended.
    pub appended: usize,
}

/// The coins of `PRICE_COINS`.
///
/// # Errors
/// [`ConfigError`] naming the one that is no coin id.
pub fn polled_coins(config: &PriceConfig) -> Result<Vec<Coin>, ConfigError> {
    let coin = |text: &String| text.parse::<Coin>();
    let mut coins: Vec<Coin> = config
        .coins
        .iter()
        .map(coin)
        .collect::<Result<_, _>>()
        .map_err(|error| ConfigError { name: "PRICE_COINS", problem: error.to_string() })?;
    coins.sort();
    coins.dedup();
    Ok(coins)
}

impl Poller {
    /// Makes the rounds of one minute, as `holder` (the invocation's id), none that could not end by `deadline`.
    ///
    /// # Errors
    /// Of the lease; of the last round, if all failed. That another invocation holds the lease is no error.
    pub async fn run(&self, holder: &str, deadline: Timestamp) -> Result<PollSummary, Error> {
        let start = self.clock.now();
        let planned = u32::try_from(MINUTE.as_secs() / self.every.as_secs().max(1)).unwrap_or(1).max(1);
        let mut summary = PollSummary { skipped: planned, ..PollSummary::default() };
        let mut last_error = None;
        for number in 0..planned {
            let at = start + delta(self.every * number);
            if number > 0 && at.max(self.clock.now()) + delta(ROUND_TIME) > deadline {
                break;
            }
            self.wait_until(at).await;
            let ttl = self.every + ROUND_TIME;
            if !self.store.acquire(LEASE, holder, self.clock.now(), ttl).await? {
                tracing::info!(round = number, "another invocation polls the prices");
                break;
            }
            summary.rounds += 1;
            summary.skipped -= 1;
            match self.round(holder).await {
                Ok(round) => {
                    summary.fetched += round.fetched;
                    summary.appended += round.appended;
                }
                Err(error) => {
                    tracing::warn!(round = number, %error, "a round of the price poller failed");
                    summary.failed += 1;
                    last_error = Some(error);
                }
            }
        }
        if let Err(error) = self.store.release(LEASE, holder).await {
            tracing::warn!(%error, "the poller's lease is left to run out");
        }
        match last_error {
            Some(error) if summary.failed == summary.rounds => Err(error),
            _ => Ok(summary),
        }
    }

    /// Makes one round, without a lease. `correlation_id` is kept beside the events.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if no source gave any quote, or the store did not take the changes.
    pub async fn round(&self, correlation_id: &str) -> Result<Round, Error> {
        let quotes = self.fetch().await?;
        // Whether or not the store takes them, these are the prices.
        self.cache.put(&quotes).await;
        let appended = self.append(&quotes, correlation_id).await?;
        Ok(Round { fetched: quotes.len(), appended })
    }

    async fn fetch(&self) -> Result<Vec<Quote>, Error> {
        let (mut quotes, mut unknown, mut failed) = (vec![], vec![], None);
        for (coin, outcome) in self.sources.quotes(&self.coins).await {
            match outcome {
                Outcome::Found(quote) => quotes.push(quote),
                Outcome::Unknown => unknown.push(coin),
                Outcome::Failed { service, retry_after } => {
                    failed = Some(Error::Unavailable { service: service.to_owned(), retry_after });
                }
            }
        }
        if !unknown.is_empty() {
            tracing::warn!(coins = ?unknown, "no price source knows some of PRICE_COINS");
        }
        match failed {
            Some(error) if quotes.is_empty() => Err(error),
            _ => Ok(quotes),
        }
    }

    /// Appends an event for each quote that is news; how many.
    async fn append(&self, quotes: &[Quote], correlation_id: &str) -> Result<usize, Error> {
        let mut latest = self.latest(quotes).await?;
        let mut streams = vec![];
        for quote in quotes {
            let events = match PriceAggregate::at(latest.remove(&quote.coin)).decide(quote) {
                Ok(events) => events,
                Err(never) => match never {},
            };
            let events = events.iter().map(NewEvent::from_domain).collect::<Result<Vec<_>, _>>()?;
            if !events.is_empty() {
                let stream = stream_of(&quote.coin);
                streams.push(StreamAppend { stream, expected: Expected::Any, events });
            }
        }
        let mut appended = 0;
        while !streams.is_empty() {
            let batch = streams.split_off(streams.len().saturating_sub(STREAMS_PER_APPEND));
            let append = Append { streams: batch, metadata: self.metadata(correlation_id), idempotency: None };
            appended += self.events.append(&append).await?.events.len();
        }
        Ok(appended)
    }

    /// The quotes in the newest events, by coin: the read model may be behind.
    async fn latest(&self, quotes: &[Quote]) -> Result<HashMap<Coin, Quote>, Error> {
        let streams: Vec<_> = quotes.iter().map(|quote| stream_of(&quote.coin)).collect();
        let mut latest = HashMap::with_capacity(quotes.len());
        for event in self.store.last_events(&streams).await? {
            let PriceEvent::Updated(quote) = event.decode()?;
            latest.insert(quote.coin.clone(), quote);
        }
        Ok(latest)
    }

    fn metadata(&self, correlation_id: &str) -> Metadata {
        Metadata::of_schedule(correlation_id, self.clock.now())
    }

    async fn wait_until(&self, at: Timestamp) {
        if let Ok(wait) = (at - self.clock.now()).to_std() {
            tokio::time::sleep(wait).await;
        }
    }
}

fn stream_of(coin: &Coin) -> StreamId {
    StreamId::of(PriceAggregate::TYPE, coin.as_str())
}

#[cfg(test)]
mod tests;
