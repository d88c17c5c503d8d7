//! Signed transactions: whose they are, for which chain, and that the signature is theirs.
//!
//! Types 0 to 2 are decoded by ethers. Of 3 (EIP-4844, blobs) and 4 (EIP-7702, authorisations), which it does not know,
//! and of types to come that are built alike, no more is read than chain, sender, nonce, receiver and hash.

use ethers::types::transaction::eip2718::TypedTransaction;
use ethers::types::{Address, H256, RecoveryMessage, Signature, U256};
use ethers::utils::keccak256;
use ethers::utils::rlp::{Rlp, RlpStream};

use super::address::checksummed;
use super::protocol::hex;
use crate::sources::chains::{ChainError, SignedTransaction};

/// Longer ones are not even read: in hexadecimal, a request has no room for more. Two blobs with their proofs fit.
pub(super) const LONGEST: usize = 400 * 1024;
/// Half of the order of the curve. Of each signature there are two, with `s` above and below it; only the lower one is
/// valid (EIP-2), or anybody could give a transaction a second hash.
const HALF_ORDER: U256 =
    U256([0xdfe9_2f46_681b_20a0, 0x5d57_6e73_57a4_501d, 0xffff_ffff_ffff_ffff, 0x7fff_ffff_ffff_ffff]);

/// Reads a signed transaction of chain `chain`.
///
/// # Errors
/// [`ChainError::Invalid`]: no transaction, unsigned, without a chain id, or of another chain.
pub(super) fn decode(bytes: &[u8], chain: u64) -> Result<SignedTransaction, ChainError> {
    let invalid = |problem: String| ChainError::Invalid(problem);
    if bytes.len() > LONGEST {
        return Err(invalid(format!("a transaction of {} bytes is too long: at most {LONGEST}", bytes.len())));
    }
    let read = match bytes.first() {
        None => return Err(invalid("there is no transaction".to_owned())),
        Some(0x01 | 0x02 | 0xc0..) => known_type(bytes)?,
        Some(0x03 | 0x04) => later_type(bytes)?,
        Some(kind) => return Err(invalid(format!("transactions of type {kind} are not known here"))),
    };
    match read.chain {
        Some(id) if id == U256::from(chain) => {}
        Some(id) => return Err(invalid(format!("it was signed for chain {id}, not {chain}"))),
        None => {
            let problem = "it is bound to no chain (EIP-155): whoever sees it could send it on another one too";
            return Err(invalid(problem.to_owned()));
        }
    }
    let nonce = u64::try_from(read.nonce).map_err(|_| invalid("its nonce is too large".to_owned()))?;
    Ok(SignedTransaction {
        hash: hex(read.hash),
        from: checksummed(read.from),
        to: read.to.map(checksummed),
        nonce: Some(nonce),
        bytes: bytes.to_vec(),
    })
}

struct Read {
    hash: H256,
    chain: Option<U256>,
    from: Address,
    to: Option<Address>,
    nonce: U256,
}

fn malformed(problem: impl std::fmt::Display) -> ChainError {
    ChainError::Invalid(format!("it is not a signed transaction: {problem}"))
}

fn unsigned() -> ChainError {
    ChainError::Invalid("it is not signed: sign it with the sender's key first".to_owned())
}

