//! What is said to a contract that is only read, and what it answers: words of 32 bytes
//! (<https://docs.soliditylang.org/en/latest/abi-spec.html>).

use ethers::abi::{self, Token as Value};
use ethers::types::U256;
use ethers::utils::id;

#[cfg(feature = "graphql")]
pub(crate) use super::address::checksummed;
use crate::sources::SourceError;
use crate::sources::chains::ChainError;

/// The call of the function that `signature` names, such as `balanceOf(address)`.
pub(crate) fn call(signature: &str, arguments: &[Value]) -> Vec<u8> {
    [&id(signature)[..], &abi::encode(arguments)].concat()
}

/// The word at place `index` of an answer; `None` where the answer is shorter.
pub(crate) fn word(answer: &[u8], index: usize) -> Option<U256> {
    let start = index.checked_mul(32)?;
    answer.get(start..start.checked_add(32)?).map(U256::from_big_endian)
}

/// Why a source that asks contracts has no answer.
pub(crate) fn source_error(error: ChainError) -> SourceError {
    match error {
        ChainError::Unavailable { source, .. } => source,
        ChainError::Invalid(reason) | ChainError::Refused(reason) => SourceError::Malformed(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_a_selector_and_words() {
        let call = call("balanceOf(address)", &[Value::Address(ethers::types::Address::repeat_byte(7))]);
        assert_eq!(call[..4], [0x70, 0xa0, 0x82, 0x31]);
        assert_eq!(word(&call[4..], 0), Some(U256::from_big_endian(&[7; 20])));
        assert_eq!((word(&call[4..], 1), word(&[0; 31], 0), word(&[], usize::MAX)), (None, None, None));
    }
}
