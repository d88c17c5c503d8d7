//! CoinGecko, or whoever answers `/simple/price` as it does.

use std::collections::HashMap;
use std::time::Duration;

use chrono::DateTime;
use futures_util::future::try_join_all;
use reqwest::Url;
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{PriceSource, breaker_options, number, plausible};
use crate::breaker;
use crate::domain::coin::Coin;
use crate::domain::price::Quote;
use crate::platform::BoxFuture;
use crate::platform::clock::Timestamp;
use crate::platform::secret::Secret;
use crate::sources::SourceError;
use crate::sources::http::{Get, HttpClient};

const NAME: &str = "coingecko";
/// Coins of one request,
const MAX_COINS: usize = 250;
/// and the length of their list, so that the URL stays one that every server takes.
const MAX_LIST: usize = 4000;

/// CoinGecko's `/simple/price`.
pub struct CoinGecko {
    http: HttpClient,
    base: Url,
    key: Option<(&'static str, Secret)>,
}

impl CoinGecko {
    /// CoinGecko at `base` (up to, without, `/simple/price`). The key's header follows from the host: that of the
    /// paid plans takes another than the public one.
    pub fn new(http: HttpClient, base: Url, key: Option<Secret>) -> Self {
        let pro = base.host_str().is_some_and(|host| host.starts_with("pro-api."));
        let header = if pro { "x-cg-pro-api-key" } else { "x-cg-demo-api-key" };
        Self { http, base, key: key.map(|key| (header, key)) }
    }

    /// How patient to be with it: 5 s, and open above 30 %.
    pub fn breaker_options() -> breaker::Options {
        breaker::Options { timeout: Duration::from_secs(5), error_threshold_percentage: 30, ..breaker_options(NAME) }
    }

    async fn ask(&self, ids: &str) -> Result<Vec<Quote>, SourceError> {
        let query = [
            ("ids", ids),
            ("vs_currencies", "usd"),
            ("include_24hr_change", "true"),
            ("include_market_cap", "true"),
            ("include_last_updated_at", "true"),
            ("precision", "full"),
        ];
        let key = self.key.as_ref().map(|(header, key)| (*header, key));
        let get = Get { service: NAME, base: &self.base, path: "/simple/price", query: &query, key };
        let body = self.http.get(get).await?;
        read(&body, self.http.now())
    }
}

/// The quotes of an answer.
pub(super) fn read(body: &[u8], now: Timestamp) -> Result<Vec<Quote>, SourceError> {
    let answer: HashMap<String, Row> =
        serde_json::from_slice(body).map_err(|error| SourceError::Malformed(error.to_string()))?;
    Ok(answer.into_iter().filter_map(|(id, row)| row.quote(&id, now)).collect())
}

impl PriceSource for CoinGecko {
    fn name(&self) -> &'static str {
        NAME
    }

    fn quotes<'a>(&'a self, coins: &'a [Coin]) -> BoxFuture<'a, Result<Vec<Quote>, SourceError>> {
        Box::pin(async move {
            let lists = lists(coins);
            let answers = try_join_all(lists.iter().map(|ids| self.ask(ids))).await?;
            Ok(answers.into_iter().flatten().filter(|quote| coins.contains(&quote.coin)).collect())
        })
    }
}

/// The ids, comma-separated, in as many lists as requests are needed.
fn lists(coins: &[Coin]) -> Vec<String> {
    let mut lists: Vec<(usize, String)> = vec![];
    for coin in coins {
        match lists.last_mut() {
            Some((count, list)) if *count < MAX_COINS && list.len() + coin.as_str().len() < MAX_LIST => {
                *count += 1;
                list.push(',');
                list.push_str(coin.as_str());
            }
            _ => lists.push((1, coin.as_str().to_owned())),
        }
    }
    lists.into_iter().map(|(_, list)| list).collect()
}

/// What is said of a coin. Numbers are kept as their text.
#[derive(Deserialize)]
struct Row {
    usd: Option<Box<RawValue>>,
    usd_market_cap: Option<Box<RawValue>>,
    usd_24h_change: Option<Box<RawValue>>,
    last_updated_at: Option<Box<RawValue>>,
}

impl Row {
    /// `None` for a coin without a price, or with one that cannot be.
    fn quote(self, id: &str, now: Timestamp) -> Option<Quote> {
        let coin: Coin = id.parse().ok()?;
        let raw = self.usd?;
        let Some(usd) = number(&raw).filter(plausible) else {
            tracing::warn!(source = NAME, %coin, usd = %super::excerpt(raw.get()), "a price that cannot be is left out");
            return None;
        };
        let updated_at =
            self.last_updated_at.and_then(|seconds| DateTime::from_timestamp(seconds.get().parse().ok()?, 0));
        Some(Quote {
            coin,
            usd,
            change24h: self.usd_24h_change.as_deref().and_then(number).map(|change| change.round_dp(10).normalize()),
            market_cap: self.usd_market_cap.as_deref().and_then(number).filter(|cap| *cap > Decimal::ZERO),
            // Never later than now: a quote from the future would keep out all that follow.
            updated_at: updated_at.unwrap_or(now).min(now),
            source: NAME.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests;
