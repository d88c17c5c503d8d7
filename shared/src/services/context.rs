//! The context of an agent's session: personas and the market at one moment. The same for every caller; the
//! caller's own parts are asked of their services.

use std::sync::Arc;

use super::catalogue::{PERSONAS, Persona};
use super::prices::{Price, Prices};
use crate::domain::coin::Coin;
use crate::platform::clock::{Clock, Timestamp};

/// The use case of contexts.
pub struct Contexts {
    prices: Arc<Prices>,
    market: Vec<Coin>,
    clock: Arc<dyn Clock>,
}

/// What every agent needs to know.
#[derive(Debug, Clone)]
pub struct McpContext {
    /// The version of this software.
    pub version: &'static str,
    /// When the context was put together.
    pub timestamp: Timestamp,
    /// How an agent can speak.
    pub personas: &'static [Persona],
    /// The coins that the poller follows, those that have a price.
    pub market: Vec<Price>,
    /// Whether each of them has one, and none is stale.
    pub complete: bool,
}

impl Contexts {
    /// Contexts whose market is `market`.
    pub fn new(prices: Arc<Prices>, market: Vec<Coin>, clock: Arc<dyn Clock>) -> Self {
        Self { prices, market, clock }
    }

    /// The coins of the market.
    pub fn market(&self) -> &[Coin] {
        &self.market
    }

    /// The context of this moment. A market that does not answer is empty.
    pub async fn get(&self) -> McpContext {
        let mut prices = self.prices.resolve_all(&self.market).await;
        let market: Vec<Price> = self.market.iter().filter_map(|coin| prices.remove(coin)?.ok()).collect();
        McpContext {
            version: env!("CARGO_PKG_VERSION"),
            timestamp: self.clock.now(),
            personas: PERSONAS,
            complete: market.len() == self.market.len() && market.iter().all(|price| !price.stale),
            market,
        }
    }
}
