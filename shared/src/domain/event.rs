//! An event as stores, projections and buses see it: untyped, with where and when it happened.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::aggregate::{DecodeError, DomainEvent};
use crate::platform::clock::Timestamp;
use crate::platform::ids::{aggregate_id, new_id};

/// Which stream: its kind and its id.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId {
    /// The aggregate's id; unique over all kinds.
    pub aggregate_id: Uuid,
    /// The kind of aggregate.
    pub aggregate_type: String,
}

impl StreamId {
    /// The stream of `kind` that belongs to `subject`: a user, a coin.
    pub fn of(kind: &str, subject: &str) -> Self {
        Self { aggregate_id: aggregate_id(kind, subject), aggregate_type: kind.to_owned() }
    }
}

impl std::fmt::Display for StreamId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.aggregate_type, self.aggregate_id)
    }
}

/// An event that is to be appended.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEvent {
    /// Its id, time-ordered.
    pub id: Uuid,
    /// Its name.
    pub event_type: String,
    /// The version of the payload's shape.
    pub schema_version: i32,
    /// The payload.
    pub data: Value,
}

impl NewEvent {
    /// A domain event under a new id.
    pub fn from_domain<E: DomainEvent>(event: &E) -> Result<Self, DecodeError> {
        let event_type = event.event_type().to_owned();
        let Some(schema_version) = E::schema_version_of(&event_type) else {
            return Err(DecodeError::UnknownType { event_type });
        };
        match event.to_value() {
            Ok(data) => Ok(Self { id: new_id(), event_type, schema_version, data }),
            Err(source) => Err(DecodeError::Malformed { event_type, source }),
        }
    }
}

/// Who and what caused an event, and when it happened. Stored beside each event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// The subject of the caller's token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// The request or invocation that it belongs to.
    pub correlation_id: String,
    /// The event or message that led to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causation_id: Option<String>,
    /// The W3C trace context of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// The key under which a repeated request is recognised, as the caller gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// When it happened, by the clock of who appended it.
    pub occurred_at: Timestamp,
}

impl Metadata {
    /// Of what nobody asked for: a schedule's work.
    pub fn of_schedule(correlation_id: &str, occurred_at: Timestamp) -> Self {
        Self {
            user_id: None,
            correlation_id: correlation_id.to_owned(),
            causation_id: None,
            traceparent: None,
            idempotency_key: None,
            occurred_at,
        }
    }
}

/// An event as it is in a store.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedEvent {
    /// Its id.
    pub id: Uuid,
    /// The stream that it belongs to.
    pub stream: StreamId,
    /// Its position in the stream: 1, 2, ...
    pub event_version: i32,
    /// Its name.
    pub event_type: String,
    /// The version of the payload's shape.
    pub schema_version: i32,
    /// The payload.
    pub data: Value,
    /// Who, why, when.
    pub metadata: Metadata,
}

impl RecordedEvent {
    /// The typed event.
    ///
    /// # Errors
    /// [`DecodeError`], always permanent.
    pub fn decode<E: DomainEvent>(&self) -> Result<E, DecodeError> {
        E::decode(&self.event_type, self.schema_version, &self.data)
    }
}
