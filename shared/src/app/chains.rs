//! The chains that the variables name, and who else asks their nodes.

use std::sync::Arc;

use super::StartError;
use crate::breaker::Breakers;
use crate::platform::clock::Clock;
use crate::platform::config::{ChainsConfig, Vars};
use crate::sources::chains::{ChainAdapter, Chains};

/// The chains of a process.
#[derive(Default)]
pub(super) struct ChainParts {
    /// All of them.
    pub(super) chains: Arc<Chains>,
    /// The contracts of those that have any.
    #[cfg(feature = "evm")]
    pub(super) contracts:
        std::collections::HashMap<crate::domain::chain::ChainId, crate::sources::chains::evm::EvmClient>,
}

impl ChainParts {
    /// Swap quotes, by whom the variables name.
    #[cfg(feature = "graphql")]
    pub(super) fn quotes(
        &self,
        _: &Vars,
        shared: &super::prices::Shared,
    ) -> Result<crate::services::quotes::Quotes, StartError> {
        let tokens = Arc::new(crate::sources::quotes::NoTokens);
        Ok(crate::services::quotes::Quotes::new(
            self.chains.clone(),
            tokens,
            [],
            shared.clock.clone(),
            &shared.breakers,
        ))
    }

    /// The chains that the variables name. No node is asked yet.
    pub(super) fn new(vars: &Vars, clock: &Arc<dyn Clock>, breakers: &Breakers) -> Result<Self, StartError> {
        let config = ChainsConfig::from_vars(vars)?;
        if config.evm.is_empty() && config.solana.is_empty() {
            return Ok(Self::default());
        }
        let mut builder = Builder::new(&config, clock, breakers)?;
        builder.evm(&config)?;
        builder.solana(&config)?;
        Ok(Self {
            chains: Arc::new(Chains::new(builder.adapters)),
            #[cfg(feature = "evm")]
            contracts: builder.contracts,
        })
    }
}

#[cfg(any(feature = "evm", feature = "solana"))]
struct Builder<'a> {
    http: crate::sources::http::HttpClient,
    clock: &'a Arc<dyn Clock>,
    breakers: &'a Breakers,
    quorum: usize,
    adapters: Vec<Arc<dyn ChainAdapter>>,
    #[cfg(feature = "evm")]
    contracts: std::collections::HashMap<crate::domain::chain::ChainId, crate::sources::chains::evm::EvmClient>,
}

#[cfg(any(feature = "evm", feature = "solana"))]
impl<'a> Builder<'a> {
    fn new(config: &ChainsConfig, clock: &'a Arc<dyn Clock>, breakers: &'a Breakers) -> Result<Self, StartError> {
        use crate::sources::http::{HttpClient, HttpOptions};

        // A stretch of a busy contract's logs is long.
        let options = HttpOptions { max_bytes: 16 * 1024 * 1024, ..HttpOptions::default() };
        let http = HttpClient::new(options, clock.clone())
            .map_err(|error| StartError::Failed(format!("the HTTP client: {error}")))?;
        Ok(Self {
            http,
            clock,
            breakers,
            quorum: config.quorum,
            adapters: vec![],
            #[cfg(feature = "evm")]
            contracts: std::collections::HashMap::new(),
        })
    }

    fn nodes(
        &self,
        chain: &crate::sources::chains::Chain,
        nodes: &crate::platform::config::ChainNodes,
        protocol: Box<dyn crate::sources::chains::rpc::Protocol>,
        max_lag: u64,
    ) -> Arc<crate::sources::chains::rpc::Nodes> {
        use crate::sources::chains::rpc::{Nodes, Patience};

        let patience = Patience { max_lag, quorum: self.quorum, ..Patience::default() };
        let with = (&self.http, self.clock, self.breakers);
        Arc::new(Nodes::new((chain.id.clone(), &chain.name), &nodes.http, protocol, patience, with))
    }

    #[cfg(feature = "evm")]
    fn evm(&mut self, config: &ChainsConfig) -> Result<(), StartError> {
        use crate::sources::chains::evm::{Ethereum, Evm, EvmClient, known_chain};

        for entry in &config.evm {
            let chain = known_chain(&entry.chain).ok_or_else(|| unknown("EVM_RPC_URLS", &entry.chain))?;
            let nodes = self.nodes(&chain, entry, Box::new(Ethereum), 5);
            self.contracts.insert(chain.id.clone(), EvmClient::new(nodes.clone()));
            self.adapters.push(Arc::new(Evm::new(chain, nodes, entry.websockets.clone())));
        }
        Ok(())
    }

    #[cfg(feature = "solana")]
    fn solana(&mut self, _: &ChainsConfig) -> Result<(), StartError> {
        Ok(())
    }

    #[cfg(not(feature = "evm"))]
    fn evm(&mut self, config: &ChainsConfig) -> Result<(), StartError> {
        if config.evm.is_empty() { Ok(()) } else { Err(super::not_built("EVM_RPC_URLS", "EVM chains").into()) }
    }

    #[cfg(not(feature = "solana"))]
    fn solana(&mut self, config: &ChainsConfig) -> Result<(), StartError> {
        if config.solana.is_empty() { Ok(()) } else { Err(super::not_built("SOLANA_RPC_URLS", "Solana").into()) }
    }
}

/// Without either, a setting that asks for a chain says so.
#[cfg(not(any(feature = "evm", feature = "solana")))]
struct Builder {
    adapters: Vec<Arc<dyn ChainAdapter>>,
}

#[cfg(not(any(feature = "evm", feature = "solana")))]
#[expect(clippy::unused_self, reason = "as where there are chains")]
impl Builder {
    fn new(config: &ChainsConfig, _: &Arc<dyn Clock>, _: &Breakers) -> Result<Self, StartError> {
        let name = if config.evm.is_empty() { "SOLANA_RPC_URLS" } else { "EVM_RPC_URLS" };
        Err(super::not_built(name, "access to chains").into())
    }

    fn evm(&mut self, _: &ChainsConfig) -> Result<(), StartError> {
        Ok(())
    }

    fn solana(&mut self, _: &ChainsConfig) -> Result<(), StartError> {
        Ok(())
    }
}

#[cfg(any(feature = "evm", feature = "solana"))]
fn unknown(name: &'static str, chain: &str) -> crate::platform::config::ConfigError {
    crate::platform::config::ConfigError::invalid(name, chain, "the name of a known chain, or its CAIP-2 id")
}
