//! DynamoDB: one table for events and what is read from them. String keys `pk` and `sk`; `expires`, the attribute by which
//! DynamoDB deletes what is over; a sparse index, `lagging`, by `lp` and `ls`; a stream of keys, which only wakes the relay.
//!
//! | item | `pk` | `sk` | attributes |
//! | --- | --- | --- | --- |
//! | event | `E#<aggregate>` | version | `i` id, `t` aggregate type, `y` event type, `s` schema, `d` data, `m` metadata, `c` µs of creation |
//! | snapshot | `E#<aggregate>` | version`#S`schema | `d` state |
//! | head | `E#<aggregate>` | `@` | `t` type, `v` version, `p` published version, `u` end of the lease in µs, `q` place in the queue; `lp`, `ls` while it lags |
//! | newest snapshot | `E#<aggregate>` | `@S`schema | `v` its version |
//! | idempotency key | `K#<key>` | `@` | `f` fingerprint, `r` what was appended, `c` µs of creation |
//! | lease | `L#<name>` | `@` | `h` holder, `e` its end in µs |
//!
//! Versions in keys have ten digits, so that text is in the order of numbers.
//!
//! What the guarantees stand on:
//! - An append is one transaction: a condition on each head, the events, the idempotency key. What a head was found to be
//!   comes back with the refusal, so a stale writer costs one round trip, as a fresh one does.
//! - A stream is one partition, newest snapshot and all: loading it is one query from its end backwards.
//! - A head is in the index exactly while it lags: it enters with the append, in the same transaction, and leaves with the
//!   write that says all is published. The index is read a little late, and may miss what was appended this very moment; the
//!   table's stream and the relay's schedule find it. What it shows too much of, the condition on the head refuses.
//! - There is no one order of all events ([`ReadOrder::PerStream`]): a pass over everything is a scan, in parallel. It reads
//!   consistently, and shows each event that was committed before it began.

mod append;
mod generations;
mod history;
mod items;
mod leases;
mod maintenance;
mod memories;
mod outbox;
mod pending;
mod projections;
mod read;
mod read_models;
mod scan;
mod sweep;
mod views;

use std::sync::Arc;
use std::sync::atomic::AtomicI32;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use tokio::sync::Mutex;

#[cfg(doc)]
use super::ReadOrder;
use super::StoreError;
use crate::platform::clock::Clock;
use crate::platform::dynamodb::{Table, TableError};

/// The sparse index: of streams that have something to publish, and of transactions that are to be settled.
pub(super) const INDEX: &str = "lagging";

/// How long one call may take, with all that is tried again in it.
const DEADLINE: Duration = Duration::from_secs(5);
/// How many requests of one call are on their way at a time.
const AT_ONCE: usize = 16;

/// A store in a DynamoDB table.
pub struct DynamoDbStore {
    clock: Arc<dyn Clock>,
    table: Table,
    /// Held while something is appended at any version: two of one process would only refuse each other.
    any_version: Mutex<()>,
    /// The generation of the read models that was live when it was last asked for.
    live: AtomicI32,
}

impl DynamoDbStore {
    /// The one in that table. The client is made at the first call, as the environment says: region, credentials,
    /// `AWS_ENDPOINT_URL_DYNAMODB`.
    pub fn new(table: &str, clock: Arc<dyn Clock>) -> Self {
        Self::on(Table::new(table, None), clock)
    }

    /// The same, through that client.
    pub fn with_client(table: &str, clock: Arc<dyn Clock>, client: Client) -> Self {
        Self::on(Table::new(table, Some(client)), clock)
    }

    fn on(table: Table, clock: Arc<dyn Clock>) -> Self {
        Self { clock, table, any_version: Mutex::new(()), live: AtomicI32::new(generations::FIRST) }
    }
}

impl From<TableError> for StoreError {
    fn from(error: TableError) -> Self {
        match error {
            TableError::Unavailable(reason) => Self::Unavailable(reason),
            TableError::Failed(reason) => Self::Failed(reason),
        }
    }
}
