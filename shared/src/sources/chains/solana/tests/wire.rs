use solana_message::{VersionedMessage, v0};

use super::*;
use crate::sources::chains::{ChainAdapter, ChainError};

fn legacy(lamports: u64) -> VersionedMessage {
    VersionedMessage::Legacy(message(&key(1), lamports, &[]))
}

/// The same by a message of version 0.
fn versioned() -> VersionedMessage {
    let Message { header, account_keys, recent_blockhash, instructions } = message(&key(1), 5, &[]);
    VersionedMessage::V0(v0::Message {
        header,
        account_keys,
        recent_blockhash,
        instructions,
        address_table_lookups: vec![],
    })
}

fn refusal(bytes: &[u8]) -> String {
    let Err(ChainError::Invalid(text)) = super::super::wire::decode_signed(bytes) else { panic!("taken") };
    text
}

#[test]
fn a_signed_transaction_is_read() {
    for message in [legacy(5), versioned()] {
        let transaction = signed(message, &[&key(1)]);
        let read = super::super::wire::decode_signed(&bytes(&transaction)).unwrap();
        assert_eq!(read.hash, transaction.signatures[0].to_string());
        assert_eq!(read.from, address(&key(1)).to_string());
        assert_eq!((read.to, read.nonce), (None, None));
        assert_eq!(read.bytes, bytes(&transaction));
    }
}

#[test]
fn what_is_not_signed_is_refused() {
    let mut transaction = signed(legacy(5), &[&key(1)]);
    transaction.signatures[0] = Signature::default();
    assert_eq!(refusal(&bytes(&transaction)), "the transaction is not signed");
    transaction.signatures.clear();
    assert_eq!(refusal(&bytes(&transaction)), "0 signatures where 1 are required");
    let transaction = signed(legacy(5), &[&key(1), &key(2)]);
    assert_eq!(refusal(&bytes(&transaction)), "2 signatures where 1 are required");
}

#[test]
fn a_wrong_signature_is_refused() {
    let transaction = signed(legacy(5), &[&key(2)]);
    assert!(refusal(&bytes(&transaction)).contains("is not one of this transaction"));
    let mut transaction = signed(legacy(5), &[&key(1)]);
    transaction.message = legacy(6);
    assert!(refusal(&bytes(&transaction)).contains("is not one of this transaction"));
}

#[test]
fn what_is_no_transaction_is_refused() {
    let whole = bytes(&signed(legacy(5), &[&key(1)]));
    assert!(refusal(&[whole.clone(), vec![0]].concat()).starts_with("not a Solana transaction"));
    for length in 0..whole.len() {
        refusal(&whole[..length]);
    }
    assert_eq!(refusal(&[0; 1233]), "a transaction of more than 1232 bytes");
    // An account that the message does not name.
    let mut broken = message(&key(1), 5, &[]);
    broken.instructions[0].program_id_index = 9;
    let broken = signed(VersionedMessage::Legacy(broken), &[&key(1)]);
    assert!(refusal(&bytes(&broken)).starts_with("not a Solana message"));
}

#[tokio::test]
async fn addresses_and_signatures_have_their_length() {
    let solana = solana(&[], 1);
    let mint = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v";
    assert_eq!(solana.check_address(mint).unwrap(), mint);
    assert_eq!(solana.check_address("11111111111111111111111111111111").unwrap(), Pubkey::default().to_string());
    let signature = Signature::from([7; 64]).to_string();
    assert_eq!(solana.check_hash(&signature).unwrap(), signature);
    for text in
        ["", "1", "0x00", &mint[3..], "0OIl", &signature, "1111111111111111111111111111111111", &"1".repeat(9_000)]
    {
        assert!(matches!(solana.check_address(text), Err(ChainError::Invalid(_))), "{text}");
    }
    for text in ["", mint, &signature[6..], &"1".repeat(65)] {
        assert!(matches!(solana.check_hash(text), Err(ChainError::Invalid(_))), "{text}");
    }
}
