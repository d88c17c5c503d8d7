//! Messages and signed transactions, as they are written (<https://solana.com/docs/core/transactions>).

use bincode::Options;
use serde::de::DeserializeOwned;
use solana_message::VersionedMessage;
use solana_message::compiled_instruction::CompiledInstruction;
use solana_pubkey::Pubkey;
use solana_signature::Signature;
use solana_transaction::versioned::VersionedTransaction;

use crate::sources::chains::{ChainError, SignedTransaction};

/// A transaction fits into one packet.
const MOST_BYTES: usize = 1232;

/// Reads a signed transaction; every signature that its message asks for is there, and is right.
pub(super) fn decode_signed(bytes: &[u8]) -> Result<SignedTransaction, ChainError> {
    let transaction: VersionedTransaction = read(bytes, "transaction")?;
    check_message(&transaction.message)?;
    let (keys, signatures) = (transaction.message.static_account_keys(), &transaction.signatures);
    let required = usize::from(transaction.message.header().num_required_signatures);
    if signatures.len() != required {
        return Err(invalid(format!("{} signatures where {required} are required", signatures.len())));
    }
    if signatures.iter().any(|signature| *signature == Signature::default()) {
        return Err(invalid("the transaction is not signed"));
    }
    let message = transaction.message.serialize();
    let wrong = signatures.iter().zip(keys).find(|(signature, key)| !signature.verify(key.as_ref(), &message));
    if let Some((_, key)) = wrong {
        return Err(invalid(format!("the signature of {key} is not one of this transaction")));
    }
    let (Some(first), Some(payer)) = (signatures.first(), keys.first()) else {
        return Err(invalid("the transaction is not signed"));
    };
    let bytes = bytes.to_vec();
    Ok(SignedTransaction { hash: first.to_string(), from: payer.to_string(), to: None, nonce: None, bytes })
}

/// Reads a message.
pub(super) fn decode_message(bytes: &[u8]) -> Result<VersionedMessage, ChainError> {
    let message = read(bytes, "message")?;
    check_message(&message)?;
    Ok(message)
}

/// The program that an instruction calls. It is never an account of a look-up table.
pub(super) fn program<'a>(message: &'a VersionedMessage, instruction: &CompiledInstruction) -> Option<&'a Pubkey> {
    message.static_account_keys().get(usize::from(instruction.program_id_index))
}

/// `bytes` to their end, and no more than a packet holds.
fn read<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T, ChainError> {
    if bytes.len() > MOST_BYTES {
        return Err(invalid(format!("a {what} of more than {MOST_BYTES} bytes")));
    }
    let options = bincode::options().with_limit(MOST_BYTES as u64).with_fixint_encoding().reject_trailing_bytes();
    options.deserialize(bytes).map_err(|error| invalid(format!("not a Solana {what}: {error}")))
}

fn check_message(message: &VersionedMessage) -> Result<(), ChainError> {
    if !matches!(message, VersionedMessage::Legacy(_) | VersionedMessage::V0(_)) {
        return Err(invalid("a message of a version that is not known here"));
    }
    message.sanitize().map_err(|error| invalid(format!("not a Solana message: {error}")))
}

fn invalid(text: impl Into<String>) -> ChainError {
    ChainError::Invalid(text.into())
}
