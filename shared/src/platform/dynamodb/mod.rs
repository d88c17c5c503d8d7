//! DynamoDB, as whoever keeps things in one of its tables needs it: string keys `pk` and `sk`, and `expires`, the attribute by
//! which DynamoDB deletes what is over. What is in a table, its owner says.

mod at_once;
mod item;
mod table;

pub(crate) use at_once::{all, persistently};
pub(crate) use item::{Item, is_over, key, number, put_time, read_number, read_text, read_time, seconds, size, text};
pub(crate) use table::{
    Found, Table, Transacted, Written, delete_request, failure, pause, put_if, put_request, try_to_commit, unbuilt,
    wait,
};

/// Why a table did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TableError {
    /// It did not answer, or not in time. Whether it did what it was asked is not known.
    #[error("{0}")]
    Unavailable(String),
    /// It refused.
    #[error("{0}")]
    Failed(String),
}
