//! Transactions and messages of callers and results of nodes, as any bytes.

use serde_json::value::RawValue;

use super::balances::{read_accounts, read_lamports};
use super::keys::{address, signature};
use super::wire::{decode_message, decode_signed, program};

/// A transaction that is taken names its signature and who pays, and goes on byte for byte.
pub(crate) fn signed(bytes: &[u8]) -> bool {
    let Ok(signed) = decode_signed(bytes) else { return false };
    assert_eq!(signed.bytes, bytes);
    assert!(signature(&signed.hash).is_ok() && address(&signed.from).is_ok(), "{signed:?}");
    true
}

/// A message that is taken says who pays, and every call names its program.
pub(crate) fn message(bytes: &[u8]) -> bool {
    let Ok(message) = decode_message(bytes) else { return false };
    assert!(!message.static_account_keys().is_empty());
    assert!(message.instructions().iter().all(|call| program(&message, call).is_some()));
    assert!(message.serialize().len() <= 1232);
    true
}

/// The result of a call, read as each thing that one may be.
pub(crate) fn result(bytes: &[u8]) -> bool {
    let Ok(result) = serde_json::from_slice::<Box<RawValue>>(bytes) else { return false };
    let mut read = read_accounts(&result).is_ok();
    for count in 0..3 {
        if let Ok(told) = read_lamports(Ok(result.clone()), count) {
            assert_eq!(told.len(), count);
            read = true;
        }
    }
    read
}
