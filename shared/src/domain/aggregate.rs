//! What an aggregate and its events are: the shape that `emotion`, `memory` and `price` share.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::platform::clock::Timestamp;

/// State that follows from events alone. [`decide`](Aggregate::decide) checks a command against the state and answers
/// with events; [`apply`](Aggregate::apply) folds one event in. Neither has any effect but its result.
pub trait Aggregate: Default + Serialize + DeserializeOwned + Send + Sync {
    /// The kind of stream, as stored in `aggregate_type`.
    const TYPE: &'static str;
    /// Changes whenever the serialised state does: a snapshot of another schema is ignored.
    const SNAPSHOT_SCHEMA: i32;
    /// What callers may ask for.
    type Command: Send + Sync;
    /// What may have happened.
    type Event: DomainEvent;
    /// Why a command is refused.
    type Error: std::error::Error + Send + Sync;

    /// The events that follow from `command`; none if there is nothing to change.
    fn decide(&self, command: &Self::Command) -> Result<Vec<Self::Event>, Self::Error>;

    /// The state after `event`, which happened at `occurred_at`. Never fails: what is in the store has happened.
    fn apply(&mut self, event: &Self::Event, occurred_at: Timestamp);
}

/// One family of events, as it is written to and read from a store.
pub trait DomainEvent: Sized + Send + Sync {
    /// The event's name, as stored in `event_type`.
    fn event_type(&self) -> &'static str;

    /// The version of the payload's shape that this code writes for `event_type`; `None` for a type it does not know.
    fn schema_version_of(event_type: &str) -> Option<i32>;

    /// The payload.
    fn to_value(&self) -> Result<Value, serde_json::Error>;

    /// Reads a payload of the current schema version of `event_type`.
    fn from_current(event_type: &str, data: &Value) -> Result<Self, serde_json::Error>;

    /// Lifts a payload of `schema_version` to the next one. Called step by step until the payload is current.
    ///
    /// # Errors
    /// [`DecodeError::NoUpcaster`] where nothing is known of that old version.
    fn upcast(event_type: &str, schema_version: i32, data: Value) -> Result<Value, DecodeError> {
        let _ = data;
        Err(DecodeError::NoUpcaster { event_type: event_type.to_owned(), schema_version })
    }

    /// Reads a stored payload of any schema version up to the current one.
    ///
    /// # Errors
    /// [`DecodeError`]: an unknown type, a newer schema than this code knows, or a payload that does not fit its schema.
    fn decode(event_type: &str, schema_version: i32, data: &Value) -> Result<Self, DecodeError> {
        let current = Self::schema_version_of(event_type)
            .ok_or_else(|| DecodeError::UnknownType { event_type: event_type.to_owned() })?;
        if schema_version > current {
            return Err(DecodeError::NewerSchema { event_type: event_type.to_owned(), schema_version, current });
        }
        let malformed = |source| DecodeError::Malformed { event_type: event_type.to_owned(), source };
        if schema_version == current {
            return Self::from_current(event_type, data).map_err(malformed);
        }
        let lifted = (schema_version..current)
            .try_fold(data.clone(), |data, version| Self::upcast(event_type, version, data))?;
        Self::from_current(event_type, &lifted).map_err(malformed)
    }
}

/// Why a stored event cannot be read. Always permanent: the same bytes will fail again until the code changes.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// No code here knows the event type.
    #[error("unknown event type {event_type:?}")]
    UnknownType {
        /// The name as stored.
        event_type: String,
    },
    /// A newer deployment wrote it.
    #[error("{event_type} has schema version {schema_version}, newer than the {current} known here")]
    NewerSchema {
        /// The event's name.
        event_type: String,
        /// The version as stored.
        schema_version: i32,
        /// The newest version known here.
        current: i32,
    },
    /// An old version that nothing can lift.
    #[error("{event_type} of schema version {schema_version} has no upcaster")]
    NoUpcaster {
        /// The event's name.
        event_type: String,
        /// The version as stored.
        schema_version: i32,
    },
    /// The payload does not fit its schema.
    #[error("{event_type} has a malformed payload: {source}")]
    Malformed {
        /// The event's name.
        event_type: String,
        /// What did not fit.
        source: serde_json::Error,
    },
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// An event whose payload has had three shapes: `{"n"}`, `{"number"}`, `{"number", "unit"}`.
    #[derive(Debug, PartialEq)]
    struct Measured(i64, String);

    impl DomainEvent for Measured {
        fn event_type(&self) -> &'static str {
            "Measured"
        }

        fn schema_version_of(event_type: &str) -> Option<i32> {
            (event_type == "Measured").then_some(3)
        }

        fn to_value(&self) -> Result<Value, serde_json::Error> {
            Ok(json!({ "number": self.0, "unit": self.1 }))
        }

        fn from_current(_event_type: &str, data: &Value) -> Result<Self, serde_json::Error> {
            let unit = data["unit"].as_str().ok_or_else(|| serde::de::Error::custom("no unit"))?;
            Ok(Self(data["number"].as_i64().unwrap_or_default(), unit.to_owned()))
        }

        fn upcast(event_type: &str, schema_version: i32, data: Value) -> Result<Value, DecodeError> {
            match schema_version {
                1 => Ok(json!({ "number": data["n"] })),
                2 => Ok(json!({ "number": data["number"], "unit": "metre" })),
                _ => Err(DecodeError::NoUpcaster { event_type: event_type.to_owned(), schema_version }),
            }
        }
    }

    #[test]
    fn an_old_payload_is_lifted_step_by_step() {
        let expected = Measured(7, "metre".to_owned());
        assert_eq!(Measured::decode("Measured", 1, &json!({ "n": 7 })).unwrap(), expected);
        assert_eq!(Measured::decode("Measured", 2, &json!({ "number": 7 })).unwrap(), expected);
        assert_eq!(Measured::decode("Measured", 3, &json!({ "number": 7, "unit": "metre" })).unwrap(), expected);
    }

    #[test]
    fn what_no_upcaster_knows_is_an_error() {
        assert!(matches!(Measured::decode("Measured", 0, &json!({})), Err(DecodeError::NoUpcaster { .. })));
    }
}
