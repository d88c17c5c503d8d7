//! How events, heads and snapshots are written down.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::domain::{RecordedEvent, StreamId};
use crate::platform::clock::Timestamp;
use crate::platform::dynamodb::{Item, key, number, read_number, read_text, read_time, size, text};
use crate::store::{Head, Snapshot, StoreError};

/// The sort key of what is alone in its partition, and of a head: behind all versions of its stream.
pub(super) const ALONE: &str = "@";
/// The most bytes of an item.
const LARGEST: usize = 400 * 1024;

pub(super) fn partition(aggregate_id: Uuid) -> String {
    format!("E#{}", aggregate_id.simple())
}

pub(super) fn event_sort_key(version: i32) -> String {
    format!("{version:010}")
}

pub(super) fn head_key(aggregate_id: Uuid) -> Item {
    key(&partition(aggregate_id), ALONE)
}

pub(super) fn snapshot_key(aggregate_id: Uuid, version: i32, schema_version: i32) -> Item {
    key(&partition(aggregate_id), &format!("{version:010}#S{schema_version}"))
}

pub(super) fn newest_snapshot_key(aggregate_id: Uuid, schema_version: i32) -> Item {
    key(&partition(aggregate_id), &format!("@S{schema_version}"))
}

/// The item of an event.
///
/// # Errors
/// [`StoreError::Invalid`] for one that no item can hold.
pub(super) fn event_item(event: &RecordedEvent, now: Timestamp) -> Result<Item, StoreError> {
    let metadata = serde_json::to_string(&event.metadata).map_err(|error| StoreError::Invalid(error.to_string()))?;
    let mut item = key(&partition(event.stream.aggregate_id), &event_sort_key(event.event_version));
    let mut put = |name: &str, value| item.insert(name.to_owned(), value);
    put("i", AttributeValue::B(Blob::new(event.id.into_bytes())));
    put("t", text(&event.stream.aggregate_type));
    put("y", text(&event.event_type));
    put("s", number(event.schema_version));
    put("d", AttributeValue::S(event.data.to_string()));
    put("m", AttributeValue::S(metadata));
    put("c", number(now.timestamp_micros()));
    fits(item)
}

/// An item that is to be written.
///
/// # Errors
/// [`StoreError::Invalid`] where it is larger than any item may be.
pub(super) fn fits(item: Item) -> Result<Item, StoreError> {
    match size(&item) {
        ..=LARGEST => Ok(item),
        size => Err(StoreError::Invalid(format!("an item of {size} bytes; at most {LARGEST} fit"))),
    }
}

/// Whether an item of a stream's partition, or of the table, is an event.
pub(super) fn is_event(item: &Item) -> bool {
    item.contains_key("i")
}

pub(super) fn read_event(item: &Item) -> Result<RecordedEvent, StoreError> {
    let read = || {
        let (aggregate_id, event_version) = (read_aggregate_id(item)?, read_text(item, "sk")?.parse().ok()?);
        let id = Uuid::from_slice(item.get("i")?.as_b().ok()?.as_ref()).ok()?;
        let stream = StreamId { aggregate_type: read_text(item, "t")?.to_owned(), aggregate_id };
        let (event_type, schema_version) = (read_text(item, "y")?.to_owned(), read_number(item, "s")?);
        Some((id, stream, event_version, event_type, schema_version))
    };
    let (id, stream, event_version, event_type, schema_version) = read().ok_or_else(|| unreadable("an event"))?;
    let (data, metadata) = (json(item, "d")?, json(item, "m")?);
    Ok(RecordedEvent { id, stream, event_version, event_type, schema_version, data, metadata })
}

/// The stream that an item of its partition belongs to.
pub(super) fn read_aggregate_id(item: &Item) -> Option<Uuid> {
    read_text(item, "pk")?.strip_prefix("E#")?.parse().ok()
}

/// The snapshot that an item is, if it is one of that schema. One that is no JSON is none.
pub(super) fn read_snapshot(item: &Item, schema_version: i32) -> Option<Snapshot> {
    let (version, schema) = read_text(item, "sk")?.split_once("#S")?;
    let is_wanted = schema.parse() == Ok(schema_version);
    let state = is_wanted.then(|| json(item, "d").ok()).flatten()?;
    Some(Snapshot { version: version.parse().ok()?, schema_version, state })
}

/// A stream's head, with all that the outbox needs of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HeadItem {
    pub(super) stream: StreamId,
    pub(super) head: Head,
    pub(super) queued_at: String,
}

pub(super) fn read_head(item: &Item) -> Result<HeadItem, StoreError> {
    let read = || {
        let stream =
            StreamId { aggregate_type: read_text(item, "t")?.to_owned(), aggregate_id: read_aggregate_id(item)? };
        let (version, published_version) = (read_number(item, "v")?, read_number(item, "p")?);
        let head = Head { version, published_version, lease_until: read_time(item, "u") };
        Some(HeadItem { stream, head, queued_at: read_text(item, "q")?.to_owned() })
    };
    read().ok_or_else(|| unreadable("a head"))
}

/// A time as text in its order.
pub(super) fn sortable(at: Timestamp) -> String {
    format!("{:020}", at.timestamp_micros().max(0))
}

pub(super) fn json<T: DeserializeOwned>(item: &Item, name: &str) -> Result<T, StoreError> {
    let text = read_text(item, name).ok_or_else(|| unreadable("JSON"))?;
    serde_json::from_str(text).map_err(|error| StoreError::Failed(format!("stored JSON: {error}")))
}

pub(super) fn unreadable(what: &str) -> StoreError {
    StoreError::Failed(format!("the item of {what} cannot be read"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_has_400_kilobytes_at_most() {
        let of = |length: usize| Item::from([("a".to_owned(), text(&"x".repeat(length)))]);
        assert!(fits(of(LARGEST - 1)).is_ok());
        assert!(matches!(fits(of(LARGEST)), Err(StoreError::Invalid(_))));
    }
}
