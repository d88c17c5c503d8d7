//! EVM chains: types, ABI, transactions and signatures from ethers, over our own JSON-RPC.

pub(crate) mod client;

pub(crate) use client::{EthCall, EvmClient, Revert};
