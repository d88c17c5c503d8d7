//! What of Uniswap is where, on every chain.

use std::collections::{BTreeMap, HashMap};

use ethers::types::Address;

use super::built_in::{BUILT_IN, BuiltIn, Router, V2_INIT_CODE_HASH, V3_INIT_CODE_HASH};
use crate::domain::chain::ChainId;
use crate::platform::config::{ContractAddress, UniswapConfig};
use crate::sources::chains::Chain;
use crate::sources::chains::evm::contract::checksummed;
use crate::sources::quotes::Token;

/// Through how many tokens a route of two hops may go.
pub(super) const MOST_BASE_TOKENS: usize = 4;

/// Where Uniswap's contracts are, by chain.
#[derive(Debug, Clone)]
pub struct Deployments(HashMap<ChainId, Deployment>);

/// Why `UNISWAP_DEPLOYMENTS` cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeploymentError {
    /// A name that no chain has here.
    #[error("no chain is called {0:?} here: use its CAIP-2 id")]
    UnknownChain(String),
    /// Too little is said of a chain that is not built in.
    #[error("{chain}: {missing} is missing")]
    Incomplete {
        /// Which chain, as it was written.
        chain: String,
        /// What is needed.
        missing: &'static str,
    },
    /// Every base token makes a quote dearer.
    #[error("{0}: more than {MOST_BASE_TOKENS} base tokens")]
    TooManyBaseTokens(String),
}

/// What there is on one chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Deployment {
    pub(super) wrapped: Address,
    pub(super) multicall: Address,
    pub(super) base_tokens: Vec<Address>,
    /// By symbol, in upper case.
    tokens: BTreeMap<String, Address>,
    pub(super) v2: Option<V2>,
    pub(super) v3: Option<V3>,
}

/// Version 2. Without a router there are quotes, but no transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct V2 {
    pub(super) factory: Address,
    pub(super) router: Option<Address>,
    pub(super) init_code_hash: [u8; 32],
}

/// Version 3, likewise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct V3 {
    pub(super) factory: Address,
    pub(super) quoter: Address,
    pub(super) router: Option<V3Router>,
    pub(super) init_code_hash: [u8; 32],
}

/// A router of V3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum V3Router {
    /// `SwapRouter`: the deadline is a part of what a swap is told.
    First(Address),
    /// `SwapRouter02`: the deadline stands around it.
    Second(Address),
}

impl Deployments {
    /// What is built in, with what `configured` says over it. Names are those of `chains`, or the built-in ones.
    ///
    /// # Errors
    /// [`DeploymentError`], for the first chain that cannot be told or used.
    pub fn new(configured: &BTreeMap<String, UniswapConfig>, chains: &[Chain]) -> Result<Self, DeploymentError> {
        let mut deployments: HashMap<_, _> =
            BUILT_IN.iter().map(|built_in| (ChainId::evm(built_in.chain), Deployment::from(built_in))).collect();
        for (name, config) in configured {
            let id = chain_id(name, chains).ok_or_else(|| DeploymentError::UnknownChain(name.clone()))?;
            let known = deployments.remove(&id);
            deployments.insert(id, Deployment::merged(name, known.as_ref(), config)?);
        }
        Ok(Self(deployments))
    }

    /// A token by its symbol on `chain`, in any case; the chain's own coin by the chain's symbol.
    pub fn token(&self, chain: &Chain, symbol: &str) -> Option<Token> {
        if symbol.eq_ignore_ascii_case(&chain.symbol) {
            return Some(Token::Native);
        }
        let address = *self.0.get(&chain.id)?.tokens.get(&symbol.to_ascii_uppercase())?;
        Some(Token::Contract(checksummed(address)))
    }

    pub(super) fn on(&self, chain: &ChainId) -> Option<&Deployment> {
        self.0.get(chain)
    }
}

fn chain_id(name: &str, chains: &[Chain]) -> Option<ChainId> {
    let named = chains.iter().find(|chain| chain.name == name).map(|chain| chain.id.clone());
    let built_in = || BUILT_IN.iter().find(|chain| chain.name == name).map(|chain| ChainId::evm(chain.chain));
    named.or_else(|| name.parse().ok()).or_else(built_in)
}