/// Types 0 to 2.
fn known_type(bytes: &[u8]) -> Result<Read, ChainError> {
    let legacy = bytes[0] >= 0xc0;
    let list = Rlp::new(if legacy { bytes } else { &bytes[1..] });
    let length = exact_length(&list)?;
    // Unsigned, the last three are missing; or, where EIP-155 prepares a legacy one, zero.
    let fields = match (legacy, bytes[0]) {
        (true, _) => 9,
        (_, 0x01) => 11,
        _ => 12,
    };
    if length == fields - 3 {
        return Err(unsigned());
    }
    if length != fields {
        return Err(malformed(format!("{length} fields where there should be {fields}")));
    }
    let (_, s) = signature_words(&list, length)?;
    if s.is_zero() {
        return Err(unsigned());
    }
    if !legacy && list.val_at::<u64>(length - 3).map_err(malformed)? > 1 {
        return Err(malformed("its signature's parity is neither 0 nor 1"));
    }
    let (typed, signature) = TypedTransaction::decode_signed(&Rlp::new(bytes)).map_err(malformed)?;
    // Before EIP-155 the signature says nothing of a chain.
    let chain = match &typed {
        TypedTransaction::Legacy(_) if signature.v < 35 => None,
        TypedTransaction::Legacy(_) => Some(U256::from((signature.v - 35) / 2)),
        other => other.chain_id().map(|id| U256::from(id.as_u64())),
    };
    let from = if chain.is_none() {
        Address::zero()
    } else {
        signature.recover(RecoveryMessage::Hash(typed.sighash())).map_err(malformed)?
    };
    Ok(Read {
        hash: keccak256(bytes).into(),
        chain,
        from,
        to: typed.to().and_then(|to| to.as_address()).copied(),
        nonce: typed.nonce().copied().unwrap_or_default(),
    })
}

/// Types 3 and 4: a list that begins with chain id, nonce, two prices, gas and the receiver, and ends with the
/// signature; around that of type 3 may lie another list, with the blobs, which are not part of the hash.
fn later_type(bytes: &[u8]) -> Result<Read, ChainError> {
    let kind = bytes[0];
    let outer = Rlp::new(&bytes[1..]);
    exact_length(&outer)?;
    let wrapped = kind == 0x03 && outer.at(0).is_ok_and(|first| first.is_list());
    let list = if wrapped { outer.at(0).map_err(malformed)? } else { outer };
    let (length, fields) = (list.item_count().map_err(malformed)?, if kind == 0x03 { 14 } else { 13 });
    if length == fields - 3 {
        return Err(unsigned());
    }
    if length != fields {
        return Err(malformed(format!("{length} fields where there should be {fields}")));
    }
    let (r, s) = signature_words(&list, length)?;
    if s.is_zero() {
        return Err(unsigned());
    }
    let parity: u64 = list.val_at(length - 3).map_err(malformed)?;
    if parity > 1 {
        return Err(malformed("its signature's parity is neither 0 nor 1"));
    }
    let mut unsigned = RlpStream::new_list(length - 3);
    for place in 0..length - 3 {
        unsigned.append_raw(list.at(place).map_err(malformed)?.as_raw(), 1);
    }
    let signing_hash = keccak256([&[kind], unsigned.out().as_ref()].concat());
    let signature = Signature { r, s, v: 27 + parity };
    let to: Vec<u8> = list.val_at(5).map_err(malformed)?;
    let to = match to.len() {
        20 => Address::from_slice(&to),
        _ => return Err(malformed("it has no receiver, which its type needs")),
    };
    Ok(Read {
        hash: keccak256([&[kind], list.as_raw()].concat()).into(),
        chain: Some(list.val_at(0).map_err(malformed)?),
        from: signature.recover(RecoveryMessage::Hash(signing_hash.into())).map_err(malformed)?,
        to: Some(to),
        nonce: list.val_at(1).map_err(malformed)?,
    })
}

/// How many items a list has that is all there is.
fn exact_length(list: &Rlp<'_>) -> Result<usize, ChainError> {
    let is_whole = list.is_list() && list.payload_info().is_ok_and(|info| info.total() == list.as_raw().len());
    if !is_whole {
        return Err(malformed("it is cut short, or something follows it"));
    }
    list.item_count().map_err(malformed)
}

fn signature_words(list: &Rlp<'_>, length: usize) -> Result<(U256, U256), ChainError> {
    let (r, s): (U256, U256) =
        (list.val_at(length - 2).map_err(malformed)?, list.val_at(length - 1).map_err(malformed)?);
    if s > HALF_ORDER {
        return Err(malformed("its signature has a high s (EIP-2)"));
    }
    Ok((r, s))
}
