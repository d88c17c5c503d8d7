//! Connected clients: who they are and what they listen to, and how they are reached. Two capabilities: [`Registry`], in
//! memory and in DynamoDB, and [`Poster`], in this process and through API Gateway. Every registry passes the suite in
//! `tests/contracts/registry`.
//!
//! Services call it; it calls nothing but the domain.

#[cfg(feature = "push")]
pub mod api_gateway;
#[cfg(feature = "dynamodb")]
pub mod dynamodb;
#[cfg(feature = "local")]
pub mod in_process;
pub mod memory;
mod message;
mod poster;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::platform::BoxFuture;
use crate::platform::auth::{Principal, Role};
use crate::platform::clock::Timestamp;

pub use message::ServerMessage;
pub use poster::{Close, Outgoing, PostError, Poster};

/// The most topics of one subscription: with what else is written, they fit one DynamoDB transaction.
pub const MAX_TOPICS: usize = 50;
/// The most operations that a connection may have open.
pub const MAX_OPEN: u32 = 100;
/// The largest message that a client is sent or sends, in bytes: what API Gateway takes.
pub const MAX_MESSAGE: usize = 128 * 1024;

/// The name that API Gateway, or the local process, gave a connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(Arc<str>);

impl ConnectionId {
    /// The connection of that name.
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A client that is connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Its name.
    pub id: ConnectionId,
    /// Whose token it showed, if it showed one.
    pub principal: Option<Principal>,
    /// Where it comes from, for limits.
    pub address: IpAddr,
    /// Whether it has introduced itself, as the protocol demands before anything else.
    pub initialised: bool,
    /// When it is forgotten, whatever happens: no connection lives longer.
    pub ends_at: Timestamp,
}

/// An operation as a client sent it, without the identity of who sent it: kept once for all who sent the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    /// The document.
    pub query: String,
    /// Which operation of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation_name: Option<String>,
    /// Its variables.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub variables: Map<String, Value>,
}

/// SHA-256 of an [`Operation`], in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OperationHash(pub Arc<str>);

impl Operation {
    /// Equal for equal operations: members of objects are in order.
    pub fn hash(&self) -> OperationHash {
        let mut hash = Sha256::new();
        let name = self.operation_name.as_deref().unwrap_or_default();
        let variables = Value::Object(self.variables.clone()).to_string();
        for part in [self.query.as_str(), name, &variables] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        OperationHash(format!("{:x}", hash.finalize()).into())
    }
}

/// What a subscription is told of, and for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Who is told.
    pub connection: ConnectionId,
    /// The id that the client gave its operation.
    pub id: Arc<str>,
    /// What it asked for.
    pub operation: OperationHash,
    /// What it may see.
    pub role: Option<Role>,
    /// When its token ends: it is told nothing from then on.
    pub expires_at: Option<Timestamp>,
    /// It is told of versions above this one alone: it knows the others.
    pub after: i32,
}

/// An operation that is open: its id is taken until it is released.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// Whose.
    pub connection: ConnectionId,
    /// The id that the client gave it.
    pub id: Arc<str>,
    /// When it is forgotten, whatever happens.
    pub ends_at: Timestamp,
    /// For a subscription, what it listens to; `None` for what is answered once.
    pub subscription: Option<Subscription>,
}

/// What a slot listens to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// What it asked for.
    pub operation: OperationHash,
    /// What it may see.
    pub role: Option<Role>,
    /// When its token ends.
    pub expires_at: Option<Timestamp>,
    /// The ids of the streams whose events it is told of; at most [`MAX_TOPICS`].
    pub topics: Vec<Uuid>,
    /// Whether it listens from now on. Else it does, topic by topic, once [`Registry::listen`] says so.
    pub live: bool,
}

impl Slot {
    /// Its listener, if it is a subscription, for versions above `after`.
    pub fn listener(&self, after: i32) -> Option<Listener> {
        let Subscription { operation, role, expires_at, .. } = self.subscription.clone()?;
        Some(Listener { connection: self.connection.clone(), id: self.id.clone(), operation, role, expires_at, after })
    }
}

/// What became of an attempt to introduce itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Initialised {
    /// It is done.
    Now,
    /// It was done before: the protocol allows it once.
    Before,
    /// There is no such connection.
    Unknown,
}

/// What became of an attempt to open an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claimed {
    /// It is open.
    Open,
    /// Another one is open under this id.
    Taken,
    /// The connection has [`MAX_OPEN`] operations open.
    Full,
    /// The client has completed it before it could be opened: frames of a connection may overtake each other.
    Completed,
    /// There is no such connection.
    Unknown,
}

/// A topic whose event is about to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Begun {
    /// The version up to which all are told.
    pub finished: i32,
    /// In how many parts its listeners are kept; each is asked for by its number.
    pub shards: u32,
}

