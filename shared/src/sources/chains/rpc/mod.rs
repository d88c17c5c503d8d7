//! JSON-RPC to the nodes of a chain: one request at a time to one node ([`Session`]), and several nodes as one
//! ([`Nodes`]). It knows nothing of what the methods mean but how a node says which chain it serves, and how far.

mod endpoint;
#[cfg(test)]
pub(crate) mod fake;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod message;
mod nodes;
#[cfg(test)]
mod tests;

pub(crate) use endpoint::Session;
pub(crate) use message::{ErrorObject, RpcError, decode};
pub(crate) use nodes::{Nodes, Patience, Protocol};
