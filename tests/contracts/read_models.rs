//! What is read without folding a stream.

mod dynamodb;
mod memories;
mod prices;
pub(crate) mod transactions;
