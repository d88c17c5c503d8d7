//! The adapter against fake nodes, and what is signed for it.

mod balances;
mod events;
mod send;
mod transactions;
mod wire;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};
use solana_message::compiled_instruction::CompiledInstruction;
use solana_message::{Message, MessageHeader, VersionedMessage};
use solana_pubkey::Pubkey;
use solana_signature::Signature;
use solana_transaction::versioned::VersionedTransaction;

use super::{Cluster, Solana, known_chain};
use crate::sources::chains::Chain;
use crate::sources::chains::rpc::fake::{self, Answer, FakeNode};

const GENESIS: &str = "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d";
/// What is confirmed; what is finalised is 32 slots behind.
const CONFIRMED: u64 = 1_000_032;
const FINALIZED: u64 = 1_000_000;

fn chain() -> Chain {
    known_chain("solana").unwrap()
}

/// A node that knows its cluster and its slots, and else answers as told.
async fn node(answer: impl Fn(&str, &Value) -> Answer + Send + Sync + 'static) -> FakeNode {
    FakeNode::answering(move |method, params| match method {
        "getGenesisHash" => Ok(json!(GENESIS)),
        "getSlot" if params[0]["commitment"] == "finalized" => Ok(json!(FINALIZED)),
        "getSlot" => Ok(json!(CONFIRMED)),
        _ => answer(method, params),
    })
    .await
}

fn solana(fakes: &[&FakeNode], quorum: usize) -> Solana {
    Solana::new(chain(), fake::nodes(chain().id, fakes, Cluster, quorum), vec![])
}

fn unknown(method: &str) -> Answer {
    Err(json!({ "code": -32601, "message": format!("{method}: method not found") }))
}

/// A value with its context.
#[expect(clippy::needless_pass_by_value, clippy::unnecessary_wraps, reason = "it stands where answers do")]
fn at(slot: u64, value: Value) -> Answer {
    Ok(json!({ "context": { "apiVersion": "4.0.0", "slot": slot }, "value": value }))
}

fn key(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
}

fn address(key: &Ed25519KeyPair) -> Pubkey {
    Pubkey::try_from(key.public_key().as_ref()).unwrap()
}

fn system(place: u8, lamports: u64) -> CompiledInstruction {
    let data = [&2_u32.to_le_bytes()[..], &lamports.to_le_bytes()].concat();
    CompiledInstruction { program_id_index: place, accounts: vec![0, 1], data }
}

/// A transfer of lamports from `from`, with what else is called.
fn message(from: &Ed25519KeyPair, lamports: u64, budget: &[Vec<u8>]) -> Message {
    let program = Pubkey::from_str_const("ComputeBudget111111111111111111111111111111");
    let call = |data: &Vec<u8>| CompiledInstruction { program_id_index: 3, accounts: vec![], data: data.clone() };
    Message {
        header: MessageHeader {
            num_required_signatures: 1,
            num_readonly_signed_accounts: 0,
            num_readonly_unsigned_accounts: 2,
        },
        account_keys: vec![address(from), address(&key(2)), Pubkey::default(), program],
        recent_blockhash: [9; 32].into(),
        instructions: budget.iter().map(call).chain([system(2, lamports)]).collect(),
    }
}

fn signed(message: VersionedMessage, keys: &[&Ed25519KeyPair]) -> VersionedTransaction {
    let bytes = message.serialize();
    let sign = |key: &&Ed25519KeyPair| Signature::try_from(key.sign(&bytes).as_ref()).unwrap();
    VersionedTransaction { signatures: keys.iter().map(sign).collect(), message }
}

fn bytes(transaction: &VersionedTransaction) -> Vec<u8> {
    bincode::serialize(transaction).unwrap()
}
