//! Transactions of callers and results of nodes, as any bytes.

use ethers::types::{Bytes, U64, U256};
use serde_json::value::RawValue;

use super::balances::readable_symbol;
use super::contract::word;
use super::fees::prices;
use super::logs::event;
use super::protocol::{FeeHistory, Header, Log, Receipt, Transaction};
use super::signed::decode as decode_signed;
use super::transactions::fee;
use crate::sources::chains::rpc::decode;

/// A transaction that is taken is bound to the chain, names hash and sender, and goes on byte for byte.
pub(crate) fn signed(bytes: &[u8]) -> bool {
    let mut taken = 0;
    for chain in [1, 31_337] {
        let Ok(signed) = decode_signed(bytes, chain) else { continue };
        assert_eq!(signed.bytes, bytes);
        assert!(is_hex(&signed.hash, 64) && is_hex(&signed.from, 40), "{signed:?}");
        assert!(signed.to.as_ref().is_none_or(|to| is_hex(to, 40)) && signed.nonce.is_some(), "{signed:?}");
        taken += 1;
    }
    // Never of two chains.
    assert!(taken <= 1);
    taken == 1
}

/// The result of a call, read as each thing that one may be.
pub(crate) fn result(bytes: &[u8]) -> bool {
    let Ok(result) = serde_json::from_slice::<Box<RawValue>>(bytes) else { return false };
    let mut read = 0;
    if let Ok(Some(header)) = decode::<Option<Header>>(&result) {
        assert!(is_hex(&header.block().hash, 64));
        read += 1;
    }
    if let Ok(Some(receipt)) = decode::<Option<Receipt>>(&result) {
        // The work alone is never more than all of it.
        let gas = receipt.effective_gas_price.and_then(|price| receipt.gas_used.checked_mul(price));
        assert!(fee(&receipt).is_none_or(|fee| gas.is_some_and(|gas| fee >= gas)));
        read += 1;
    }
    if let Ok(logs) = decode::<Vec<Log>>(&result) {
        let topics: Vec<_> = logs.iter().map(|log| log.topics.len()).collect();
        let events: Vec<_> = logs.into_iter().map(event).collect();
        assert!(events.iter().all(|event| is_hex(&event.address, 40) && is_hex(&event.transaction, 64)));
        assert_eq!(events.iter().map(|event| event.topics.len()).collect::<Vec<_>>(), topics);
        read += 1;
    }
    if let Ok(history) = decode::<FeeHistory>(&result) {
        for suggested in [U256::zero(), U256::one(), U256::MAX] {
            let levels = prices(Some(&history), suggested);
            assert!(levels.is_sorted() && levels.iter().all(|(most, priority)| most >= priority), "{levels:?}");
        }
        read += 1;
    }
    if let Ok(data) = decode::<Bytes>(&result) {
        let shown = readable_symbol(&data);
        assert!(shown.is_none_or(|shown| !shown.chars().any(char::is_control) && shown.chars().count() <= 32));
        assert_eq!(word(&data, 0).is_some(), data.len() >= 32);
        assert!(word(&data, usize::MAX).is_none());
        read += 1;
    }
    read += usize::from(decode::<Option<Transaction>>(&result).is_ok());
    read += usize::from(decode::<U64>(&result).is_ok()) + usize::from(decode::<U256>(&result).is_ok());
    read > 0
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.strip_prefix("0x")
        .is_some_and(|rest| rest.len() == digits && rest.bytes().all(|byte| byte.is_ascii_hexdigit()))
}