impl Deployment {
    fn merged(name: &str, known: Option<&Self>, config: &UniswapConfig) -> Result<Self, DeploymentError> {
        let missing = |missing| DeploymentError::Incomplete { chain: name.to_owned(), missing };
        let wrapped = address(config.wrapped).or(known.map(|known| known.wrapped));
        let multicall = address(config.multicall).or(known.map(|known| known.multicall));
        let wrapped = wrapped.ok_or_else(|| missing("wrapped"))?;
        let mut tokens = known.map(|known| known.tokens.clone()).unwrap_or_default();
        let given = config.tokens.iter();
        tokens.extend(given.map(|(symbol, token)| (symbol.to_ascii_uppercase(), Address::from(token.0))));
        let base_tokens = config
            .base_tokens
            .as_ref()
            .map(|tokens| tokens.iter().map(|token| Address::from(token.0)).collect::<Vec<_>>());
        if base_tokens.as_ref().is_some_and(|tokens| tokens.len() > MOST_BASE_TOKENS) {
            return Err(DeploymentError::TooManyBaseTokens(name.to_owned()));
        }
        Ok(Self {
            wrapped,
            multicall: multicall.ok_or_else(|| missing("multicall"))?,
            base_tokens: base_tokens.unwrap_or_else(|| usual_base_tokens(wrapped, &tokens)),
            tokens,
            v2: merged_v2(known.and_then(|known| known.v2), config),
            v3: merged_v3(known.and_then(|known| known.v3), config).map_err(missing)?,
        })
    }
}

fn merged_v2(known: Option<V2>, config: &UniswapConfig) -> Option<V2> {
    let given = &config.v2;
    Some(V2 {
        factory: address(given.factory).or(known.map(|known| known.factory))?,
        router: address(given.router).or(known.and_then(|known| known.router)),
        init_code_hash: given
            .init_code_hash
            .map_or_else(|| known.map_or(V2_INIT_CODE_HASH, |known| known.init_code_hash), |hash| hash.0),
    })
}

fn merged_v3(known: Option<V3>, config: &UniswapConfig) -> Result<Option<V3>, &'static str> {
    let given = &config.v3;
    let Some(factory) = address(given.factory).or(known.map(|known| known.factory)) else { return Ok(None) };
    let router = address(given.router).map(V3Router::First).or(address(given.router02).map(V3Router::Second));
    Ok(Some(V3 {
        factory,
        quoter: address(given.quoter).or(known.map(|known| known.quoter)).ok_or("v3.quoter")?,
        router: router.or(known.and_then(|known| known.router)),
        init_code_hash: given
            .init_code_hash
            .map_or_else(|| known.map_or(V3_INIT_CODE_HASH, |known| known.init_code_hash), |hash| hash.0),
    }))
}

fn address(given: Option<ContractAddress>) -> Option<Address> {
    given.map(|given| Address::from(given.0))
}

/// The wrapped coin and the dollars that most tokens trade for.
fn usual_base_tokens(wrapped: Address, tokens: &BTreeMap<String, Address>) -> Vec<Address> {
    let dollars = ["USDC", "USDT", "DAI"].iter().filter_map(|symbol| tokens.get(*symbol).copied());
    [wrapped].into_iter().chain(dollars).collect()
}

impl From<&BuiltIn> for Deployment {
    fn from(built_in: &BuiltIn) -> Self {
        let tokens: BTreeMap<_, _> =
            built_in.tokens.iter().map(|(symbol, token)| ((*symbol).to_owned(), known(token))).collect();
        let wrapped = built_in.tokens.first().map(|(_, token)| known(token)).unwrap_or_default();
        Self {
            wrapped,
            multicall: known(built_in.multicall),
            base_tokens: usual_base_tokens(wrapped, &tokens),
            tokens,
            v2: Some(V2 {
                factory: known(built_in.v2_factory),
                router: Some(known(built_in.v2_router)),
                init_code_hash: V2_INIT_CODE_HASH,
            }),
            v3: Some(V3 {
                factory: known(built_in.v3_factory),
                quoter: known(built_in.v3_quoter),
                router: Some(match built_in.v3_router {
                    Router::First(router) => V3Router::First(known(router)),
                    Router::Second(router) => V3Router::Second(known(router)),
                }),
                init_code_hash: V3_INIT_CODE_HASH,
            }),
        }
    }
}

