//! A price source for tests, which says what it is told and counts its calls.

use std::sync::{Arc, Mutex};

use chrono::DateTime;

use super::PriceSource;
use crate::domain::coin::Coin;
use crate::domain::price::Quote;
use crate::platform::BoxFuture;
use crate::sources::SourceError;

pub(crate) fn coin(id: &str) -> Coin {
    id.parse().unwrap()
}

pub(crate) fn quote(id: &str, usd: &str) -> Quote {
    Quote {
        coin: coin(id),
        usd: usd.parse().unwrap(),
        change24h: None,
        market_cap: None,
        updated_at: DateTime::UNIX_EPOCH,
        source: "fake".to_owned(),
    }
}

/// Answers with the quotes that it holds, or with its error.
pub(crate) struct FakeSource {
    pub(crate) name: &'static str,
    pub(crate) answer: Mutex<Result<Vec<Quote>, SourceError>>,
    calls: Mutex<Vec<Vec<Coin>>>,
}

impl FakeSource {
    pub(crate) fn new(name: &'static str, answer: Result<Vec<Quote>, SourceError>) -> Arc<Self> {
        Arc::new(Self { name, answer: Mutex::new(answer), calls: Mutex::default() })
    }

    pub(crate) fn set(&self, answer: Result<Vec<Quote>, SourceError>) {
        *self.answer.lock().unwrap() = answer;
    }

    /// What was asked, call by call, each in order.
    pub(crate) fn calls(&self) -> Vec<Vec<Coin>> {
        self.calls.lock().unwrap().clone()
    }
}

impl PriceSource for FakeSource {
    fn name(&self) -> &'static str {
        self.name
    }

    fn quotes<'a>(&'a self, coins: &'a [Coin]) -> BoxFuture<'a, Result<Vec<Quote>, SourceError>> {
        Box::pin(async move {
            let mut asked = coins.to_vec();
            asked.sort();
            self.calls.lock().unwrap().push(asked);
            let answer = self.answer.lock().unwrap().clone();
            tokio::task::yield_now().await;
            Ok(answer?.into_iter().filter(|quote| coins.contains(&quote.coin)).collect())
        })
    }
}
