//! Dead letters: what a record becomes that nobody can handle, and what comes back of it. Its key, value and headers
//! stay as they were, byte for byte; why it is there is added under the header names of Kafka Connect (KIP-298) and of
//! Spring for Apache Kafka, so that the tools for either can read it.

use bytes::Bytes;

use super::topics::{dead_letters, parked};
use super::{Header, Message, Record};

/// How often a dead letter was replayed, as a number in text.
pub const REPLAY_COUNT: &str = "mcp-replay-count";

const CONNECT: &str = "__connect.errors.";
const SPRING: &str = "kafka_dlt-";
/// The longest text of an error that is kept, in bytes.
const MAX_ERROR: usize = 1024;

/// Why a record cannot be handled, today or tomorrow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Poison {
    /// A short name of the kind of error, without spaces.
    pub kind: &'static str,
    /// What a person should know.
    pub message: String,
}

/// The dead letter that `record` becomes when `group` cannot handle it.
pub fn dead_letter(record: &Record, poison: &Poison, group: &str) -> Message {
    let mut headers = original_headers(record);
    headers.extend(reasons(record, poison, group));
    Message { topic: dead_letters(&record.topic), key: record.key.clone(), value: record.value.clone(), headers }
}

/// A dead letter on its way back to `topic`, as it was when it came from there, with one more replay counted.
pub fn replay(record: &Record, topic: &str) -> Message {
    let mut headers = original_headers(record);
    headers.retain(|(name, _)| name != REPLAY_COUNT);
    headers.push(text(REPLAY_COUNT, &(replay_count(record) + 1).to_string()));
    Message { topic: topic.to_owned(), key: record.key.clone(), value: record.value.clone(), headers }
}

/// A dead letter as it is, for another topic of dead letters: to its own again, or to the parked ones of `source`.
pub fn set_aside(record: &Record, source: &str, park: bool) -> Message {
    Message {
        topic: if park { parked(source) } else { dead_letters(source) },
        key: record.key.clone(),
        value: record.value.clone(),
        headers: record.headers.clone(),
    }
}

/// How often a record was replayed.
pub fn replay_count(record: &Record) -> u32 {
    record.header_text(REPLAY_COUNT).and_then(|count| count.parse().ok()).unwrap_or(0)
}

/// Why a record became a dead letter: the text of the error, if it is there.
pub fn reason(record: &Record) -> Option<&str> {
    record.header_text("__connect.errors.exception.message")
}

/// The kind of error that made a record a dead letter, if it is there.
pub fn kind(record: &Record) -> Option<&str> {
    record.header_text("__connect.errors.exception.class.name")
}

/// The headers without those that an earlier death left.
fn original_headers(record: &Record) -> Vec<Header> {
    let ours = |name: &str| name.starts_with(CONNECT) || name.starts_with(SPRING);
    record.headers.iter().filter(|(name, _)| !ours(name)).cloned().collect()
}

fn reasons(record: &Record, poison: &Poison, group: &str) -> Vec<Header> {
    let message = shortened(&poison.message);
    let connect = |name: &str, value: &str| text(&format!("{CONNECT}{name}"), value);
    let spring = |name: &str, value: Bytes| (format!("{SPRING}{name}"), Some(value));
    let words = |text: &str| Bytes::copy_from_slice(text.as_bytes());
    vec![
        connect("topic", &record.topic),
        connect("partition", &record.partition.to_string()),
        connect("offset", &record.offset.to_string()),
        connect("connector.name", group),
        connect("exception.class.name", poison.kind),
        connect("exception.message", message),
        // Spring writes numbers as Java does: big-endian.
        spring("original-topic", words(&record.topic)),
        spring("original-partition", Bytes::copy_from_slice(&record.partition.to_be_bytes())),
        spring("original-offset", Bytes::copy_from_slice(&record.offset.to_be_bytes())),
        spring("original-timestamp", Bytes::copy_from_slice(&record.timestamp.unwrap_or(-1).to_be_bytes())),
        spring("original-timestamp-type", words("CreateTime")),
        spring("original-consumer-group", words(group)),
        spring("exception-fqcn", words(poison.kind)),
        spring("exception-message", words(message)),
    ]
}

fn text(name: &str, value: &str) -> Header {
    (name.to_owned(), Some(Bytes::copy_from_slice(value.as_bytes())))
}

fn shortened(message: &str) -> &str {
    &message[..message.floor_char_boundary(MAX_ERROR)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            topic: "mcp.events".to_owned(),
            partition: 3,
            offset: 42,
            timestamp: Some(7),
            key: Some(Bytes::from_static(b"key")),
            value: None,
            headers: vec![("event-id".to_owned(), Some(Bytes::from_static(b"\xff"))), ("empty".to_owned(), None)],
        }
    }

    fn poison() -> Poison {
        Poison { kind: "Malformed", message: "é".repeat(1000) }
    }

    fn consumed(message: Message) -> Record {
        Record { topic: message.topic, key: message.key, value: message.value, headers: message.headers, ..record() }
    }

    #[test]
    fn a_dead_letter_keeps_what_it_was_and_says_why() {
        let letter = consumed(dead_letter(&record(), &poison(), "group"));
        assert_eq!(letter.topic, "mcp.events.dlq");
        assert_eq!((&letter.key, &letter.value), (&record().key, &record().value));
        assert_eq!(letter.headers[..2], record().headers);
        assert_eq!(letter.header_text("__connect.errors.offset"), Some("42"));
        assert_eq!((kind(&letter), reason(&letter).map(str::len)), (Some("Malformed"), Some(1024)));
        let offset = letter.headers.iter().find(|(name, _)| name == "kafka_dlt-original-offset").unwrap();
        assert_eq!(offset.1.as_deref(), Some(&42_i64.to_be_bytes()[..]));
    }

    #[test]
    fn a_second_death_replaces_the_reasons_of_the_first() {
        let first = consumed(dead_letter(&record(), &poison(), "group"));
        let again = consumed(replay(&first, "mcp.events"));
        assert_eq!(replay_count(&again), 1);
        assert_eq!(again.headers.len(), record().headers.len() + 1);
        let second = consumed(dead_letter(&again, &poison(), "group"));
        assert_eq!(second.headers.len(), first.headers.len() + 1);
        assert_eq!(replay_count(&consumed(replay(&second, "mcp.events"))), 2);
    }
}
