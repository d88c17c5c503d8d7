//! An event as a message, and back.

use bytes::Bytes;

use super::dead_letter::Poison;
use super::{Message, Record, Topics};
use crate::domain::envelope::{self, EnvelopeError};
use crate::domain::{DecodeError, RecordedEvent};

/// The longest name of an event type that is repeated, and what is said of it, in characters.
const LONGEST: usize = 300;

const EVENT_ID: &str = "event-id";
const EVENT_TYPE: &str = "event-type";
const CORRELATION_ID: &str = "correlation-id";
pub(crate) const TRACEPARENT: &str = "traceparent";

/// The message that tells of `event`. Its key is the id of the stream, so that a stream's events keep their order.
///
/// # Errors
/// None that is known of: every part of an event is JSON.
pub fn to_message(event: &RecordedEvent, topics: &Topics) -> Result<Message, serde_json::Error> {
    let text = |text: &str| Some(Bytes::copy_from_slice(text.as_bytes()));
    let mut headers = vec![
        (EVENT_TYPE.to_owned(), text(&event.event_type)),
        (CORRELATION_ID.to_owned(), text(&event.metadata.correlation_id)),
        (EVENT_ID.to_owned(), text(&event.id.to_string())),
    ];
    if let Some(traceparent) = &event.metadata.traceparent {
        headers.push((TRACEPARENT.to_owned(), text(traceparent)));
    }
    Ok(Message {
        topic: topics.of(&event.stream.aggregate_type),
        key: text(&event.stream.aggregate_id.to_string()),
        value: Some(envelope::to_bytes(event)?.into()),
        headers,
    })
}

/// The event that `record` tells of. Whether its payload fits its type is for who decodes it.
///
/// # Errors
/// [`Poison`]: no value, a value that is no event, a header of ours that is no text or says something else.
pub fn from_record(record: &Record) -> Result<RecordedEvent, Poison> {
    let poison = |kind, message: String| Poison { kind, message };
    let Some(value) = &record.value else { return Err(poison("NoValue", "the record has no value".to_owned())) };
    for (name, value) in &record.headers {
        let ours = [EVENT_ID, EVENT_TYPE, CORRELATION_ID, TRACEPARENT].contains(&name.as_str());
        if ours && value.as_deref().is_none_or(|value| std::str::from_utf8(value).is_err()) {
            return Err(poison("InvalidHeader", format!("the header {name} is no text")));
        }
    }
    let event = envelope::from_bytes(value).map_err(|error| poison("MalformedEvent", described(&error)))?;
    for (name, truth) in [(EVENT_ID, event.id.to_string()), (EVENT_TYPE, event.event_type.clone())] {
        if record.header_text(name).is_some_and(|said| said != truth) {
            return Err(poison("HeaderMismatch", format!("the header {name} does not belong to this event")));
        }
    }
    Ok(event)
}

/// The type of the event that `record` tells of, as far as it can be known without reading all of it.
pub fn event_type(record: &Record) -> Option<String> {
    let said = record.header_text(EVENT_TYPE).map(str::to_owned);
    said.or_else(|| from_record(record).ok().map(|event| event.event_type))
}

/// What is wrong, without a word of what was sent: it is for logs too.
fn described(error: &EnvelopeError) -> String {
    match error {
        EnvelopeError::Malformed(error) => format!("not an event: {}", place_of(error)),
        EnvelopeError::Version(_) => error.to_string(),
    }
}

fn place_of(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Data => "a field is missing or has the wrong type",
        _ => "not JSON",
    };
    if error.line() == 0 { what.to_owned() } else { format!("{what}, line {} column {}", error.line(), error.column()) }
}

impl From<DecodeError> for Poison {
    fn from(error: DecodeError) -> Self {
        let (kind, message) = match &error {
            DecodeError::UnknownType { .. } => ("UnknownEventType", error.to_string()),
            DecodeError::NewerSchema { .. } => ("NewerSchema", error.to_string()),
            DecodeError::NoUpcaster { .. } => ("NoUpcaster", error.to_string()),
            DecodeError::Malformed { event_type, source } => {
                ("MalformedPayload", format!("{event_type} has a malformed payload: {}", place_of(source)))
            }
        };
        let message = message.chars().take(LONGEST).collect();
        Self { kind, message }
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::domain::{Metadata, StreamId};

    fn event() -> RecordedEvent {
        RecordedEvent {
            id: Uuid::from_u128(1),
            stream: StreamId::of("price", "bitcoin"),
            event_version: 3,
            event_type: "PriceUpdated".to_owned(),
            schema_version: 1,
            data: json!({"usd": "1"}),
            metadata: Metadata {
                user_id: None,
                correlation_id: "c".to_owned(),
                causation_id: None,
                traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
                idempotency_key: None,
                occurred_at: DateTime::UNIX_EPOCH,
            },
        }
    }

    fn record() -> Record {
        let Message { topic, key, value, headers } = to_message(&event(), &Topics::default()).unwrap();
        Record { topic, partition: 0, offset: 0, timestamp: None, key, value, headers }
    }

    fn kind(change: impl FnOnce(&mut Record)) -> &'static str {
        let mut record = record();
        change(&mut record);
        from_record(&record).unwrap_err().kind
    }

    #[test]
    fn an_event_survives_the_way_there_and_back() {
        assert_eq!(from_record(&record()).unwrap(), event());
        assert_eq!(record().topic, "mcp.prices");
        assert_eq!(record().key.unwrap(), event().stream.aggregate_id.to_string());
        assert_eq!(record().header_text("correlation-id"), Some("c"));
    }

    #[test]
    fn what_is_no_event_is_poison() {
        assert_eq!(kind(|record| record.value = None), "NoValue");
        assert_eq!(kind(|record| record.value = Some(Bytes::from_static(b"\xff"))), "MalformedEvent");
        assert_eq!(kind(|record| record.headers[1].1 = Some(Bytes::from_static(b"\xff"))), "InvalidHeader");
        assert_eq!(kind(|record| record.headers[1].1 = None), "InvalidHeader");
        assert_eq!(kind(|record| record.headers[2].1 = Some(Bytes::from_static(b"other"))), "HeaderMismatch");
    }

    #[test]
    fn headers_of_others_may_be_anything_and_ours_may_be_missing() {
        let mut record = record();
        record.headers = vec![("theirs".to_owned(), Some(Bytes::from_static(b"\xff"))), ("none".to_owned(), None)];
        assert!(from_record(&record).is_ok());
        assert_eq!(event_type(&record).as_deref(), Some("PriceUpdated"));
    }
}
