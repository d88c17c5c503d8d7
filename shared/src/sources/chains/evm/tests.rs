//! Signed transactions of every type, signed here and read back.

use ethers::k256::ecdsa::SigningKey;
use ethers::types::transaction::eip2718::TypedTransaction;
use ethers::types::{
    Address, Eip1559TransactionRequest, Eip2930TransactionRequest, Signature, TransactionRequest, U256,
};
use ethers::utils::rlp::RlpStream;
use ethers::utils::{keccak256, secret_key_to_address};

use super::address::checksummed;
use super::signed::decode;
use crate::sources::chains::{ChainError, SignedTransaction};

const CHAIN: u64 = 31337;
const TO: Address = Address::repeat_byte(0x42);

fn key() -> SigningKey {
    SigningKey::from_slice(&[7; 32]).unwrap()
}

fn sign(hash: [u8; 32], offset: u64) -> Signature {
    let (signature, parity) = key().sign_prehash_recoverable(&hash).unwrap();
    let (r, s) = signature.split_bytes();
    Signature { r: U256::from_big_endian(&r), s: U256::from_big_endian(&s), v: u64::from(parity.to_byte()) + offset }
}

fn request() -> TransactionRequest {
    TransactionRequest::new().to(TO).value(5).nonce(9).gas(21_000).gas_price(7).chain_id(CHAIN)
}

/// One of each type that ethers knows.
fn known() -> Vec<TypedTransaction> {
    let later = Eip1559TransactionRequest::new().to(TO).value(5).nonce(9).gas(21_000).chain_id(CHAIN);
    vec![
        TypedTransaction::Legacy(request()),
        TypedTransaction::Eip2930(Eip2930TransactionRequest::new(request(), vec![].into())),
        TypedTransaction::Eip1559(later.max_fee_per_gas(9).max_priority_fee_per_gas(1)),
    ]
}

fn signed(transaction: &TypedTransaction) -> Vec<u8> {
    let offset = match transaction {
        TypedTransaction::Legacy(_) => 35 + CHAIN * 2,
        _ => 0,
    };
    transaction.rlp_signed(&sign(transaction.sighash().0, offset)).to_vec()
}

/// The fields of a transaction of type 3 or 4 before its signature, in their order.
fn fields(kind: u8, chain: u64) -> RlpStream {
    let mut list = RlpStream::new();
    list.begin_unbounded_list();
    list.append(&chain).append(&9_u64).append(&1_u64).append(&9_u64).append(&21_000_u64).append(&TO).append(&5_u64);
    list.append_empty_data().begin_list(0);
    if kind == 3 {
        list.append(&1_u64).begin_list(1).append(&[1_u8; 32].as_slice());
    } else {
        list.begin_list(0);
    }
    list
}

fn later(kind: u8, chain: u64) -> Vec<u8> {
    let mut unsigned = fields(kind, chain);
    unsigned.finalize_unbounded_list();
    let signature = sign(keccak256([&[kind], unsigned.out().as_ref()].concat()), 0);
    let mut list = fields(kind, chain);
    list.append(&signature.v).append(&signature.r).append(&signature.s);
    list.finalize_unbounded_list();
    [&[kind], list.out().as_ref()].concat()
}

fn refused(bytes: &[u8]) -> String {
    match decode(bytes, CHAIN) {
        Err(ChainError::Invalid(problem)) => problem,
        other => panic!("{other:?}"),
    }
}

fn check(read: &SignedTransaction, bytes: &[u8], hashed: &[u8]) {
    assert_eq!(read.from, checksummed(secret_key_to_address(&key())));
    assert_eq!((read.to.clone(), read.nonce), (Some(checksummed(TO)), Some(9)));
    assert_eq!(read.hash, super::protocol::hex(keccak256(hashed).into()));
    assert_eq!(read.bytes, bytes);
}

