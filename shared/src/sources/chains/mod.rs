//! Chains: one adapter trait for every kind, over nodes that may fail, lag or lie.

pub mod adapter;
#[cfg(feature = "evm")]
pub mod evm;
mod follow;
mod registry;
pub(crate) mod rpc;
#[cfg(test)]
pub(crate) mod fake;
#[cfg(feature = "solana")]
pub mod solana;

pub use adapter::*;
pub use registry::Chains;
