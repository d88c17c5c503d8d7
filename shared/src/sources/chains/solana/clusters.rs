//! The clusters that have a name here. Others are named by their CAIP-2 id.

use crate::domain::chain::ChainId;
use crate::sources::chains::Chain;

/// Name, and the first 32 characters of the first block's hash (<https://namespaces.chainagnostic.org/solana/caip2>).
const KNOWN: &[(&str, &str)] = &[
    ("solana", "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"),
    ("solana-devnet", "EtWTRABZaYq6iMfeYKouRu166VU2xqa1"),
    ("solana-testnet", "4uhcVJyU9pJkvQyS88uRDiswHXSCkY3z"),
];
/// A block is final once so many lie above it.
const CONFIRMATIONS: u64 = 32;

/// The cluster of that name or CAIP-2 id.
pub(crate) fn chain(name: &str) -> Option<Chain> {
    let known = KNOWN.iter().map(|(known, genesis)| (*known, ChainId::solana(genesis)));
    let (name, id) = known.into_iter().find(|(known, id)| *known == name || id.as_str() == name).or_else(|| {
        let id = name.parse::<ChainId>().ok().filter(|id| id.namespace() == "solana")?;
        Some((name, id))
    })?;
    Some(Chain { id, name: name.to_owned(), symbol: "SOL".to_owned(), decimals: 9, confirmations: CONFIRMATIONS })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_has_a_name_or_an_id() {
        assert_eq!(chain("solana").unwrap().id.as_str(), "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp");
        assert_eq!(chain("solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1").unwrap().name, "solana-devnet");
        assert_eq!(chain("solana:local").unwrap().name, "solana:local");
        for text in ["", "solana:", "eip155:1", "mainnet"] {
            assert_eq!(chain(text), None, "{text}");
        }
    }
}
