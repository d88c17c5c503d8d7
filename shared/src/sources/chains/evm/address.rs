//! Addresses and hashes, checked before anybody is asked.

use ethers::types::{Address, H256};
use ethers::utils::to_checksum;

use crate::sources::chains::ChainError;

/// An address with its checksum (EIP-55, <https://eips.ethereum.org/EIPS/eip-55>). One that is written in one case has none.
pub(super) fn parse_address(text: &str) -> Result<Address, ChainError> {
    let invalid = |problem: &str| ChainError::Invalid(format!("{:?} {problem}", excerpt(text)));
    let digits = digits(text, 40).ok_or_else(|| invalid("is not an address: expected 0x and 40 hexadecimal digits"))?;
    let address: Address = digits.parse().map_err(|_| invalid("is not an address"))?;
    let mixed =
        digits.bytes().any(|byte| byte.is_ascii_lowercase()) && digits.bytes().any(|byte| byte.is_ascii_uppercase());
    if mixed && checksummed(address) != text {
        return Err(invalid("has a wrong checksum (EIP-55): a character or its case is mistyped"));
    }
    Ok(address)
}

/// A hash of 32 bytes.
pub(super) fn parse_hash(text: &str) -> Result<H256, ChainError> {
    let hash = digits(text, 64).and_then(|digits| digits.parse().ok());
    hash.ok_or_else(|| {
        ChainError::Invalid(format!(
            "{:?} is not a transaction's hash: expected 0x and 64 hexadecimal digits",
            excerpt(text)
        ))
    })
}

/// The address as it is written, with its checksum.
pub(crate) fn checksummed(address: Address) -> String {
    to_checksum(&address, None)
}

fn digits(text: &str, count: usize) -> Option<&str> {
    let digits = text.strip_prefix("0x")?;
    (digits.len() == count && digits.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(digits)
}

fn excerpt(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_is_checked_where_there_is_one() {
        // From EIP-55.
        let right = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
        assert_eq!(checksummed(parse_address(right).unwrap()), right);
        assert_eq!(checksummed(parse_address(&right.to_lowercase()).unwrap()), right);
        let upper = format!("0x{}", right[2..].to_uppercase());
        assert_eq!(checksummed(parse_address(&upper).unwrap()), right);
        let wrong = "0x5aAeb6053f3E94C9b9A09f33669435E7Ef1BeAed";
        assert!(parse_address(wrong).unwrap_err().to_string().contains("EIP-55"));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "0x",
            "5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAe",
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAedd",
            "0xgaAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "0X5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "vitalik.eth",
            " 0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "0xé",
        ] {
            assert!(matches!(parse_address(text), Err(ChainError::Invalid(_))), "{text:?}");
        }
        assert!(parse_hash(&format!("0x{}", "0f".repeat(32))).is_ok());
        for text in ["", "0x0f", &"0f".repeat(32), &format!("0x{}", "0g".repeat(32))] {
            assert!(parse_hash(text).is_err(), "{text:?}");
        }
    }
}
