//! Chainlink's feeds: prices that many nodes have agreed on and written to a chain. One request a chain for all coins.
//!
//! A feed is written to when the price has moved enough, and at the latest after its heartbeat
//! (<https://docs.chain.link/data-feeds>). One that is older has stopped: it is left out, for the next source to tell.

mod feeds;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta};
use ethers::types::{Address, Bytes, U256};
use rust_decimal::Decimal;

use super::{PriceSource, breaker_options, plausible};
use crate::breaker;
use crate::domain::chain::ChainId;
use crate::domain::coin::Coin;
use crate::domain::price::Quote;
use crate::platform::BoxFuture;
use crate::platform::clock::{Clock, Timestamp};
use crate::sources::SourceError;
use crate::sources::chains::evm::contract::{call, source_error, word};
use crate::sources::chains::evm::{EthCall, EvmClient, Revert};
use feeds::Feed;
pub use feeds::{FeedError, Feeds};

const NAME: &str = "chainlink";
/// How much later than its heartbeat a feed may be: blocks are full, nodes are slow.
const GRACE: TimeDelta = TimeDelta::minutes(5);
/// How far a block's time may be ahead of ours.
const AHEAD: TimeDelta = TimeDelta::minutes(1);

/// Chainlink's feeds on the chains that there are nodes of.
pub struct Chainlink {
    clients: HashMap<ChainId, EvmClient>,
    feeds: Feeds,
    clock: Arc<dyn Clock>,
    /// A feed's decimals never change.
    decimals: Mutex<HashMap<(ChainId, Address), u32>>,
}

type Answer = Result<Bytes, Revert>;

impl Chainlink {
    /// Asks the nodes of these chains for what `feeds` knows.
    pub(crate) fn new(clients: HashMap<ChainId, EvmClient>, feeds: Feeds, clock: Arc<dyn Clock>) -> Self {
        Self { clients, feeds, clock, decimals: Mutex::default() }
    }

    /// How patient to be with it: the defaults.
    pub fn breaker_options() -> breaker::Options {
        breaker_options(NAME)
    }

    async fn ask(&self, coins: &[Coin]) -> Result<Vec<Quote>, SourceError> {
        let mut by_chain: BTreeMap<&ChainId, Vec<(&Coin, Feed)>> = BTreeMap::new();
        for coin in coins {
            if let Some((chain, feed)) = self.feeds.of(coin, |chain| self.clients.contains_key(chain)) {
                by_chain.entry(chain).or_default().push((coin, feed));
            }
        }
        let (mut quotes, mut failure) = (vec![], None);
        for (chain, asked) in by_chain {
            match self.ask_chain(chain, &asked).await {
                Ok(found) => quotes.extend(found),
                Err(error) => failure = Some((chain, error)),
            }
        }
        match failure {
            None => Ok(quotes),
            Some((_, error)) if quotes.is_empty() => Err(error),
            Some((chain, error)) => {
                tracing::warn!(source = NAME, %chain, %error, "the feeds of a chain are not told");
                Ok(quotes)
            }
        }
    }

    async fn ask_chain(&self, chain: &ChainId, asked: &[(&Coin, Feed)]) -> Result<Vec<Quote>, SourceError> {
        let client = self.clients.get(chain).ok_or_else(|| SourceError::Malformed(format!("no nodes of {chain}")))?;
        let unknown: Vec<_> =
            asked.iter().map(|(_, feed)| feed.address).filter(|feed| self.known(chain, *feed).is_none()).collect();
        let rounds = asked.iter().map(|(_, feed)| EthCall::new(feed.address, call("latestRoundData()", &[])));
        let decimals = unknown.iter().map(|feed| EthCall::new(*feed, call("decimals()", &[])));
        let calls: Vec<_> = rounds.chain(decimals).collect();
        let answers = client.call_all(&calls).await.map_err(source_error)?;
        let (rounds, decimals) = answers.split_at_checked(asked.len()).unwrap_or_default();
        self.learn(chain, &unknown, decimals);
        let now = self.clock.now();
        let quote = |((coin, feed), answer): (&(&Coin, Feed), &Answer)| {
            let read = self
                .known(chain, feed.address)
                .ok_or("it does not tell its decimals")
                .and_then(|decimals| read(answer, decimals, feed.heartbeat, now));
            match read {
                Ok((usd, updated_at)) => Some(Quote {
                    coin: (*coin).clone(),
                    usd,
                    change24h: None,
                    market_cap: None,
                    updated_at,
                    source: NAME.to_owned(),
                }),
                Err(reason) => {
                    tracing::warn!(source = NAME, %coin, %chain, feed = ?feed.address, reason, "a feed is left out");
                    None
                }
            }
        };
        Ok(asked.iter().zip(rounds).filter_map(quote).collect())
    }

    fn known(&self, chain: &ChainId, feed: Address) -> Option<u32> {
        self.decimals.lock().unwrap_or_else(PoisonError::into_inner).get(&(chain.clone(), feed)).copied()
    }

    fn learn(&self, chain: &ChainId, feeds: &[Address], answers: &[Answer]) {
        let mut known = self.decimals.lock().unwrap_or_else(PoisonError::into_inner);
        for (feed, answer) in feeds.iter().zip(answers) {
            let decimals = answer.as_ref().ok().and_then(|answer| word(answer, 0));
            if let Some(decimals) = decimals.and_then(|decimals| u32::try_from(decimals).ok()) {
                known.insert((chain.clone(), *feed), decimals);
            }
        }
    }
}

impl PriceSource for Chainlink {
    fn name(&self) -> &'static str {
        NAME
    }

    fn quotes<'a>(&'a self, coins: &'a [Coin]) -> BoxFuture<'a, Result<Vec<Quote>, SourceError>> {
        Box::pin(self.ask(coins))
    }
}

/// What `latestRoundData` answers: the price, and since when it holds; or why it is not to be used.
fn read(
    answer: &Answer,
    decimals: u32,
    heartbeat: TimeDelta,
    now: Timestamp,
) -> Result<(Decimal, Timestamp), &'static str> {
    let answer = answer.as_ref().map_err(|_| "it reverts")?;
    let words: Option<Vec<_>> = (0..5).map(|place| word(answer, place)).collect();
    let [round, price, _started, updated, answered_in] =
        <[U256; 5]>::try_from(words.unwrap_or_default()).map_err(|_| "it is no feed")?;
    if updated.is_zero() || round.is_zero() || answered_in < round {
        return Err("its round is not complete");
    }
    let updated_at = i64::try_from(updated).ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    let updated_at = updated_at.filter(|at| *at <= now + AHEAD).ok_or("it is of the future")?;
    if now - updated_at > heartbeat + GRACE {
        return Err("it is older than its heartbeat");
    }
    // A price below zero has its highest bit set: it is too large as well.
    let price = i128::try_from(price).ok().and_then(|price| Decimal::try_from_i128_with_scale(price, decimals).ok());
    let price = price.filter(plausible).ok_or("its price cannot be")?;
    Ok((price.normalize(), updated_at))
}

#[cfg(test)]
mod tests;
