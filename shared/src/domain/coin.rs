//! The name of a coin, in CoinGecko's ids (`bitcoin`, `usd-coin`): the id that every source is asked by.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A coin id: 1 to 64 of `a-z`, `0-9`, `-`, `_` and `.`, lower case. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Coin(Arc<str>);

impl Coin {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Not the id of a coin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a coin id: expected 1 to 64 letters, digits, '-', '_' or '.', such as \"bitcoin\"")]
pub struct InvalidCoin(String);

impl FromStr for Coin {
    type Err = InvalidCoin;

    /// Reads an id in any case, with white space around it.
    fn from_str(text: &str) -> Result<Self, InvalidCoin> {
        let id = text.trim().to_ascii_lowercase();
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
        if id.is_empty() || id.len() > 64 || !id.bytes().all(allowed) {
            return Err(InvalidCoin(text.chars().take(80).collect()));
        }
        Ok(Self(id.into()))
    }
}

impl TryFrom<String> for Coin {
    type Error = InvalidCoin;

    fn try_from(text: String) -> Result<Self, InvalidCoin> {
        text.parse()
    }
}

impl From<Coin> for String {
    fn from(coin: Coin) -> Self {
        coin.0.as_ref().to_owned()
    }
}

impl fmt::Display for Coin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_folded_to_lower_case() {
        assert_eq!(" Bitcoin ".parse::<Coin>().unwrap().as_str(), "bitcoin");
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for text in ["", " ", "bit coin", "bitcoin,ethereum", "b\u{131}tcoin", "../x", &"a".repeat(65)] {
            assert!(text.parse::<Coin>().is_err(), "{text:?}");
        }
    }
}
