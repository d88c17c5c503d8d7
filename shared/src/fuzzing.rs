//! Every decoder of bytes that come from outside, as a function that takes any bytes: it must not panic, and what it says of
//! its answers must hold. `tests/fuzzing.rs` runs each on the corpus in `tests/corpus`, on what is made of that by small
//! changes and on random bytes; `tests/fuzz` runs them for hours.
//!
//! Not here is what is read by whoever sends it: a schedule's event, an operator's, and that of a DynamoDB stream, which wakes
//! the relay and is not looked at.

use bytes::Bytes;

use crate::bus::event_message::{event_type, from_record, to_message};
use crate::bus::{Message, Record, Topics};
use crate::domain::RecordedEvent;
use crate::domain::aggregate::DomainEvent;
use crate::domain::emotion::EmotionEvent;
use crate::domain::memory::MemoryEvent;
use crate::domain::price::PriceEvent;
use crate::domain::transaction::TransactionEvent;
use crate::domain::watch::WatchEvent;
use crate::faces::{http, websocket};
use crate::platform::auth;
use crate::services::page::{decode_cursor, encode_cursor};
use crate::sources::chains::{evm, rpc, solana};
use crate::sources::{prices, quotes};
use crate::triggers::kafka;

/// A decoder.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name: that of its folder in the corpus, and of its program.
    pub name: &'static str,
    /// Puts bytes to it. Whether it took them for what they should be.
    pub run: fn(&[u8]) -> bool,
}

/// Every decoder, by name.
pub const TARGETS: &[Target] = &[
    Target { name: "cursor", run: cursor },
    Target { name: "event_message", run: event_message },
    Target { name: "evm_result", run: evm::fuzzing::result },
    Target { name: "evm_signed", run: evm::fuzzing::signed },
    Target { name: "graphql_body", run: http::fuzzing::body },
    Target { name: "graphql_url", run: http::fuzzing::url },
    Target { name: "jwks", run: auth::fuzzing::key_set },
    Target { name: "jwt", run: auth::fuzzing::authorization },
    Target { name: "jwt_claims", run: auth::fuzzing::claims },
    Target { name: "kafka_event", run: kafka::fuzzing::event },
    Target { name: "price_answer", run: prices::fuzzing::answer },
    Target { name: "quote_answer", run: quotes::fuzzing::answer },
    Target { name: "rpc_answer", run: rpc::fuzzing::answer },
    Target { name: "solana_message", run: solana::fuzzing::message },
    Target { name: "solana_result", run: solana::fuzzing::result },
    Target { name: "solana_signed", run: solana::fuzzing::signed },
    Target { name: "websocket_message", run: websocket::fuzzing::message },
];

/// Puts bytes to the decoder of that name. For programs of one target.
///
/// # Panics
/// Where there is none; and where something is found.
pub fn run(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    assert!(target.is_some(), "there is no target {name}");
    if let Some(target) = target {
        (target.run)(bytes);
    }
}

/// What a page of a list gave out comes back as what it was.
fn cursor(bytes: &[u8]) -> bool {
    let Ok(version) = std::str::from_utf8(bytes).map_err(drop).and_then(|text| decode_cursor(text).map_err(drop))
    else {
        return false;
    };
    assert_eq!(decode_cursor(&encode_cursor(version)).ok(), Some(version));
    true
}

/// A record's value, its headers missing.
fn event_message(bytes: &[u8]) -> bool {
    record(&Record {
        topic: "mcp.events".to_owned(),
        partition: 0,
        offset: 0,
        timestamp: None,
        key: None,
        value: Some(Bytes::copy_from_slice(bytes)),
        headers: vec![],
    })
}

/// An event that was read is written as one that reads the same; poison is described briefly.
pub(crate) fn record(record: &Record) -> bool {
    let kind = event_type(record);
    let event = match from_record(record) {
        Ok(event) => event,
        Err(poison) => {
            assert!(poison.message.chars().count() < 1000 && !poison.kind.contains(' '), "{poison:?}");
            return false;
        }
    };
    assert!(event.event_version >= 1);
    assert!(kind.is_some());
    // A number with a fraction may not be printed as it was read; events hold none.
    if !has_fraction(&event.data)
        && let Ok(Message { topic, key, value, headers }) = to_message(&event, &Topics::default())
    {
        let again = Record { topic, partition: 0, offset: 0, timestamp: None, key, value, headers };
        assert_eq!(from_record(&again).ok().as_ref(), Some(&event));
    }
    payload::<EmotionEvent>(&event);
    payload::<MemoryEvent>(&event);
    payload::<PriceEvent>(&event);
    payload::<TransactionEvent>(&event);
    payload::<WatchEvent>(&event);
    true
}

/// A payload that was read is written as one that reads the same.
fn payload<E: DomainEvent>(event: &RecordedEvent) {
    let Ok(read) = event.decode::<E>() else { return };
    let (Ok(written), Some(schema)) = (read.to_value(), E::schema_version_of(read.event_type())) else { return };
    let again = E::decode(read.event_type(), schema, &written).and_then(|again| {
        let kind = again.event_type().to_owned();
        again.to_value().map_err(|source| crate::domain::DecodeError::Malformed { event_type: kind, source })
    });
    assert_eq!(again.ok(), Some(written));
}

fn has_fraction(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Number(number) => number.is_f64(),
        serde_json::Value::Array(items) => items.iter().any(has_fraction),
        serde_json::Value::Object(members) => members.values().any(has_fraction),
        _ => false,
    }
}
