//! Chains: one adapter trait for every kind, over nodes that may fail, lag or lie.

pub mod adapter;
#[cfg(feature = "evm")]
pub mod evm;
#[cfg(test)]
pub(crate) mod fake;
#[cfg(any(feature = "evm", feature = "solana"))]
mod follow;
mod registry;
#[cfg(any(feature = "evm", feature = "solana"))]
pub(crate) mod rpc;
#[cfg(feature = "solana")]
pub mod solana;

pub use adapter::*;
pub use registry::Chains;