/// An address of the table, which a test has read.
fn known(text: &str) -> Address {
    text.parse().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(id: u64, name: &str, symbol: &str) -> Chain {
        Chain { id: ChainId::evm(id), name: name.to_owned(), symbol: symbol.to_owned(), decimals: 18, confirmations: 1 }
    }

    fn configured(json: &str) -> Result<Deployments, DeploymentError> {
        Deployments::new(&serde_json::from_str(json).unwrap(), &[chain(31337, "anvil", "ETH")])
    }

    #[test]
    fn tokens_are_known_by_their_symbols() {
        let deployments = configured("{}").unwrap();
        let (ethereum, bsc) = (chain(1, "ethereum", "ETH"), chain(56, "bsc", "BNB"));
        let usdc = Token::Contract("0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48".to_owned());
        assert_eq!(deployments.token(&ethereum, "usdc"), Some(usdc));
        assert_eq!(deployments.token(&ethereum, "ETH"), Some(Token::Native));
        assert!(matches!(deployments.token(&bsc, "ETH"), Some(Token::Contract(_))));
        assert_eq!(deployments.token(&ethereum, "NOPE"), None);
        assert_eq!(deployments.token(&chain(5, "goerli", "ETH"), "USDC"), None);
    }

    #[test]
    fn what_is_configured_lies_over_what_is_built_in() {
        let deployments =
            configured(r#"{"base": {"v2": {"router": "0x0000000000000000000000000000000000000001"}}}"#).unwrap();
        let base = deployments.on(&ChainId::evm(8453)).unwrap();
        let v2 = base.v2.unwrap();
        assert_eq!(v2.router, Some(Address::from_low_u64_be(1)));
        assert_eq!(v2.factory, "0x8909Dc15e40173Ff4699343b6eB8132c65e18eC6".parse().unwrap());
        assert_eq!(base.base_tokens.len(), 4);
        assert_eq!(base.v3, configured("{}").unwrap().on(&ChainId::evm(8453)).unwrap().v3);
    }

    #[test]
    fn a_chain_of_ones_own_needs_a_wrapped_coin_and_a_multicall() {
        let of = |parts: &str| configured(&format!(r#"{{"anvil": {{{parts}}}}}"#));
        let address = |number: u8| format!("\"0x{number:040x}\"");
        let basis = format!(r#""wrapped": {}, "multicall": {}"#, address(1), address(2));
        let deployments = of(&format!(
            r#"{basis}, "tokens": {{"usdt": {}}}, "v2": {{"factory": {}}}, "v3": {{"factory": {}, "quoter": {}, "router02": {}}}"#,
            address(3),
            address(4),
            address(5),
            address(6),
            address(7)
        ))
        .unwrap();
        let own = deployments.on(&ChainId::evm(31337)).unwrap();
        assert_eq!(own.base_tokens, [Address::from_low_u64_be(1), Address::from_low_u64_be(3)]);
        assert_eq!(own.v2.unwrap().router, None);
        assert_eq!(own.v3.unwrap().router, Some(V3Router::Second(Address::from_low_u64_be(7))));
        for (parts, named) in [
            (format!(r#""multicall": {}"#, address(1)), "wrapped"),
            (format!(r#""wrapped": {}"#, address(1)), "multicall"),
        ] {
            assert!(of(&parts).unwrap_err().to_string().contains(named));
        }
        let error = of(&format!(r#"{basis}, "v3": {{"factory": {}}}"#, address(5))).unwrap_err();
        assert_eq!(error.to_string(), "anvil: v3.quoter is missing");
        let many = vec![address(9); 5].join(",");
        let error = of(&format!(r#"{basis}, "baseTokens": [{many}]"#)).unwrap_err();
        assert!(matches!(error, DeploymentError::TooManyBaseTokens(_)));
        assert!(matches!(configured(r#"{"mars": {}}"#), Err(DeploymentError::UnknownChain(_))));
    }
}
