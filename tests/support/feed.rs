//! A Chainlink price feed that a test sets. There is no Solidity compiler here: the contract is these few instructions.

use ethers::types::{Address, Bytes, I256, U256};
use ethers::utils::keccak256;
use serde_json::json;
use uuid::Uuid;

use crate::anvil::{Anvil, quantity};

// Where the contract keeps what it answers.
const DECIMALS: u8 = 0;
const ANSWER: u8 = 1;
const UPDATED_AT: u8 = 2;
const ROUND: u8 = 3;

/// `decimals()` and `latestRoundData()`, from storage; any other call reverts.
#[rustfmt::skip]
const CODE: &[u8] = &[
    0x60, 0x00, 0x35,                   // 00 PUSH1 0, CALLDATALOAD: the first word of the call
    0x60, 0xe0, 0x1c,                   // 03 PUSH1 224, SHR: its first four bytes say the function
    0x80, 0x63, 0xfe, 0xaf, 0x96, 0x8c, // 06 DUP1, PUSH4 latestRoundData()
    0x14, 0x60, 0x1e, 0x57,             // 0c EQ, PUSH1 1e, JUMPI
    0x63, 0x31, 0x3c, 0xe5, 0x67,       // 10 PUSH4 decimals()
    0x14, 0x60, 0x3d, 0x57,             // 15 EQ, PUSH1 3d, JUMPI
    0x60, 0x00, 0x80, 0xfd,             // 19 PUSH1 0, DUP1, REVERT
    0x00,                               // 1d STOP: never reached
    0x5b,                               // 1e JUMPDEST: latestRoundData()
    0x60, ROUND, 0x54,                  // 1f PUSH1 3, SLOAD
    0x80, 0x5f, 0x52,                   // 22 DUP1, PUSH0, MSTORE: roundId
    0x60, 0x80, 0x52,                   // 25 PUSH1 80, MSTORE: answeredInRound
    0x60, ANSWER, 0x54,                 // 28 PUSH1 1, SLOAD
    0x60, 0x20, 0x52,                   // 2b PUSH1 20, MSTORE: answer
    0x60, UPDATED_AT, 0x54,             // 2e PUSH1 2, SLOAD
    0x80, 0x60, 0x40, 0x52,             // 31 DUP1, PUSH1 40, MSTORE: startedAt
    0x60, 0x60, 0x52,                   // 35 PUSH1 60, MSTORE: updatedAt
    0x60, 0xa0, 0x5f, 0xf3,             // 38 PUSH1 a0, PUSH0, RETURN: five words
    0x00,                               // 3c STOP: never reached
    0x5b,                               // 3d JUMPDEST: decimals()
    0x60, DECIMALS, 0x54,               // 3e PUSH1 0, SLOAD
    0x5f, 0x52,                         // 41 PUSH0, MSTORE
    0x60, 0x20, 0x5f, 0xf3,             // 43 PUSH1 20, PUSH0, RETURN: one word
];

/// A feed on the chain.
#[derive(Clone, Copy, Debug)]
pub struct Feed {
    /// The contract.
    pub address: Address,
}

impl Feed {
    /// A new one, whose round and answer are 0. It needs no transaction, and no block is mined for it.
    pub async fn deploy(anvil: &Anvil, decimals: u8) -> Self {
        let feed = Self { address: Address::from_slice(&keccak256(Uuid::now_v7().as_bytes())[12..]) };
        anvil.rpc("anvil_setCode", json!([feed.address, Bytes::from_static(CODE)])).await;
        feed.store(anvil, DECIMALS, decimals.into()).await;
        feed
    }

    /// A new round: the answer, in units of the feed's decimals, and when it was given, in Unix seconds.
    pub async fn set(&self, anvil: &Anvil, answer: I256, updated_at: u64) {
        let before = anvil.rpc("eth_getStorageAt", json!([self.address, quantity(ROUND.into()), "latest"])).await;
        let round: U256 = serde_json::from_value(before).expect("a word");
        self.store(anvil, ROUND, round + 1).await;
        self.store(anvil, UPDATED_AT, updated_at.into()).await;
        self.store(anvil, ANSWER, answer.into_raw()).await;
    }

    async fn store(&self, anvil: &Anvil, slot: u8, word: U256) {
        let (slot, word) = (quantity(slot.into()), format!("{word:#066x}"));
        anvil.rpc("anvil_setStorageAt", json!([self.address, slot, word])).await;
    }
}
