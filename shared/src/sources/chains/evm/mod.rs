//! EVM chains: types, ABI, transactions and signatures from ethers, over our own JSON-RPC.

pub(crate) mod client;
pub(crate) mod contract;
#[cfg(test)]
pub(crate) mod fake_contracts;

pub(crate) use client::{EthCall, EvmClient, Revert};
