//! DynamoDB: one table for events and what is read from them. String keys `pk` and `sk`, `expires` as the attribute by which
//! DynamoDB deletes what is over, one sparse index `lagging` (`lp`, `ls`; keys alone), a stream of keys that wakes the relay.

mod generations;
mod history;
mod memories;
mod pending;
mod projections;
mod read_models;
mod sweep;
mod views;

use std::sync::Arc;
use std::sync::atomic::AtomicI32;
use std::time::Duration;

use aws_sdk_dynamodb::Client;

use super::StoreError;
use crate::platform::clock::Clock;
use crate::platform::dynamodb::{Table, TableError};

/// The sparse index: of streams that have something to publish, and of transactions that are to be settled.
pub(super) const INDEX: &str = "lagging";

/// How long an answer is waited for, with all calls that it takes.
const DEADLINE: Duration = Duration::from_secs(5);

/// A store in a DynamoDB table.
pub struct DynamoDbStore {
    clock: Arc<dyn Clock>,
    table: Table,
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
        Self { clock, table, live: AtomicI32::new(generations::FIRST) }
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

async fn within<T>(deadline: Duration, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    tokio::time::timeout(deadline, work)
        .await
        .unwrap_or_else(|_| Err(StoreError::Unavailable(format!("no answer within {} s", deadline.as_secs()))))
}
