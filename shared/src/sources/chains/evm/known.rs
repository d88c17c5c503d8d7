//! The EVM chains that have a name here. Others are named by their CAIP-2 id, `eip155:N`.

use crate::domain::chain::ChainId;
use crate::sources::chains::Chain;

/// Name, number, the coin's symbol; after how many blocks what is in one counts as settled: about as long as their
/// reorganisations have been, where they have any (a rollup's follow those of the chain below); and how many blocks a node
/// may be behind the others: some fifteen seconds, or a minute of Ethereum.
const KNOWN: &[(&str, u64, &str, u64, u64)] = &[
    ("ethereum", 1, "ETH", 12, 5),
    ("optimism", 10, "ETH", 20, 8),
    ("bsc", 56, "BNB", 15, 20),
    ("gnosis", 100, "XDAI", 20, 5),
    ("polygon", 137, "POL", 64, 10),
    ("base", 8453, "ETH", 20, 8),
    ("arbitrum", 42161, "ETH", 40, 60),
    ("avalanche", 43114, "AVAX", 5, 10),
    ("linea", 59144, "ETH", 20, 8),
    ("scroll", 534_352, "ETH", 20, 8),
    ("sepolia", 11_155_111, "ETH", 12, 5),
    ("base-sepolia", 84532, "ETH", 20, 8),
    // Nodes that one starts by oneself.
    ("anvil", 31337, "ETH", 0, 5),
];

/// The symbol of a coin that nobody has told about here.
const UNNAMED: &str = "native";

/// The chain of that name or CAIP-2 id.
pub(crate) fn chain(name: &str) -> Option<Chain> {
    let known = KNOWN.iter().find(|(known, number, ..)| *known == name || ChainId::evm(*number).as_str() == name);
    if let Some((name, number, symbol, confirmations, _)) = known {
        return Some(described(name, *number, symbol, *confirmations));
    }
    let number = name.parse::<ChainId>().ok()?.evm_number().filter(|number| *number > 0)?;
    Some(described(ChainId::evm(number).as_str(), number, UNNAMED, 20))
}

/// How many blocks behind the others a node of the chain may be.
pub(crate) fn max_lag(chain: &Chain) -> u64 {
    let number = chain.id.evm_number();
    KNOWN.iter().find(|(_, known, ..)| Some(*known) == number).map_or(10, |(.., lag)| *lag)
}

fn described(name: &str, number: u64, symbol: &str, confirmations: u64) -> Chain {
    Chain { id: ChainId::evm(number), name: name.to_owned(), symbol: symbol.to_owned(), decimals: 18, confirmations }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_has_a_name_or_a_number() {
        assert_eq!(chain("ethereum").unwrap().id.as_str(), "eip155:1");
        assert_eq!(chain("eip155:8453").unwrap().name, "base");
        assert_eq!(chain("eip155:7777").unwrap().name, "eip155:7777");
        for text in ["", "etherium", "eip155:0", "eip155:x", "eip155:01x", "solana"] {
            assert_eq!(chain(text), None, "{text}");
        }
    }
}
