//! The protocol `graphql-transport-ws`
//! (<https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md>), for whoever carries its frames: API Gateway, or a
//! socket of this process. Nothing is kept here between two frames, so the next may be handled elsewhere, or meanwhile.

mod close;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod message;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::Response;
use bytes::Bytes;
use serde_json::Value;
use tokio::time::timeout;
use tracing::{Instrument, Span, field};

use self::close::{close, failed, invalid, refused, short, unknown};
use self::message::{ClientMessage, since};
use super::error::ApiError;
use super::graphql::{Graph, Operation, json, refusal};
use super::limits::Limits;
use super::parameters::Parameters;
use crate::limits::principal_key;
use crate::platform::BoxFuture;
use crate::platform::auth::{Principal, Verifier};
use crate::platform::flags::Rollout;
use crate::platform::ids::new_id;
use crate::platform::trace;
use crate::push::{Claimed, Close, Connection, ConnectionId, Initialised, MAX_MESSAGE, MAX_OPEN, ServerMessage};
use crate::services::subscriptions::{Opened, Request, Subscriptions, Topics};
use crate::services::{Call, Error};

/// The name of the protocol, as a client asks for it.
pub const SUBPROTOCOL: &str = "graphql-transport-ws";
/// How long a query or a mutation may take, or telling what was missed: with what is said afterwards, less than the 29 s that
/// API Gateway gives a frame.
const DEADLINE: Duration = Duration::from_secs(20);

/// Clients at sockets.
pub struct Sockets {
    /// The schema.
    pub graph: Graph,
    /// To whom it is served.
    pub flag: Rollout,
    /// Verifies tokens.
    pub verifier: Arc<Verifier>,
    /// Counts what is asked for.
    pub limits: Limits,
    /// What is open.
    pub subscriptions: Subscriptions,
}

/// What is left to do for a frame. Frames that come after need not wait for it.
pub type Rest = BoxFuture<'static, ()>;

/// What comes of a frame.
pub(in crate::faces) type Outcome = Result<Option<Rest>, Close>;

impl Sockets {
    /// A client connects; a token may come with that.
    ///
    /// # Errors
    /// Why it is not let in.
    pub async fn connect(
        &self,
        id: &ConnectionId,
        authorization: Option<&[u8]>,
        address: IpAddr,
    ) -> Result<(), ApiError> {
        let principal = match authorization {
            Some(value) => {
                Some(self.verifier.verify_authorization(value).await.map_err(|error| ApiError::from(&error))?)
            }
            None => None,
        };
        // Whoever says nothing yet may show a token later, and is met by each operation.
        if self.flag.is_off() || principal.is_some() && !self.serves(principal.as_ref(), address) {
            return Err(ApiError::no_graphql());
        }
        let standing = self.limits.count(principal.as_ref(), address, 1, std::iter::empty()).await;
        if let Some(error) = standing.refused() {
            return Err(error);
        }
        let connected = self.subscriptions.connect(id, principal, address).await;
        connected.map_err(|error| ApiError::from(&Error::from(error)))
    }

    /// A client that is known connects for one operation, without the words that a socket takes.
    ///
    /// # Errors
    /// How it is to be ended instead.
    #[cfg(feature = "local")]
    pub(in crate::faces) async fn serve_one(
        self: &Arc<Self>,
        id: &ConnectionId,
        principal: Option<Principal>,
        address: IpAddr,
        parameters: Parameters,
    ) -> Outcome {
        self.subscriptions.connect(id, principal.clone(), address).await.map_err(failed)?;
        let connection = self.known(id).await?;
        self.subscriptions.initialise(&connection, principal.as_ref()).await.map_err(failed)?;
        self.subscribe(connection, Arc::from("1"), parameters).await
    }

    /// A client sent a message: what is left to do for it, if anything.
    pub async fn received(self: &Arc<Self>, id: &ConnectionId, text: &str) -> Option<Rest> {
        let span = tracing::info_span!("frame", connection = %id, correlation_id = field::Empty);
        let rest = self.handle(id, text).instrument(span.clone()).await?;
        Some(Box::pin(rest.instrument(span)))
    }

