//! Who is connected to a deployment, in one DynamoDB table: string keys `pk` and `sk`, and `expires`, the attribute by which
//! DynamoDB deletes what is over. It does so some day, so every read compares `expires` with the clock, to the second.
//! Nothing is scanned, and there is no index.
//!
//! | item | `pk` | `sk` | attributes |
//! | --- | --- | --- | --- |
//! | connection | `C#<connection>` | `@` | `u`, `r`, `x` user, role, end of the token; `a` address; `i` there once it is initialised; `n` how much it has open; `e` its end in µs |
//! | slot | `C#<connection>` | `O#<id>` | `t` topics, 16 bytes each and one for the part; `d` instead: no open slot, but one completed early or about to be deleted |
//! | listener | `T#<topic>#<part>` | `<length>#<connection><id>` | `o` hash of the operation; `r`, `x`; `v` the version it knows |
//! | topic | `H#<topic>` | `@` | `b` begun, `f` finished, `s` parts |
//! | operation | `Q#<hash>` | `@` | `q` JSON |
//! | due | `D#<minute>#<part>` | `<µs>#<connection>` | |
//! | cursor of due | `D#` | `@` | `m` first minute that is not empty; `g` generation |
//!
//! Bytes that an item is, with a connection's name of 17 characters and ids of 36: connection 110 to 150, slot 74 and 17 a
//! topic (924 with fifty), listener 156, topic 55 to 65, operation 90 and its JSON, due about 80.
//!
//! What the guarantees stand on:
//! - A slot, its place in the count and the rows of what is live are one transaction; so are their ends.
//! - A version is begun by one write to its topic's item, and only then are rows read, all reads being consistent.
//!   [`listen`](Registry::listen) checks that item in the transaction that writes the row: either it sees the version, or
//!   the row was there before the version was begun.
//! - A topic's item is there before the first row of a listener and is kept longer than all of them, so where it is missing
//!   nobody listens.
//! - Parts of a topic are only ever added: who knows of fewer writes to one that is read.
//!
//! Topics that many begin to listen to at once, each by `listen`, contend for the topic's item: transactions that touch one
//! item at the same time are refused, and tried again here, ten times with growing pauses.

mod connections;
mod due;
mod items;
mod operations;
mod slots;
mod topics;

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use moka::sync::Cache;
use uuid::Uuid;

use self::operations::{Operations, operations};
use self::topics::Heads;
use super::{
    Begun, Claimed, Connection, ConnectionId, Due, Initialised, Listeners, Operation, OperationHash, Registry,
    RegistryError, Slot,
};
use crate::platform::BoxFuture;
use crate::platform::auth::Principal;
use crate::platform::clock::{Clock, Timestamp};
use crate::platform::dynamodb::{Table, TableError};

/// How many topics a sandbox remembers.
const TOPICS: u64 = 20_000;

/// The registry of a deployment.
pub struct DynamoDbRegistry {
    clock: Arc<dyn Clock>,
    table: Table,
    heads: Heads,
    operations: Operations,
}

impl DynamoDbRegistry {
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
        Self { clock, table, heads: Cache::new(TOPICS), operations: operations() }
    }
}

impl Registry for DynamoDbRegistry {
    fn connect<'a>(&'a self, connection: &'a Connection) -> BoxFuture<'a, Result<(), RegistryError>> {
        Box::pin(self.write_connection(connection))
    }

    fn connection<'a>(&'a self, id: &'a ConnectionId) -> BoxFuture<'a, Result<Option<Connection>, RegistryError>> {
        Box::pin(self.read_connection(id))
    }

    fn initialise<'a>(
        &'a self,
        id: &'a ConnectionId,
        principal: Option<&'a Principal>,
    ) -> BoxFuture<'a, Result<Initialised, RegistryError>> {
        Box::pin(self.write_initialised(id, principal))
    }

    fn disconnect<'a>(&'a self, id: &'a ConnectionId) -> BoxFuture<'a, Result<(), RegistryError>> {
        Box::pin(self.forget_connection(id))
    }

    fn claim<'a>(&'a self, slot: &'a Slot) -> BoxFuture<'a, Result<Claimed, RegistryError>> {
        Box::pin(self.open_slot(slot))
    }

    fn listen<'a>(&'a self, slot: &'a Slot, topic: Uuid, after: i32) -> BoxFuture<'a, Result<bool, RegistryError>> {
        Box::pin(self.begin_to_listen(slot, topic, after))
    }

    fn release<'a>(
        &'a self,
        connection: &'a ConnectionId,
        id: &'a str,
        remember_until: Option<Timestamp>,
    ) -> BoxFuture<'a, Result<bool, RegistryError>> {
        Box::pin(self.close_slot(connection, id, remember_until))
    }

    fn open<'a>(&'a self, connection: &'a ConnectionId) -> BoxFuture<'a, Result<Vec<Arc<str>>, RegistryError>> {
        Box::pin(self.open_slots(connection))
    }

    fn keep_operation<'a>(
        &'a self,
        operation: &'a Operation,
        until: Timestamp,
    ) -> BoxFuture<'a, Result<OperationHash, RegistryError>> {
        Box::pin(self.write_operation(operation, until))
    }

    fn operation<'a>(
        &'a self,
        hash: &'a OperationHash,
    ) -> BoxFuture<'a, Result<Option<Arc<Operation>>, RegistryError>> {
        Box::pin(self.read_operation(hash))
    }

    fn begin(&self, topic: Uuid, version: i32, newest: bool) -> BoxFuture<'_, Result<Option<Begun>, RegistryError>> {
        Box::pin(self.begin_version(topic, version, newest))
    }

    fn finish(&self, topic: Uuid, version: i32, listeners: u64) -> BoxFuture<'_, Result<(), RegistryError>> {
        Box::pin(self.finish_version(topic, version, listeners))
    }

    fn listeners<'a>(
        &'a self,
        topic: Uuid,
        shard: u32,
        from: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Listeners, RegistryError>> {
        Box::pin(self.page_of_listeners(topic, shard, from))
    }

    fn look_at<'a>(&'a self, due: &'a Due) -> BoxFuture<'a, Result<(), RegistryError>> {
        Box::pin(self.write_due(due))
    }

    fn due(&self, now: Timestamp, limit: usize) -> BoxFuture<'_, Result<Vec<Due>, RegistryError>> {
        Box::pin(self.read_due(now, limit))
    }

    fn looked_at<'a>(&'a self, due: &'a Due) -> BoxFuture<'a, Result<(), RegistryError>> {
        Box::pin(self.strike_due(due))
    }
}

impl From<TableError> for RegistryError {
    fn from(error: TableError) -> Self {
        match error {
            TableError::Unavailable(reason) => Self::Unavailable(reason),
            TableError::Failed(reason) => Self::Failed(reason),
        }
    }
}
