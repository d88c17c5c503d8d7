//! Several sources as one: the first is asked for everything, the next for what is missing or failed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;

use super::PriceSource;
use crate::breaker::{self, Breakers, CircuitBreaker};
use crate::domain::coin::Coin;
use crate::domain::price::Quote;
use crate::platform::clock::{Clock, Timestamp};
use crate::platform::outage::Outage;
use crate::sources::SourceError;

/// The longest that a source's `Retry-After` is honoured.
const LONGEST_PAUSE: TimeDelta = TimeDelta::hours(1);

/// What became of a coin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A source quoted it.
    Found(Quote),
    /// Every source answered, and none knows it.
    Unknown,
    /// No source quoted it, and at least one failed.
    Failed {
        /// The first that failed.
        service: &'static str,
        /// Until it is worth another try, where that is known.
        retry_after: Option<Duration>,
    },
}

/// Sources in the order in which they are asked, each behind its breaker.
pub struct OrderedSources {
    sources: Vec<Guarded>,
}

struct Guarded {
    source: Arc<dyn PriceSource>,
    breaker: Arc<CircuitBreaker>,
    clock: Arc<dyn Clock>,
    /// After a 429: not asked again before.
    paused_until: Mutex<Option<Timestamp>>,
    outage: Outage,
}

impl OrderedSources {
    /// These sources, in this order.
    pub fn new(
        sources: impl IntoIterator<Item = (Arc<dyn PriceSource>, breaker::Options)>,
        clock: &Arc<dyn Clock>,
        breakers: &Breakers,
    ) -> Self {
        let guarded = |(source, options)| Guarded {
            source,
            breaker: breakers.get(&options),
            clock: Arc::clone(clock),
            paused_until: Mutex::new(None),
            outage: Outage::default(),
        };
        Self { sources: sources.into_iter().map(guarded).collect() }
    }

    /// What is known of each of `coins`.
    pub async fn quotes(&self, coins: &[Coin]) -> HashMap<Coin, Outcome> {
        let mut outcomes: HashMap<_, _> = coins.iter().map(|coin| (coin.clone(), Outcome::Unknown)).collect();
        let mut failure = None;
        for guarded in &self.sources {
            let missing: Vec<_> = outcomes
                .iter()
                .filter(|(_, outcome)| **outcome == Outcome::Unknown)
                .map(|(coin, _)| coin.clone())
                .collect();
            if missing.is_empty() {
                break;
            }
            let service = guarded.source.name();
            match guarded.quotes(&missing).await {
                Ok(quotes) => {
                    guarded.note_answer();
                    let known = quotes.into_iter().map(|quote| (quote.coin.clone(), Outcome::Found(quote)));
                    // Only what was asked.
                    outcomes.extend(known.filter(|(coin, _)| missing.contains(coin)));
                }
                Err(error) => {
                    guarded.note_failure(&error, missing.len());
                    failure.get_or_insert(Outcome::Failed { service, retry_after: error.retry_after() });
                }
            }
        }
        if let Some(failure) = failure {
            outcomes
                .values_mut()
                .filter(|outcome| **outcome == Outcome::Unknown)
                .for_each(|outcome| *outcome = failure.clone());
        }
        outcomes
    }
}

impl Guarded {
    fn note_answer(&self) {
        if self.outage.changed(false) {
            tracing::info!(service = self.source.name(), "a price source answers again");
        }
    }

    fn note_failure(&self, error: &SourceError, coins: usize) {
        let service = self.source.name();
        // What opened the circuit, or paused the source, was logged then.
        if error.retry_after().is_some() || !self.outage.changed(true) {
            tracing::debug!(service, %error, coins, "a price source still gives no quotes");
        } else {
            tracing::warn!(service, %error, coins, "a price source gives no quotes");
        }
    }

    async fn quotes(&self, coins: &[Coin]) -> Result<Vec<Quote>, SourceError> {
        if let Some(pause) = self.pause() {
            return Err(SourceError::RateLimited { retry_after: Some(pause) });
        }
        let error = match self.breaker.call(self.source.quotes(coins)).await {
            Ok(quotes) => return Ok(quotes),
            Err(error) => SourceError::from(error),
        };
        if let SourceError::RateLimited { retry_after: Some(wait) } = error {
            let wait = TimeDelta::from_std(wait).unwrap_or(LONGEST_PAUSE).min(LONGEST_PAUSE);
            tracing::warn!(service = self.source.name(), seconds = wait.num_seconds(), "a price source wants a pause");
            *self.paused_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.clock.now() + wait);
        }
        Err(error)
    }

    /// How long the source still wants to be left alone.
    fn pause(&self) -> Option<Duration> {
        let until = (*self.paused_until.lock().unwrap_or_else(PoisonError::into_inner))?;
        (until - self.clock.now()).to_std().ok().filter(|pause| !pause.is_zero())
    }
}

#[cfg(test)]
mod tests;
