//! Addresses and signatures, in base58.

use std::str::FromStr;

use solana_pubkey::Pubkey;
use solana_signature::Signature;

use crate::sources::chains::ChainError;

/// An account's address: exactly 32 bytes.
pub(super) fn address(text: &str) -> Result<Pubkey, ChainError> {
    Pubkey::from_str(text).map_err(|_| invalid(text, "address"))
}

/// A transaction's signature: exactly 64 bytes.
pub(super) fn signature(text: &str) -> Result<Signature, ChainError> {
    Signature::from_str(text).map_err(|_| invalid(text, "transaction's signature"))
}

fn invalid(text: &str, what: &str) -> ChainError {
    let shown: String = text.chars().filter(|character| !character.is_control()).take(100).collect();
    ChainError::Invalid(format!("{shown:?} is no Solana {what}"))
}
