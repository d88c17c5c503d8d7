//! DynamoDB: one table for events and what is read from them. String keys `pk` and `sk`, `expires` as the attribute by which
//! DynamoDB deletes what is over, one sparse index `lagging` (`lp`, `ls`; keys alone), a stream of keys that wakes the relay.

use std::sync::Arc;

use aws_sdk_dynamodb::Client;

use super::StoreError;
use crate::platform::clock::Clock;
use crate::platform::dynamodb::{Table, TableError};

/// The sparse index: of streams that have something to publish, and of transactions that are to be settled.
pub(super) const INDEX: &str = "lagging";

/// A store in a DynamoDB table.
pub struct DynamoDbStore {
    clock: Arc<dyn Clock>,
    table: Table,
}

impl DynamoDbStore {
    /// The one in that table. The client is made at the first call, as the environment says: region, credentials,
    /// `AWS_ENDPOINT_URL_DYNAMODB`.
    pub fn new(table: &str, clock: Arc<dyn Clock>) -> Self {
        Self { clock, table: Table::new(table, None) }
    }

    /// The same, through that client.
    pub fn with_client(table: &str, clock: Arc<dyn Clock>, client: Client) -> Self {
        Self { clock, table: Table::new(table, Some(client)) }
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
