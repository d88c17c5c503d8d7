//! What the tests of the chains stand on does what it says: the nodes, Uniswap on one of them, and the proxy before them. The
//! folder is an npm package as well, of what they are made of.

mod anvil;
mod rpc_proxy;
mod solana;
mod uniswap;