/// Some listeners of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listeners {
    /// The listeners.
    pub listeners: Vec<Arc<Listener>>,
    /// Where to go on; `None` where these were the last.
    pub next: Option<String>,
}

/// A connection that is to be looked at, and since when.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Due {
    /// When its time came.
    pub at: Timestamp,
    /// Which.
    pub connection: ConnectionId,
}

/// Who is connected and listens to what.
///
/// Guarantees: what was written is seen by every later read. An event whose [`begin`](Self::begin) came after a slot began
/// to listen finds its listener; one that came before does not count as missed where [`listen`](Self::listen) took its
/// version into account. Every call may be repeated. Whatever is written is forgotten once its time has come, with no
/// more said.
/// Not guaranteed: that a connection that is listed still exists.
pub trait Registry: Send + Sync {
    /// Writes down a connection.
    fn connect<'a>(&'a self, connection: &'a Connection) -> BoxFuture<'a, Result<(), RegistryError>>;

    /// A connection, if it is there.
    fn connection<'a>(&'a self, id: &'a ConnectionId) -> BoxFuture<'a, Result<Option<Connection>, RegistryError>>;

    /// Writes down that a connection has introduced itself, as `principal`.
    fn initialise<'a>(
        &'a self,
        id: &'a ConnectionId,
        principal: Option<&'a Principal>,
    ) -> BoxFuture<'a, Result<Initialised, RegistryError>>;

    /// Forgets a connection and everything that it has open.
    fn disconnect<'a>(&'a self, id: &'a ConnectionId) -> BoxFuture<'a, Result<(), RegistryError>>;

    /// Opens an operation, all of it or nothing.
    fn claim<'a>(&'a self, slot: &'a Slot) -> BoxFuture<'a, Result<Claimed, RegistryError>>;

    /// Lets an open slot listen to one of its topics, from the version after `after` on: `true`. `false`, and nothing is
    /// done, where a newer version was begun already, or the slot is not open: look what was missed and try again.
    fn listen<'a>(&'a self, slot: &'a Slot, topic: Uuid, after: i32) -> BoxFuture<'a, Result<bool, RegistryError>>;

    /// Closes an operation and ends its listening: whether it was open. Where it was not, and there is a time given, the
    /// next [`claim`](Self::claim) of its id until then finds it completed.
    fn release<'a>(
        &'a self,
        connection: &'a ConnectionId,
        id: &'a str,
        remember_until: Option<Timestamp>,
    ) -> BoxFuture<'a, Result<bool, RegistryError>>;

    /// The ids of all operations that a connection has open.
    fn open<'a>(&'a self, connection: &'a ConnectionId) -> BoxFuture<'a, Result<Vec<Arc<str>>, RegistryError>>;

    /// Keeps an operation at least until then.
    fn keep_operation<'a>(
        &'a self,
        operation: &'a Operation,
        until: Timestamp,
    ) -> BoxFuture<'a, Result<OperationHash, RegistryError>>;

    /// An operation that was kept.
    fn operation<'a>(&'a self, hash: &'a OperationHash)
    -> BoxFuture<'a, Result<Option<Arc<Operation>>, RegistryError>>;

    /// Says that a version of a topic is about to be told. `None` where that is not to be done: nobody has listened to the
    /// topic of late, or the version was finished. Where only the `newest` version counts, also where a newer one was
    /// begun.
    fn begin(&self, topic: Uuid, version: i32, newest: bool) -> BoxFuture<'_, Result<Option<Begun>, RegistryError>>;

    /// Says that all versions of a topic up to this one are told, to so many `listeners`.
    fn finish(&self, topic: Uuid, version: i32, listeners: u64) -> BoxFuture<'_, Result<(), RegistryError>>;

    /// The listeners in one part of a topic, from the first on or from where a page ended.
    fn listeners<'a>(
        &'a self,
        topic: Uuid,
        shard: u32,
        from: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Listeners, RegistryError>>;

    /// Has a connection looked at when that time has come.
    fn look_at<'a>(&'a self, due: &'a Due) -> BoxFuture<'a, Result<(), RegistryError>>;

    /// Connections whose time has come, at most so many, those that wait longest first.
    fn due(&self, now: Timestamp, limit: usize) -> BoxFuture<'_, Result<Vec<Due>, RegistryError>>;

    /// Strikes one off that list.
    fn looked_at<'a>(&'a self, due: &'a Due) -> BoxFuture<'a, Result<(), RegistryError>>;
}

/// Why the registry did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RegistryError {
    /// It did not answer, or not in time. Whether it did what it was asked is not known.
    #[error("the registry of connections is unavailable: {0}")]
    Unavailable(String),
    /// It refused, or holds what cannot be read.
    #[error("the registry of connections failed: {0}")]
    Failed(String),
}
