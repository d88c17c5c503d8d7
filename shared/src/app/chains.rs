//! The chains that the variables name, and who else asks their nodes.

use std::sync::Arc;

use super::{StartError, not_built};
use crate::breaker::Breakers;
use crate::platform::clock::Clock;
use crate::platform::config::{ChainsConfig, Vars};
use crate::sources::chains::Chains;

/// The chains of a process.
#[derive(Default)]
pub(super) struct ChainParts {
    /// All of them.
    pub(super) chains: Arc<Chains>,
    /// Who asks the contracts of those that have any.
    #[cfg(feature = "evm")]
    pub(super) contracts: nodes::Contracts,
}

/// The chains of `EVM_RPC_URLS` and `SOLANA_RPC_URLS`, for who needs nothing else of this.
///
/// # Errors
/// A variable that is invalid, named.
pub fn chains(vars: &Vars) -> Result<Arc<Chains>, StartError> {
    super::begin(vars)?;
    let clock: Arc<dyn Clock> = Arc::new(crate::platform::clock::SystemClock);
    Ok(ChainParts::new(vars, &clock, &Breakers::new(clock.clone()))?.chains)
}

impl ChainParts {
    /// The chains that the variables name. No node is asked yet.
    pub(super) fn new(vars: &Vars, clock: &Arc<dyn Clock>, breakers: &Breakers) -> Result<Self, StartError> {
        let config = ChainsConfig::from_vars(vars)?;
        if cfg!(not(feature = "evm")) && !config.evm.is_empty() {
            return Err(not_built("EVM_RPC_URLS", "access to EVM chains").into());
        }
        if cfg!(not(feature = "solana")) && !config.solana.is_empty() {
            return Err(not_built("SOLANA_RPC_URLS", "access to Solana").into());
        }
        if config.evm.is_empty() && config.solana.is_empty() {
            return Ok(Self::default());
        }
        #[cfg(any(feature = "evm", feature = "solana"))]
        return nodes::Builder::new(clock, breakers, config.quorum)?.build(&config);
        #[cfg(not(any(feature = "evm", feature = "solana")))]
        {
            let _ = (clock, breakers);
            Ok(Self::default())
        }
    }
}

#[cfg(any(feature = "evm", feature = "solana"))]
mod nodes {
    use super::{Arc, Breakers, ChainParts, Chains, ChainsConfig, Clock, StartError};
    use crate::platform::config::{ChainNodes, ConfigError};
    use crate::sources::chains::rpc::{Nodes, Patience, Protocol};
    use crate::sources::chains::{Chain, ChainAdapter};
    use crate::sources::http::{HttpClient, HttpOptions};

    /// Who asks contracts, by chain.
    #[cfg(feature = "evm")]
    pub(in crate::app) type Contracts =
        std::collections::HashMap<crate::domain::chain::ChainId, crate::sources::chains::evm::EvmClient>;

    /// How far behind the others a node may be: slots of 0.4 s.
    #[cfg(feature = "solana")]
    const SOLANA_LAG: u64 = 50;

    pub(super) struct Builder<'a> {
        http: HttpClient,
        clock: &'a Arc<dyn Clock>,
        breakers: &'a Breakers,
        quorum: usize,
    }

    impl<'a> Builder<'a> {
        pub(super) fn new(
            clock: &'a Arc<dyn Clock>,
            breakers: &'a Breakers,
            quorum: usize,
        ) -> Result<Self, StartError> {
            // A stretch of a busy contract's logs is long.
            let options = HttpOptions { max_bytes: 8 * 1024 * 1024, ..HttpOptions::default() };
            let http = HttpClient::new(options, clock.clone())
                .map_err(|error| StartError::Failed(format!("the HTTP client: {error}")))?;
            Ok(Self { http, clock, breakers, quorum })
        }

        pub(super) fn build(&self, config: &ChainsConfig) -> Result<ChainParts, StartError> {
            let mut adapters: Vec<Arc<dyn ChainAdapter>> = vec![];
            #[cfg(feature = "evm")]
            let contracts = self.evm(&config.evm, &mut adapters)?;
            #[cfg(feature = "solana")]
            self.solana(&config.solana, &mut adapters)?;
            Ok(ChainParts {
                chains: Arc::new(Chains::new(adapters)),
                #[cfg(feature = "evm")]
                contracts,
            })
        }

        fn nodes(
            &self,
            chain: &Chain,
            entry: &ChainNodes,
            protocol: impl Protocol + 'static,
            max_lag: u64,
        ) -> Arc<Nodes> {
            let patience = Patience { max_lag, quorum: self.quorum, ..Patience::default() };
            let with = (&self.http, self.clock, self.breakers);
            Arc::new(Nodes::new((chain.id.clone(), &chain.name), &entry.http, Box::new(protocol), patience, with))
        }

        #[cfg(feature = "evm")]
        fn evm(
            &self,
            entries: &[ChainNodes],
            adapters: &mut Vec<Arc<dyn ChainAdapter>>,
        ) -> Result<Contracts, StartError> {
            use crate::sources::chains::evm::{Ethereum, Evm, EvmClient, known_chain, max_lag};

            let mut contracts = Contracts::new();
            for entry in entries {
                let chain = known_chain(&entry.chain).ok_or_else(|| unknown("EVM_RPC_URLS", &entry.chain))?;
                let nodes = self.nodes(&chain, entry, Ethereum, max_lag(&chain));
                if contracts.insert(chain.id.clone(), EvmClient::new(nodes.clone())).is_some() {
                    return Err(twice("EVM_RPC_URLS", &chain).into());
                }
                adapters.push(Arc::new(Evm::new(chain, nodes, entry.websockets.clone())));
            }
            Ok(contracts)
        }

        #[cfg(feature = "solana")]
        fn solana(&self, entries: &[ChainNodes], adapters: &mut Vec<Arc<dyn ChainAdapter>>) -> Result<(), StartError> {
            use crate::sources::chains::solana::{Cluster, Solana, known_chain};

            for entry in entries {
                let chain = known_chain(&entry.chain).ok_or_else(|| unknown("SOLANA_RPC_URLS", &entry.chain))?;
                if adapters.iter().any(|adapter| adapter.chain().id == chain.id) {
                    return Err(twice("SOLANA_RPC_URLS", &chain).into());
                }
                let nodes = self.nodes(&chain, entry, Cluster, SOLANA_LAG);
                adapters.push(Arc::new(Solana::new(chain, nodes, entry.websockets.clone())));
            }
            Ok(())
        }
    }

    fn twice(name: &'static str, chain: &Chain) -> ConfigError {
        ConfigError { name, problem: format!("{} is named twice: {} is the same", chain.name, chain.id) }
    }

    fn unknown(name: &'static str, chain: &str) -> ConfigError {
        ConfigError::invalid(name, chain, "the name of a known chain, or its CAIP-2 id")
    }
}
