//! An event on the bus: one JSON object, the same bytes for every consumer in every language.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::event::{Metadata, RecordedEvent, StreamId};

/// The object's fields, in the order in which they are written. Unknown ones are ignored: a newer deployment may add
/// some.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<D, M> {
    id: Uuid,
    aggregate_id: Uuid,
    aggregate_type: String,
    event_type: String,
    event_version: i32,
    schema_version: i32,
    data: D,
    metadata: M,
}

/// Bytes that are no event. Always permanent.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// Not the JSON object that it should be.
    #[error("not an event: {0}")]
    Malformed(#[from] serde_json::Error),
    /// Versions are counted from 1.
    #[error("an event has version 1 or more, not {0}")]
    Version(i32),
}

/// The event as bytes.
///
/// # Errors
/// None that is known of: every part of an event is JSON.
pub fn to_bytes(event: &RecordedEvent) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&Envelope {
        id: event.id,
        aggregate_id: event.stream.aggregate_id,
        aggregate_type: event.stream.aggregate_type.clone(),
        event_type: event.event_type.clone(),
        event_version: event.event_version,
        schema_version: event.schema_version,
        data: &event.data,
        metadata: &event.metadata,
    })
}

/// The event in `bytes`. Whether its payload fits its type is for who decodes it.
///
/// # Errors
/// [`EnvelopeError`].
pub fn from_bytes(bytes: &[u8]) -> Result<RecordedEvent, EnvelopeError> {
    let envelope: Envelope<Value, Metadata> = serde_json::from_slice(bytes)?;
    if envelope.event_version < 1 {
        return Err(EnvelopeError::Version(envelope.event_version));
    }
    Ok(RecordedEvent {
        id: envelope.id,
        stream: StreamId { aggregate_id: envelope.aggregate_id, aggregate_type: envelope.aggregate_type },
        event_version: envelope.event_version,
        event_type: envelope.event_type,
        schema_version: envelope.schema_version,
        data: envelope.data,
        metadata: envelope.metadata,
    })
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use serde_json::json;

    use super::*;

    fn event() -> RecordedEvent {
        RecordedEvent {
            id: Uuid::from_u128(1),
            stream: StreamId::of("emotion", "ada"),
            event_version: 3,
            event_type: "EmotionUpdated".to_owned(),
            schema_version: 1,
            data: json!({"points": 7}),
            metadata: Metadata {
                user_id: Some("ada".to_owned()),
                correlation_id: "c".to_owned(),
                causation_id: None,
                traceparent: None,
                idempotency_key: None,
                occurred_at: DateTime::UNIX_EPOCH,
            },
        }
    }

    #[test]
    fn an_event_survives_the_way_there_and_back() {
        assert_eq!(from_bytes(&to_bytes(&event()).unwrap()).unwrap(), event());
    }

    #[test]
    fn what_is_no_event_is_refused() {
        let object: Value = serde_json::from_slice(&to_bytes(&event()).unwrap()).unwrap();
        let with = |field: &str, value: Value| {
            let mut object = object.clone();
            object[field] = value;
            from_bytes(object.to_string().as_bytes())
        };
        assert!(with("later", json!("field")).is_ok());
        assert!(with("eventVersion", json!(0)).is_err());
        assert!(with("eventVersion", json!(5_000_000_000_i64)).is_err());
        assert!(with("id", json!("seven")).is_err());
        assert!(with("metadata", json!({})).is_err());
        assert!(from_bytes(b"").is_err() && from_bytes(b"[]").is_err() && from_bytes(b"\xff").is_err());
    }
}
