//! Clients that connect, introduce themselves, open operations and end them; and what is done about those that do not.
//!
//! What the registry says of a connection is all that is known of it: any process may handle its next frame.

mod missed;
mod sweep;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::StreamId;
use crate::platform::auth::Principal;
use crate::platform::clock::{Clock, Timestamp, after};
use crate::push::{
    Claimed, Close, Connection, ConnectionId, Due, Initialised, MAX_TOPICS, Operation, PostError, RegistryError,
    ServerMessage, Slot, Subscription,
};
use crate::store::EventStore;

use super::Error;
use super::fan_out::Teller;

/// How long a client may take to say who it is.
pub const INIT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long it is remembered that an operation was completed before it was opened: as long as one frame may overtake
/// another.
const REMEMBERED: Duration = Duration::from_secs(10);

/// What a subscription listens to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topics {
    /// The streams whose events it is told of.
    pub streams: Vec<StreamId>,
    /// What it knows: it is first told what came after that.
    pub since: Option<Since>,
}

/// What a subscriber knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// Everything up to this version of its one stream.
    Version(i32),
    /// Everything that was recorded up to this time.
    Time(Timestamp),
}

/// What a client asks to have open.
pub struct Request {
    /// The id that the client gave it.
    pub id: Arc<str>,
    /// For a subscription, the operation to keep, and what it listens to.
    pub subscription: Option<(Operation, Topics)>,
}

/// An operation that is open.
pub struct Opened {
    slot: Slot,
    topics: Option<Topics>,
}

/// Connections and their operations.
pub struct Subscriptions {
    /// Who listens, how they are reached, and what they are told.
    pub teller: Arc<Teller>,
    /// Where missed updates are.
    pub events: Arc<dyn EventStore>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// How long a connection may live.
    pub life: Duration,
}

impl Subscriptions {
    /// Writes down a connection, as it is made.
    ///
    /// # Errors
    /// The registry's.
    pub async fn connect(
        &self,
        id: &ConnectionId,
        principal: Option<Principal>,
        address: IpAddr,
    ) -> Result<(), RegistryError> {
        let now = self.clock.now();
        let (id, ends_at) = (id.clone(), after(now, self.life));
        let due = Due { at: after(now, INIT_TIMEOUT), connection: id.clone() };
        let connection = Connection { id, principal, address, initialised: false, ends_at };
        let registry = &self.teller.registry;
        // First the date: a connection that nobody looks at again would be worse than a date without one.
        registry.look_at(&due).await?;
        registry.connect(&connection).await
    }

    /// What is known of a connection.
    ///
    /// # Errors
    /// The registry's.
    pub async fn connection(&self, id: &ConnectionId) -> Result<Option<Connection>, RegistryError> {
        self.teller.registry.connection(id).await
    }

    /// A client introduces itself.
    ///
    /// # Errors
    /// The registry's.
    pub async fn initialise(
        &self,
        connection: &Connection,
        principal: Option<&Principal>,
    ) -> Result<Initialised, RegistryError> {
        let registry = &self.teller.registry;
        let token_ends = principal.and_then(|principal| principal.expires_at);
        let at = token_ends.map_or(connection.ends_at, |end| end.min(connection.ends_at));
        registry.look_at(&Due { at, connection: connection.id.clone() }).await?;
        registry.initialise(&connection.id, principal).await
    }

    /// A client opens an operation. What it missed is still to be told, by [`tell_missed`](Self::tell_missed).
    ///
    /// # Errors
    /// [`Error::Invalid`] for too many topics; the registry's.
    pub async fn open(&self, connection: &Connection, request: Request) -> Result<(Claimed, Opened), Error> {
        let mut slot =
            Slot { connection: connection.id.clone(), id: request.id, ends_at: connection.ends_at, subscription: None };
        let mut missed = None;
        if let Some((operation, topics)) = request.subscription {
            if topics.streams.len() > MAX_TOPICS {
                let message = format!("a subscription has at most {MAX_TOPICS} coins, not {}", topics.streams.len());
                return Err(Error::Invalid(message));
            }
            if topics.streams.len() > 1 && matches!(topics.since, Some(Since::Version(_))) {
                let message = "a version is of one coin: with several, pass a time as since";
                return Err(Error::Invalid(message.to_owned()));
            }
            let operation = self.teller.registry.keep_operation(&operation, connection.ends_at).await?;
            slot.subscription = Some(Subscription {
                operation,
                role: connection.principal.as_ref().map(|principal| principal.role),
                expires_at: connection.principal.as_ref().and_then(|principal| principal.expires_at),
                topics: topics.streams.iter().map(|stream| stream.aggregate_id).collect(),
                live: topics.since.is_none(),
            });
            missed = Some(topics).filter(|topics| topics.since.is_some());
        }
        let claimed = self.teller.registry.claim(&slot).await?;
        Ok((claimed, Opened { slot, topics: missed }))
    }

    /// Ends what was answered: whether the client still waits for it.
    ///
    /// # Errors
    /// The registry's.
    pub async fn answered(&self, opened: &Opened) -> Result<bool, RegistryError> {
        self.teller.registry.release(&opened.slot.connection, &opened.slot.id, None).await
    }

    /// A client ends an operation: whether it was open.
    ///
    /// # Errors
    /// The registry's.
    pub async fn complete(&self, connection: &ConnectionId, id: &str) -> Result<bool, RegistryError> {
        let overtaken = !self.teller.poster.keeps_order();
        let remember_until = overtaken.then(|| after(self.clock.now(), REMEMBERED));
        self.teller.registry.release(connection, id, remember_until).await
    }

    /// Sends a client a message. One that is too long becomes an error, where it belongs to an operation.
    ///
    /// # Errors
    /// The poster's, once it was tried for a while. A connection that is gone is forgotten.
    pub async fn post(&self, connection: &ConnectionId, message: ServerMessage) -> Result<(), PostError> {
        let message = match message {
            long if !long.is_too_long() => long,
            ServerMessage::Next(id, _) | ServerMessage::Error(id, _) => {
                ServerMessage::Error(id, self.teller.renderer.errors(&Error::AnswerTooLarge))
            }
            _ => ServerMessage::Pong(None),
        };
        self.teller.post(connection, message.into()).await
    }

    /// Ends a connection, and forgets it.
    pub async fn close(&self, connection: &ConnectionId, close: Close) {
        self.teller.close(connection, close).await;
    }

    /// Forgets a connection that has ended.
    pub async fn disconnected(&self, connection: &ConnectionId) {
        self.teller.forget(connection).await;
    }
}

impl From<RegistryError> for Error {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::Unavailable(problem) => {
                tracing::warn!(problem, "the registry of connections is unavailable");
                Self::Unavailable { service: "subscriptions".to_owned(), retry_after: Some(Duration::from_secs(1)) }
            }
            RegistryError::Failed(problem) => Self::Internal(problem),
        }
    }
}

#[cfg(test)]
mod tests;