    async fn handle(self: &Arc<Self>, id: &ConnectionId, text: &str) -> Option<Rest> {
        let outcome = match ClientMessage::read(text) {
            _ if text.len() > MAX_MESSAGE => Err(invalid(&format!("a message has at most {MAX_MESSAGE} bytes"))),
            Err(problem) => Err(invalid(&problem)),
            Ok(message) => self.react(id, message).await,
        };
        match outcome {
            Ok(rest) => rest,
            Err(close) => {
                tracing::debug!(connection = %id, code = close.code, reason = close.reason, "a connection is ended");
                self.subscriptions.close(id, close).await;
                None
            }
        }
    }

    /// A client sent what is no text.
    pub async fn received_binary(&self, id: &ConnectionId) {
        self.subscriptions.close(id, invalid("a message is text")).await;
    }

    /// A client has gone.
    pub async fn disconnected(&self, id: &ConnectionId) {
        self.subscriptions.disconnected(id).await;
    }

    async fn react(self: &Arc<Self>, id: &ConnectionId, message: ClientMessage) -> Outcome {
        match message {
            ClientMessage::Pong => Ok(None),
            ClientMessage::Ping(payload) => {
                self.post(id, ServerMessage::Pong(payload.filter(|payload| !payload.is_null()))).await;
                Ok(None)
            }
            ClientMessage::Complete(operation) => {
                let connection = self.introduced(id).await?;
                if !self.subscriptions.complete(id, &operation).await.map_err(failed)? {
                    // What ends nothing is remembered for a while, and so it counts.
                    let (user, address) = (connection.principal.as_ref(), connection.address);
                    if self.limits.count(user, address, 1, std::iter::empty()).await.refused().is_some() {
                        return Err(close(1013, "too many messages that end nothing"));
                    }
                }
                Ok(None)
            }
            ClientMessage::Init(payload) => self.initialise(id, payload.as_ref()).await,
            ClientMessage::Subscribe(operation, parameters) => {
                let connection = self.introduced(id).await?;
                self.subscribe(connection, operation, parameters).await
            }
        }
    }

    /// The token may come with this message: `{"authorization": "Bearer ..."}`.
    async fn initialise(&self, id: &ConnectionId, payload: Option<&Value>) -> Outcome {
        let connection = self.known(id).await?;
        let authorization =
            ["authorization", "Authorization"].into_iter().find_map(|name| payload?.get(name)?.as_str());
        let shown = match authorization {
            Some(value) => {
                Some(self.verifier.verify_authorization(value.as_bytes()).await.map_err(|error| refused(&error))?)
            }
            None => None,
        };
        let principal = shown.or_else(|| connection.principal.clone());
        match self.subscriptions.initialise(&connection, principal.as_ref()).await.map_err(failed)? {
            Initialised::Now => {
                self.post(id, ServerMessage::Ack).await;
                Ok(None)
            }
            Initialised::Before => Err(close(4429, "Too many initialisation requests")),
            Initialised::Unknown => Err(unknown()),
        }
    }

    async fn subscribe(self: &Arc<Self>, connection: Connection, id: Arc<str>, parameters: Parameters) -> Outcome {
        let name = connection.id.clone();
        let since = since(&parameters.extensions).map_err(|problem| invalid(&problem))?;
        let operation = match self.admit(&connection, parameters).await {
            Ok(operation) => operation,
            Err(errors) => {
                self.post(&name, ServerMessage::Error(id, errors)).await;
                return Ok(None);
            }
        };
        let (user, mut run, mut subscription) = (connection.principal.is_some(), None, None);
        if operation.is_subscription() {
            match self.graph.open(operation).await {
                Ok((operation, streams)) => subscription = Some((operation, Topics { streams, since })),
                Err(errors) => {
                    self.post(&name, ServerMessage::Error(id, json(&errors))).await;
                    return Ok(None);
                }
            }
        } else {
            run = Some(operation);
        }
        let opened = self.subscriptions.open(&connection, Request { id: id.clone(), subscription }).await;
        let opened = match opened {
            Ok((Claimed::Open, opened)) => opened,
            Ok((Claimed::Completed, _)) => return Ok(None),
            Ok((Claimed::Taken, _)) => {
                return Err(close(4409, &format!("Subscriber for {} already exists", short(&id))));
            }
            Ok((Claimed::Unknown, _)) => return Err(unknown()),
            Ok((Claimed::Full, _)) => {
                let error = ApiError::bad_input(format!("a socket has at most {MAX_OPEN} open operations"));
                self.post(&name, ServerMessage::Error(id, json(&refusal(&error).errors))).await;
                return Ok(None);
            }
            Err(error) => {
                self.post(&name, ServerMessage::Error(id, json(&refusal(&ApiError::from(&error)).errors))).await;
                return Ok(None);
            }
        };
        let this = self.clone();
        Ok(Some(match run {
            Some(operation) => Box::pin(async move { this.answer(&name, id, operation, user, &opened).await }),
            None => Box::pin(async move { this.catch_up(&name, &id, &opened).await }),
        }))
    }

