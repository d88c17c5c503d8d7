//! Chains and amounts on them, alike for every kind of chain. Amounts are integers in a token's base units.

use std::fmt;
use std::str::FromStr;

use primitive_types::U256;
use serde::{Deserialize, Serialize};

/// A chain's id, as CAIP-2 writes it: `eip155:1`, `solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp`
/// (<https://chainagnostic.org/CAIPs/caip-2>).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ChainId(String);

/// Not a CAIP-2 id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a CAIP-2 chain id, such as \"eip155:1\"")]
pub struct InvalidChainId(String);

impl ChainId {
    /// The id of an EVM chain.
    pub fn evm(number: u64) -> Self {
        Self(format!("eip155:{number}"))
    }

    /// The id of the Solana cluster whose first block has this hash: its first 32 characters.
    pub fn solana(genesis_hash: &str) -> Self {
        Self(format!("solana:{}", genesis_hash.chars().take(32).collect::<String>()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the colon: `eip155`, `solana`.
    pub fn namespace(&self) -> &str {
        self.0.split_once(':').map_or("", |(namespace, _)| namespace)
    }

    /// What stands behind it.
    pub fn reference(&self) -> &str {
        self.0.split_once(':').map_or("", |(_, reference)| reference)
    }

    /// The number of an EVM chain.
    pub fn evm_number(&self) -> Option<u64> {
        (self.namespace() == "eip155").then(|| self.reference().parse().ok()).flatten()
    }
}

impl FromStr for ChainId {
    type Err = InvalidChainId;

    fn from_str(text: &str) -> Result<Self, InvalidChainId> {
        let invalid = || InvalidChainId(text.chars().take(80).collect());
        let (namespace, reference) = text.split_once(':').ok_or_else(invalid)?;
        let lower = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let any = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        let fits = (3..=8).contains(&namespace.len())
            && namespace.bytes().all(lower)
            && (1..=32).contains(&reference.len())
            && reference.bytes().all(any);
        if fits { Ok(Self(text.to_owned())) } else { Err(invalid()) }
    }
}

impl TryFrom<String> for ChainId {
    type Error = InvalidChainId;

    fn try_from(text: String) -> Result<Self, InvalidChainId> {
        text.parse()
    }
}

impl From<ChainId> for String {
    fn from(id: ChainId) -> Self {
        id.0
    }
}

impl fmt::Display for ChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// So much of a token, and what is needed to show it to a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amount {
    /// In base units: wei, lamports.
    pub units: U256,
    /// How many digits of `units` are behind the point.
    pub decimals: u8,
    /// The token's symbol, such as `ETH`, as it calls itself.
    pub symbol: String,
}

impl Amount {
    /// The amount with its point, without trailing zeros: `1.5`.
    pub fn to_decimal(&self) -> String {
        let digits = self.units.to_string();
        let places = usize::from(self.decimals);
        let padded = format!("{digits:0>width$}", width = places + 1);
        let (whole, fraction) = padded.split_at(padded.len() - places);
        match fraction.trim_end_matches('0') {
            "" => whole.to_owned(),
            fraction => format!("{whole}.{fraction}"),
        }
    }
}

/// A block, or whatever orders what happens on a chain.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Block {
    /// Its height; a slot on Solana.
    pub number: u64,
    /// Its hash; on Solana, where what is watched is final, that of nothing: empty, or the last transaction in it.
    pub hash: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_a_namespace_and_a_reference() {
        let id: ChainId = "eip155:8453".parse().unwrap();
        assert_eq!((id.namespace(), id.reference(), id.evm_number()), ("eip155", "8453", Some(8453)));
        let id = ChainId::solana("5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d");
        assert_eq!(id.as_str(), "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp");
        assert_eq!(id.evm_number(), None);
        for text in ["", "eip155", "eip155:", ":1", "EIP155:1", "ab:1", "eip155:1 ", "eip155:1:2"] {
            assert!(text.parse::<ChainId>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn an_amount_is_shown_digit_by_digit() {
        let shown = |units: &str, decimals| {
            Amount { units: U256::from_dec_str(units).unwrap(), decimals, symbol: "T".to_owned() }.to_decimal()
        };
        assert_eq!(shown("1500000000000000000", 18), "1.5");
        assert_eq!(shown("1", 18), "0.000000000000000001");
        assert_eq!(shown("0", 18), "0");
        assert_eq!(shown("1000", 0), "1000");
        assert_eq!(shown(&U256::MAX.to_string(), 255).len(), 257);
    }
}
