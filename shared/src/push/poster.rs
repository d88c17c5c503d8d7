//! How clients are reached.

use uuid::Uuid;

use super::{ConnectionId, ServerMessage};
use crate::platform::BoxFuture;

/// A message for a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// What it is told.
    pub message: ServerMessage,
    /// Where a newer message makes this one pointless: of what it tells. A client that is slow is only told the newest.
    pub supersedes: Option<Uuid>,
}

impl From<ServerMessage> for Outgoing {
    fn from(message: ServerMessage) -> Self {
        Self { message, supersedes: None }
    }
}

/// How a connection is ended: a code of the protocol and why, where the transport can say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Close {
    /// The code.
    pub code: u16,
    /// For a person.
    pub reason: String,
}

/// Reaches clients.
///
/// Guarantees: messages that are posted one after the other arrive in that order, or not at all. A post never waits for a
/// client longer than a few seconds.
pub trait Poster: Send + Sync {
    /// Sends a message.
    fn post<'a>(&'a self, to: &'a ConnectionId, outgoing: Outgoing) -> BoxFuture<'a, Result<(), PostError>>;

    /// Ends a connection. One that is gone is ended.
    fn close<'a>(&'a self, connection: &'a ConnectionId, close: Close) -> BoxFuture<'a, Result<(), PostError>>;

    /// Whether frames of one connection are handled in the order in which the client sent them.
    fn keeps_order(&self) -> bool;
}

/// Why a client was not reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PostError {
    /// There is no such connection any more.
    #[error("the connection is gone")]
    Gone,
    /// Too many at once: later it may work.
    #[error("too many messages at once")]
    Throttled,
    /// No answer, or not in time.
    #[error("the client cannot be reached: {0}")]
    Unavailable(String),
    /// Whoever holds the connections does not let us send: a fault of ours, and not of this client.
    #[error("sending is refused: {0}")]
    Refused(String),
}

impl PostError {
    /// Whether the same message may be taken later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Throttled | Self::Unavailable(_))
    }
}