    /// Whether GraphQL is there for a caller.
    fn serves(&self, principal: Option<&Principal>, address: IpAddr) -> bool {
        self.flag.is_on()
            || self.flag.admits(&principal_key(principal.map(|principal| principal.user_id.as_str()), address))
    }

    /// Decides whether an operation may run.
    ///
    /// # Errors
    /// The errors that say why not, as JSON.
    async fn admit(&self, connection: &Connection, mut parameters: Parameters) -> Result<Operation, Bytes> {
        let correlation_id = new_id().to_string();
        tracing::Span::current().record("correlation_id", &correlation_id);
        let call = Call {
            principal: connection.principal.clone(),
            correlation_id,
            traceparent: Some(trace::begin(&Span::current(), None)),
            ..Call::default()
        };
        if !self.serves(call.principal.as_ref(), connection.address) {
            return Err(json(&refusal(&ApiError::no_graphql()).errors));
        }
        let expired = call.principal.as_ref().and_then(|principal| principal.expires_at);
        if expired.is_some_and(|end| end <= self.limits.clock.now()) {
            return Err(json(&refusal(&ApiError::from(&Error::TokenExpired)).errors));
        }
        let operation = match self.graph.find_listed(&mut parameters) {
            Ok(listed) => {
                let query = listed.or_else(|| parameters.query.take()).unwrap_or_default();
                self.graph.admit(parameters.into_request(query), call)
            }
            Err(error) => Err(refusal(&error).errors),
        };
        // Counted in any case: what is refused takes work too.
        let charges = operation.as_ref().map(Operation::charges).unwrap_or_default();
        let (user, address) = (connection.principal.as_ref(), connection.address);
        let standing = self.limits.count(user, address, 1, charges.iter()).await;
        match standing.refused() {
            Some(error) => Err(json(&refusal(&error).errors)),
            None => operation.map_err(|errors| json(&errors)),
        }
    }

    /// Runs a query or a mutation, and answers unless the client does not wait any more.
    async fn answer(&self, connection: &ConnectionId, id: Arc<str>, operation: Operation, user: bool, opened: &Opened) {
        let answer: Response = match timeout(DEADLINE, self.graph.run(operation, user)).await {
            Ok(answered) => answered.response,
            Err(_) => refusal(&ApiError::from(&Error::Timeout)),
        };
        match self.subscriptions.answered(opened).await {
            Ok(false) => return,
            Ok(true) => {}
            Err(error) => tracing::warn!(%error, "an operation that was answered is still listed"),
        }
        let message = ServerMessage::Next(id.clone(), json(&answer));
        let whole = !message.is_too_long();
        self.post(connection, message).await;
        if whole {
            self.post(connection, ServerMessage::Complete(id)).await;
        }
    }

    /// Tells a subscriber what it missed.
    async fn catch_up(&self, connection: &ConnectionId, id: &Arc<str>, opened: &Opened) {
        let told = timeout(DEADLINE, self.subscriptions.tell_missed(opened)).await;
        if let Err(error) = told.unwrap_or(Err(Error::Timeout)) {
            if let Err(error) = self.subscriptions.answered(opened).await {
                tracing::warn!(%error, "a subscription that failed is still listed");
            }
            let errors = json(&refusal(&ApiError::from(&error)).errors);
            self.post(connection, ServerMessage::Error(id.clone(), errors)).await;
        }
    }

    /// A connection that has introduced itself.
    async fn introduced(&self, id: &ConnectionId) -> Result<Connection, Close> {
        let connection = self.known(id).await?;
        if connection.initialised { Ok(connection) } else { Err(close(4401, "Unauthorized")) }
    }

    async fn known(&self, id: &ConnectionId) -> Result<Connection, Close> {
        self.subscriptions.connection(id).await.map_err(failed)?.ok_or_else(unknown)
    }

    async fn post(&self, to: &ConnectionId, message: ServerMessage) {
        // One that is gone waits for nothing.
        if let Err(error) = self.subscriptions.post(to, message).await {
            tracing::debug!(%error, connection = %to, "a client is not told");
        }
    }
}
