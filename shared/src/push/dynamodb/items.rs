//! How things are written down: keys, and what an attribute's value means. Names of attributes are short, as every item pays
//! for them; `mod.rs` tells what they stand for.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::platform::auth::{Principal, Role};
use crate::platform::clock::Timestamp;
use crate::platform::dynamodb::{Item, key, number, put_time, read_number, read_text, read_time, seconds, text};
use crate::push::{ConnectionId, Listener, OperationHash};

/// The sort key of what is alone in its partition, or comes first in it.
pub(super) const ALONE: &str = "@";
/// What the sort keys of a connection's slots begin with.
pub(super) const SLOTS: &str = "O#";

pub(super) fn connection_key(id: &ConnectionId) -> Item {
    key(&connection_partition(id), ALONE)
}

pub(super) fn connection_partition(id: &ConnectionId) -> String {
    format!("C#{id}")
}

pub(super) fn slot_key(connection: &ConnectionId, id: &str) -> Item {
    key(&connection_partition(connection), &format!("{SLOTS}{id}"))
}

pub(super) fn listener_partition(topic: Uuid, shard: u32) -> String {
    format!("T#{}#{shard}", topic.simple())
}

pub(super) fn listener_key(topic: Uuid, shard: u8, connection: &ConnectionId, id: &str) -> Item {
    key(&listener_partition(topic, shard.into()), &listener_sort_key(connection, id))
}

/// With the length of the connection's name, as both names may hold anything.
fn listener_sort_key(connection: &ConnectionId, id: &str) -> String {
    format!("{}#{connection}{id}", connection.as_str().len())
}

fn read_listener_sort_key(key: &str) -> Option<(ConnectionId, &str)> {
    let (length, names) = key.split_once('#')?;
    let (connection, id) = names.split_at_checked(length.parse().ok()?)?;
    Some((ConnectionId::new(connection), id))
}

pub(super) fn head_key(topic: Uuid) -> Item {
    key(&format!("H#{}", topic.simple()), ALONE)
}

/// A number that is always the same for a connection, and spreads connections evenly.
pub(super) fn spread(connection: &ConnectionId) -> u8 {
    Sha256::digest(connection.as_str())[0]
}

pub(super) fn put_principal(item: &mut Item, principal: Option<&Principal>) {
    if let Some(Principal { user_id, role, expires_at }) = principal {
        item.insert("u".to_owned(), text(user_id));
        put_role(item, Some(*role));
        put_time(item, "x", *expires_at);
    }
}

pub(super) fn read_principal(item: &Item) -> Option<Principal> {
    let (user_id, role) = (read_text(item, "u")?, read_role(item)?);
    Some(Principal { user_id: user_id.to_owned(), role, expires_at: read_time(item, "x") })
}

fn put_role(item: &mut Item, role: Option<Role>) {
    if let Some(role) = role {
        item.insert("r".to_owned(), text(if role == Role::Admin { "A" } else { "U" }));
    }
}

fn read_role(item: &Item) -> Option<Role> {
    match read_text(item, "r")? {
        "A" => Some(Role::Admin),
        _ => Some(Role::User),
    }
}

/// The row of a listener in a part of a topic, until `ends_at`.
pub(super) fn listener_item(topic: Uuid, shard: u8, listener: &Listener, ends_at: Timestamp) -> Item {
    let mut item = listener_key(topic, shard, &listener.connection, &listener.id);
    item.insert("o".to_owned(), hash_value(&listener.operation));
    put_role(&mut item, listener.role);
    put_time(&mut item, "x", listener.expires_at);
    item.insert("v".to_owned(), number(listener.after));
    item.insert("expires".to_owned(), number(seconds(ends_at)));
    item
}

pub(super) fn read_listener(item: &Item) -> Option<Listener> {
    let (connection, id) = read_listener_sort_key(read_text(item, "sk")?)?;
    let operation = read_hash(item.get("o")?)?;
    let (role, expires_at, after) = (read_role(item), read_time(item, "x"), read_number(item, "v")?);
    Some(Listener { connection, id: id.into(), operation, role, expires_at, after })
}

/// Thirty-two bytes instead of sixty-four characters: every row of a topic has it, and all are read at every event.
fn hash_value(hash: &OperationHash) -> AttributeValue {
    let bytes: Option<Vec<u8>> = (0..hash.0.len())
        .step_by(2)
        .map(|at| hash.0.get(at..at + 2).and_then(|digits| u8::from_str_radix(digits, 16).ok()))
        .collect();
    match bytes {
        Some(bytes) if hexadecimal(&bytes) == *hash.0 => AttributeValue::B(Blob::new(bytes)),
        _ => text(&hash.0),
    }
}

fn read_hash(value: &AttributeValue) -> Option<OperationHash> {
    match value {
        AttributeValue::B(bytes) => Some(OperationHash(hexadecimal(bytes.as_ref()).into())),
        AttributeValue::S(text) => Some(OperationHash(text.as_str().into())),
        _ => None,
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The topics of a slot and the part of each that its row is in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Places(Vec<(Uuid, u8)>);

/// A topic in [`Places`], in bytes: its id and the number of the part.
const PLACE: usize = 17;

impl Places {
    pub(super) fn new(places: Vec<(Uuid, u8)>) -> Self {
        Self(places)
    }

    /// Those of a slot's item; none for what listens to nothing.
    pub(super) fn read(item: &Item) -> Self {
        let bytes = item.get("t").and_then(|value| value.as_b().ok()).map(AsRef::as_ref).unwrap_or_default();
        let (places, _) = <[u8]>::as_chunks::<PLACE>(bytes);
        Self(places.iter().map(|[topic @ .., shard]| (Uuid::from_bytes(*topic), *shard)).collect())
    }

    /// `None` where there is nothing to write down.
    pub(super) fn value(&self) -> Option<AttributeValue> {
        let bytes: Vec<u8> =
            self.0.iter().flat_map(|(topic, shard)| topic.into_bytes().into_iter().chain([*shard])).collect();
        (!bytes.is_empty()).then(|| AttributeValue::B(Blob::new(bytes)))
    }

    pub(super) fn of(&self, topic: Uuid) -> Option<u8> {
        self.0.iter().find(|(each, _)| *each == topic).map(|(_, shard)| *shard)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Uuid, u8)> {
        self.0.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn names_of_listeners_are_read_as_they_were_written() {
        for (connection, id) in [("a#b", "c"), ("a", "b#c"), ("", ""), ("1#", "#\"' \u{1F980}")] {
            let key = listener_sort_key(&ConnectionId::new(connection), id);
            assert_eq!(read_listener_sort_key(&key), Some((ConnectionId::new(connection), id)));
        }
        assert_ne!(
            listener_sort_key(&ConnectionId::new("a#b"), "c"),
            listener_sort_key(&ConnectionId::new("a"), "#bc"),
        );
    }

    #[test]
    fn a_hash_is_read_as_it_was_written() {
        for hash in ["", "0aff", "0AFF", "0af", "none of the kind", "\u{e9}\u{e9}"] {
            let hash = OperationHash(hash.into());
            assert_eq!(read_hash(&hash_value(&hash)), Some(hash));
        }
        assert!(hash_value(&OperationHash("0aff".into())).is_b());
    }

    #[test]
    fn places_are_read_as_they_were_written() {
        let places = Places::new(vec![(Uuid::now_v7(), 255), (Uuid::now_v7(), 0)]);
        let item = HashMap::from([("t".to_owned(), places.value().unwrap())]);
        assert_eq!(Places::read(&item), places);
        assert_eq!(Places::default().value(), None);
    }
}