#[test]
fn the_sender_of_every_type_is_who_signed() {
    for transaction in known() {
        let bytes = signed(&transaction);
        check(&decode(&bytes, CHAIN).unwrap(), &bytes, &bytes);
    }
    for kind in [3, 4] {
        let bytes = later(kind, CHAIN);
        check(&decode(&bytes, CHAIN).unwrap(), &bytes, &bytes);
    }
}

#[test]
fn blobs_around_a_transaction_are_no_part_of_its_hash() {
    let inner = later(3, CHAIN);
    let mut wrapped = RlpStream::new_list(4);
    wrapped.append_raw(&inner[1..], 1);
    for _ in 0..3 {
        wrapped.begin_list(1).append(&[0_u8; 48].as_slice());
    }
    let bytes = [&[3], wrapped.out().as_ref()].concat();
    check(&decode(&bytes, CHAIN).unwrap(), &bytes, &inner);
}

#[test]
fn what_is_not_signed_says_so() {
    for transaction in known() {
        assert!(refused(&transaction.rlp()).contains("not signed"), "{transaction:?}");
    }
    for kind in [3, 4] {
        let mut unsigned = fields(kind, CHAIN);
        unsigned.finalize_unbounded_list();
        assert!(refused(&[&[kind], unsigned.out().as_ref()].concat()).contains("not signed"));
    }
}

#[test]
fn a_transaction_of_another_chain_is_refused() {
    for transaction in known() {
        let bytes = signed(&transaction);
        match decode(&bytes, 1) {
            Err(ChainError::Invalid(problem)) => {
                assert!(problem.contains("signed for chain 31337, not 1"), "{problem}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(refused(&later(3, 1)).contains("signed for chain 1"));
    // Signed before EIP-155: it would do on any chain.
    let mut old = request();
    old.chain_id = None;
    let bytes = TypedTransaction::Legacy(old.clone()).rlp_signed(&sign(old.sighash().0, 27)).to_vec();
    assert!(refused(&bytes).contains("bound to no chain"));
}

#[test]
fn a_changed_transaction_has_another_sender_or_none() {
    let bytes = signed(&known()[2]);
    let sender = decode(&bytes, CHAIN).unwrap().from;
    for place in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[place] ^= 1;
        if let Ok(read) = decode(&changed, CHAIN) {
            assert_ne!(read.from, sender, "byte {place}");
        }
    }
}

#[test]
fn a_transaction_has_one_signature_and_so_one_hash() {
    let order = U256::from_big_endian(&hex("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"));
    for transaction in known() {
        let mut signature = sign(transaction.sighash().0, 0);
        signature.s = order - signature.s;
        signature.v = match transaction {
            TypedTransaction::Legacy(_) => 35 + CHAIN * 2 + 1 - signature.v,
            _ => 1 - signature.v,
        };
        assert!(refused(&transaction.rlp_signed(&signature)).contains("high s"));
    }
}

fn hex(digits: &str) -> Vec<u8> {
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn garbage_is_refused_whatever_it_is() {
    for bytes in [
        &[][..],
        &[0],
        &[5, 1, 2],
        &[0x7f],
        &[0xc0],
        &[0x02],
        &[0x02, 0xc0],
        &[0x03],
        &[0x04, 0xff],
        &[0xff; 64],
        &[0xf8, 0xff],
    ] {
        refused(bytes);
    }
    for transaction in known().iter().map(signed).chain([later(3, CHAIN), later(4, CHAIN)]) {
        for end in 1..transaction.len() {
            refused(&transaction[..end]);
        }
        refused(&[&transaction[..], &[0]].concat());
    }
    assert!(refused(&vec![2; super::signed::LONGEST + 1]).contains("too long"));
}

proptest::proptest! {
    #[test]
    fn no_bytes_panic(kind in 0_u8..6, bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        let _ = decode(&[&[kind], &bytes[..]].concat(), CHAIN);
        let _ = decode(&bytes, CHAIN);
    }
}
