//! Chains: one adapter trait for every kind, over nodes that may fail, lag or lie.

pub mod adapter;
#[cfg(test)]
pub(crate) mod fake;

pub use adapter::*;
