//! Which chains there are, and through which nodes.

use reqwest::Url;

use super::{ConfigError, Variable, Vars};

const EXPECTED: &str = "CHAIN=URL URL;CHAIN=URL, with http://, https://, ws:// or wss:// URLs, at least one of each chain's not a websocket";
const MOST_CHAINS: usize = 50;
const MOST_URLS: usize = 10;

pub(super) const VARIABLES: &[Variable] = &[
    Variable {
        name: "EVM_RPC_URLS",
        meaning: "nodes of EVM chains: ethereum=URL URL;base=URL;eip155:N=URL; a ws URL is listened to",
        default: "unset: no EVM chain",
    },
    Variable {
        name: "SOLANA_RPC_URLS",
        meaning: "the same for solana, solana-devnet, solana-testnet, or solana:GENESIS",
        default: "unset: no Solana",
    },
    Variable { name: "RPC_QUORUM", meaning: "how many nodes must agree on a balance, 1 to 5", default: "1" },
];

/// Which chains there are.
#[derive(Debug, Clone, Default)]
pub struct ChainsConfig {
    /// EVM chains.
    pub evm: Vec<ChainNodes>,
    /// Solana's clusters.
    pub solana: Vec<ChainNodes>,
    /// How many nodes must agree on a balance: at least 1.
    pub quorum: usize,
}

/// A chain's nodes.
#[derive(Clone)]
pub struct ChainNodes {
    /// The chain's name or CAIP-2 id, as written.
    pub chain: String,
    /// Who is asked: at least one. They may hold keys.
    pub http: Vec<Url>,
    /// Who is listened to.
    pub websockets: Vec<Url>,
}

impl std::fmt::Debug for ChainNodes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({} nodes, {} websockets)", self.chain, self.http.len(), self.websockets.len())
    }
}

impl ChainsConfig {
    /// Reads the variables.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first that is invalid. URLs are not shown: they may hold keys.
    pub fn from_vars(vars: &Vars) -> Result<Self, ConfigError> {
        const QUORUM: (&str, &str) = ("RPC_QUORUM", "a whole number from 1 to 5");
        let quorum = vars.parse(QUORUM.0, QUORUM.1)?.unwrap_or(1);
        let config = Self { evm: nodes(vars, "EVM_RPC_URLS")?, solana: nodes(vars, "SOLANA_RPC_URLS")?, quorum };
        if !(1..=5).contains(&quorum) {
            return Err(ConfigError::invalid(QUORUM.0, quorum, QUORUM.1));
        }
        if let Some(few) = config.evm.iter().chain(&config.solana).find(|nodes| nodes.http.len() < quorum) {
            let problem = format!("{quorum} nodes cannot agree where {} has only {}", few.chain, few.http.len());
            return Err(ConfigError { name: QUORUM.0, problem });
        }
        Ok(config)
    }
}

fn nodes(vars: &Vars, name: &'static str) -> Result<Vec<ChainNodes>, ConfigError> {
    let invalid = || ConfigError::expected(name, EXPECTED);
    let mut chains: Vec<ChainNodes> = vec![];
    let entries = vars.get(name).unwrap_or_default().split(';').map(str::trim).filter(|entry| !entry.is_empty());
    for entry in entries {
        let (chain, urls) = entry.split_once('=').ok_or_else(invalid)?;
        let chain = chain.trim();
        let mut nodes = ChainNodes { chain: chain.to_owned(), http: vec![], websockets: vec![] };
        for url in urls.split_whitespace() {
            let url = Url::parse(url).ok().filter(Url::has_host).ok_or_else(invalid)?;
            match url.scheme() {
                "http" | "https" => nodes.http.push(url),
                "ws" | "wss" => nodes.websockets.push(url),
                _ => return Err(invalid()),
            }
        }
        let doubled = chains.iter().any(|other| other.chain == chain);
        if chain.is_empty() || doubled || nodes.http.is_empty() || nodes.http.len() + nodes.websockets.len() > MOST_URLS
        {
            return Err(invalid());
        }
        chains.push(nodes);
    }
    if chains.len() > MOST_CHAINS { Err(invalid()) } else { Ok(chains) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<ChainsConfig, ConfigError> {
        ChainsConfig::from_vars(&pairs.iter().copied().collect())
    }

    #[test]
    fn chains_have_nodes_to_ask_and_to_listen_to() {
        let text = "ethereum=https://one.example/KEY wss://one.example/KEY https://two.example; base = http://127.0.0.1:8545 ;";
        let config = read(&[("EVM_RPC_URLS", text), ("SOLANA_RPC_URLS", "solana:x=http://[::1]:8899")]).unwrap();
        let shape: Vec<_> =
            config.evm.iter().map(|it| (it.chain.as_str(), it.http.len(), it.websockets.len())).collect();
        assert_eq!(shape, [("ethereum", 2, 1), ("base", 1, 0)]);
        assert_eq!((config.solana[0].chain.as_str(), config.quorum), ("solana:x", 1));
        assert!(!format!("{config:?}").contains("KEY"));
        assert!(read(&[]).unwrap().evm.is_empty());
    }

    #[test]
    fn a_bad_value_is_named_and_not_shown() {
        for value in [
            "ethereum",
            "ethereum=",
            "=http://x",
            "ethereum=ftp://hunter2",
            "ethereum=wss://hunter2",
            "a=http://x;a=http://hunter2",
        ] {
            let error = read(&[("EVM_RPC_URLS", value)]).unwrap_err();
            assert_eq!(error.name, "EVM_RPC_URLS", "{value}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
        for (quorum, urls) in [("0", "http://x"), ("6", "http://x"), ("two", "http://x"), ("2", "http://x")] {
            let error = read(&[("RPC_QUORUM", quorum), ("EVM_RPC_URLS", &format!("ethereum={urls}"))]).unwrap_err();
            assert_eq!(error.name, "RPC_QUORUM");
        }
    }
}
