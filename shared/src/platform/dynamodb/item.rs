//! Items: their keys, and what an attribute's value means.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::platform::clock::Timestamp;

/// An item, or its key.
pub(crate) type Item = HashMap<String, AttributeValue>;

pub(crate) fn key(pk: &str, sk: &str) -> Item {
    HashMap::from([("pk".to_owned(), text(pk)), ("sk".to_owned(), text(sk))])
}

pub(crate) fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

pub(crate) fn number(value: impl Into<i64>) -> AttributeValue {
    AttributeValue::N(value.into().to_string())
}

pub(crate) fn read_text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

pub(crate) fn read_number<T: std::str::FromStr>(item: &Item, name: &str) -> Option<T> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

/// Bytes of an item as DynamoDB counts them, or a few more: it takes 400 KB at most.
pub(crate) fn size(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + value_size(value)).sum()
}

fn value_size(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(digits) => digits.len(),
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        AttributeValue::M(map) => 3 + size(map) + map.len(),
        AttributeValue::L(list) => 3 + list.iter().map(|value| value_size(value) + 1).sum::<usize>(),
        _ => 1,
    }
}

/// Seconds since 1970, rounded up: nothing is forgotten before its time.
pub(crate) fn seconds(at: Timestamp) -> i64 {
    at.timestamp().saturating_add(i64::from(at.timestamp_subsec_nanos() > 0))
}

/// Whether the time of an item is over, to the second. DynamoDB deletes what is over only some day.
pub(crate) fn is_over(item: &Item, now: Timestamp) -> bool {
    read_number(item, "expires").is_none_or(|expires: i64| expires <= now.timestamp())
}

pub(crate) fn put_time(item: &mut Item, name: &str, at: Option<Timestamp>) {
    if let Some(at) = at {
        item.insert(name.to_owned(), number(at.timestamp_micros()));
    }
}

pub(crate) fn read_time(item: &Item, name: &str) -> Option<Timestamp> {
    Timestamp::from_timestamp_micros(read_number(item, name)?)
}
