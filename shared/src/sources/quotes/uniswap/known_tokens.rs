//! Tokens by their symbols, and what gas costs in them.

use std::collections::HashMap;
use std::sync::Arc;

use super::deployments::Deployments;
use super::native_price::NativePrice;
use crate::domain::chain::ChainId;
use crate::platform::BoxFuture;
use crate::sources::chains::Chain;
use crate::sources::chains::evm::EvmClient;
use crate::sources::quotes::{GasCost, Token, Tokens};

/// The tokens of the deployments, and prices from their pools.
pub struct KnownTokens {
    clients: HashMap<ChainId, EvmClient>,
    deployments: Arc<Deployments>,
    prices: NativePrice,
}

impl KnownTokens {
    /// Asks the nodes of these chains.
    pub(crate) fn new(clients: HashMap<ChainId, EvmClient>, deployments: Arc<Deployments>) -> Self {
        Self { prices: NativePrice::new(clients.clone(), deployments.clone()), clients, deployments }
    }

    async fn cost(&self, chain: &Chain, token: &Token) -> Option<GasCost> {
        let client = self.clients.get(&chain.id)?;
        let (price, worth) = tokio::join!(client.gas_price(), self.prices.native_in(chain, token));
        let (numerator, denominator) = worth?;
        Some(GasCost { price: price.ok()?, numerator, denominator })
    }
}

impl Tokens for KnownTokens {
    fn by_symbol(&self, chain: &Chain, symbol: &str) -> Option<Token> {
        self.deployments.token(chain, symbol)
    }

    fn gas_cost<'a>(&'a self, chain: &'a Chain, token: &'a Token) -> BoxFuture<'a, Option<GasCost>> {
        Box::pin(self.cost(chain, token))
    }
}
