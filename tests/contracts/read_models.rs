//! What is read without folding a stream.

mod memories;
mod prices;
pub(crate) mod transactions;
