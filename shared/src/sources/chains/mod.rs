//! Chains: one adapter trait for every kind, over nodes that may fail, lag or lie.

pub mod adapter;
#[cfg(feature = "evm")]
pub mod evm;
mod follow;
pub(crate) mod rpc;
#[cfg(feature = "solana")]
pub mod solana;

pub use adapter::*;
