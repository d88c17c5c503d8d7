//! Chains: one adapter trait for every kind, over nodes that may fail, lag or lie.

pub mod adapter;

pub use adapter::*;
