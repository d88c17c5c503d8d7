//! Chains, as the adapters see them: several nodes of which some fail (`failover`), and what happens on a chain (`events`).
//! What all of an adapter promises is in `contracts::chains`. And what these tests stand on does what it says: the nodes,
//! Uniswap on one of them, and the proxy before them. The folder is an npm package as well, of what they are made of.

pub(crate) mod adapters;
mod anvil;
mod events;
mod failover;
pub(crate) mod reader;
mod rpc_proxy;
mod solana;
mod uniswap;
