//! Prices within one request: aliases that ask at the same time become one question to the service. Driven by the
//! fields that wait for it, like the service's own batches: nothing is spawned.

use std::collections::HashMap;
use std::sync::Arc;

use crate::cache::batcher::{Batcher, Window};
use crate::domain::coin::Coin;
use crate::services::Error;
use crate::services::prices::{Price, Prices};

/// The prices that one request asks for.
pub(super) struct PriceLoader(Batcher<Coin, Result<Price, Error>>);

impl PriceLoader {
    /// A loader for one request. What other requests ask is gathered by the service.
    pub(super) fn new(prices: Arc<Prices>) -> Self {
        Self(Batcher::new(Window::NOW, move |coins| {
            let prices = prices.clone();
            async move { prices.resolve_all(&coins).await }
        }))
    }

    /// Prices in the order asked, all or nothing.
    pub(super) async fn load(&self, coins: &[Coin]) -> Result<Vec<Price>, Error> {
        Prices::check(coins)?;
        Prices::all_or_nothing(coins, &self.0.get(coins).await)
    }

    /// The outcome for each coin.
    pub(super) async fn load_each(&self, coins: &[Coin]) -> HashMap<Coin, Result<Price, Error>> {
        self.0.get(coins).await
    }
}
