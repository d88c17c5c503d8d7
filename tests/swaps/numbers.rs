//! Reading numbers and addresses out of answers.

use ethers::types::{Address, U256};
use serde_json::Value;

/// An amount in base units.
#[track_caller]
pub(super) fn units(value: &Value) -> U256 {
    let text = value.as_str().unwrap_or_else(|| panic!("no amount: {value}"));
    U256::from_dec_str(text).unwrap_or_else(|_| panic!("no decimal number: {value}"))
}

/// An address.
#[track_caller]
pub(super) fn address(value: &Value) -> Address {
    serde_json::from_value(value.clone()).unwrap_or_else(|_| panic!("no address: {value}"))
}

/// This many whole tokens of 18 decimals.
pub(super) fn whole(tokens: u64) -> U256 {
    U256::from(tokens) * U256::exp10(18)
}
