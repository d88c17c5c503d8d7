//! Uniswap V2 and V3, asked on their chains. All that a quote needs comes out of one `eth_call` of a multicall contract,
//! so that it is of one block; a second request tells whether the tokens take a fee when they are transferred.
//!
//! `deployments`: what is where. `legs`, `v2`, `v3`: which pools, and what they pay. `probe`: fees on transfer.
//! `transactions`: what to sign. `native_price`: what the chain's own coin is worth in a token.

mod abi;
mod built_in;
mod deployments;
#[cfg(test)]
mod fake;
mod ground;
mod known_tokens;
mod legs;
mod multicall;
mod native_price;
mod probe;
mod transactions;
mod v2;
mod v3;

pub use deployments::{DeploymentError, Deployments};
pub use known_tokens::KnownTokens;
pub use v2::UniswapV2;
pub use v3::UniswapV3;
