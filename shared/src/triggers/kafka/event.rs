//! The JSON that Lambda and its Kafka event source mapping exchange
//! (<https://docs.aws.amazon.com/lambda/latest/dg/with-kafka.html>): keys and values in base64, the bytes of a header as
//! an array of signed numbers, records by `topic-partition`. The answer names what has to come again:
//! `{"batchItemFailures": [{"itemIdentifier": {"partition": "mcp.events-0", "offset": 42}}]}`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::bus::Record;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    #[serde(borrow)]
    event_source: Cow<'a, str>,
    #[serde(borrow)]
    records: BTreeMap<String, Vec<EventRecord<'a>>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct EventRecord<'a> {
    #[serde(borrow)]
    topic: Cow<'a, str>,
    partition: i32,
    offset: i64,
    #[serde(default)]
    timestamp: Option<i64>,
    #[serde(default)]
    timestamp_type: Option<Cow<'a, str>>,
    #[serde(default)]
    key: Option<Cow<'a, str>>,
    #[serde(default)]
    value: Option<Cow<'a, str>>,
    /// An object with one member each.
    #[serde(default)]
    headers: Vec<BTreeMap<String, Option<Vec<i16>>>>,
}

/// What is no batch from Kafka.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// Not the JSON that it should be.
    #[error("not an event of a Kafka event source mapping: {0}")]
    Malformed(#[from] serde_json::Error),
    /// From somewhere else.
    #[error("an event of {0:?}, not of Kafka")]
    Source(String),
    /// Base64 that is none, or a header's byte that is none.
    #[error("{partition}, offset {offset}: the {part} cannot be decoded")]
    Undecodable {
        /// The partition, as the event names it.
        partition: String,
        /// The record.
        offset: i64,
        /// What of it.
        part: &'static str,
    },
}

/// The records of an event: for each partition, as the event names it, in order.
///
/// # Errors
/// [`EventError`].
pub fn decode(event: &str) -> Result<Vec<(String, Vec<Record>)>, EventError> {
    let event: Event<'_> = serde_json::from_str(event)?;
    if !["aws:kafka", "aws:SelfManagedKafka", "SelfManagedKafka"].contains(&event.event_source.as_ref()) {
        return Err(EventError::Source(event.event_source.into_owned()));
    }
    let partition = |(name, records): (String, Vec<EventRecord<'_>>)| {
        let records = records.into_iter().map(|record| record.decode(&name)).collect::<Result<_, _>>()?;
        Ok((name, records))
    };
    event.records.into_iter().map(partition).collect()
}

impl EventRecord<'_> {
    fn decode(self, partition: &str) -> Result<Record, EventError> {
        let undecodable = |part| EventError::Undecodable { partition: partition.to_owned(), offset: self.offset, part };
        let bytes = |text: Option<Cow<'_, str>>, part| {
            text.map(|text| STANDARD.decode(text.as_bytes()).map(Bytes::from).map_err(|_| undecodable(part)))
                .transpose()
        };
        let mut headers = Vec::with_capacity(self.headers.len());
        for (name, value) in self.headers.into_iter().flatten() {
            headers.push((name, value.map(unsigned).transpose().map_err(|()| undecodable("header"))?));
        }
        Ok(Record {
            partition: self.partition,
            offset: self.offset,
            timestamp: self.timestamp,
            key: bytes(self.key, "key")?,
            value: bytes(self.value, "value")?,
            headers,
            topic: self.topic.into_owned(),
        })
    }
}

/// Bytes from numbers that are signed (as Java has them) or not.
fn unsigned(numbers: Vec<i16>) -> Result<Bytes, ()> {
    let byte = |number: i16| match number {
        -128..0 => u8::try_from(number + 256).map_err(drop),
        _ => u8::try_from(number).map_err(drop),
    };
    numbers.into_iter().map(byte).collect::<Result<Vec<_>, _>>().map(Bytes::from)
}

/// The answer that has these partitions come again, each from an offset.
pub(super) fn answer<'a>(failed: impl Iterator<Item = (&'a str, i64)>) -> Value {
    let failure = |(partition, offset)| json!({ "itemIdentifier": { "partition": partition, "offset": offset } });
    json!({ "batchItemFailures": failed.map(failure).collect::<Vec<_>>() })
}

/// The event for a batch.
#[cfg(feature = "local")]
pub(in crate::triggers) fn encode<'a>(records: impl Iterator<Item = &'a Record>) -> Result<String, serde_json::Error> {
    let base64 = |bytes: &Option<Bytes>| bytes.as_ref().map(|bytes| Cow::Owned(STANDARD.encode(bytes)));
    let signed = |bytes: &Bytes| bytes.iter().map(|byte| i16::from(byte.cast_signed())).collect();
    let mut partitions: BTreeMap<String, Vec<EventRecord<'a>>> = BTreeMap::new();
    for record in records {
        partitions.entry(name_of(record)).or_default().push(EventRecord {
            topic: Cow::Borrowed(&record.topic),
            partition: record.partition,
            offset: record.offset,
            timestamp: record.timestamp,
            timestamp_type: Some(Cow::Borrowed("CREATE_TIME")),
            key: base64(&record.key),
            value: base64(&record.value),
            headers: record
                .headers
                .iter()
                .map(|(name, value)| [(name.clone(), value.as_ref().map(signed))].into())
                .collect(),
        });
    }
    serde_json::to_string(&Event { event_source: Cow::Borrowed("aws:kafka"), records: partitions })
}

/// What an answer to a batch says: for each partition that has to come again, from which offset. `None` for an answer
/// that the mapping would not understand (or one about what was not in the batch): all of it comes again.
#[cfg(feature = "local")]
pub(in crate::triggers) fn failed_offsets(answer: &Value, batch: &[Record]) -> Option<BTreeMap<i32, i64>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Answer {
        batch_item_failures: Vec<Failure>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Failure {
        item_identifier: Item,
    }
    #[derive(Deserialize)]
    struct Item {
        partition: String,
        offset: i64,
    }

    // Lambda takes no answer at all for success.
    if answer.is_null() {
        return Some(BTreeMap::new());
    }
    let answer: Answer = serde_json::from_value(answer.clone()).ok()?;
    let mut failed: BTreeMap<i32, i64> = BTreeMap::new();
    for Failure { item_identifier: Item { partition, offset } } in answer.batch_item_failures {
        let record = batch.iter().find(|record| record.offset == offset && name_of(record) == partition)?;
        let lowest = failed.entry(record.partition).or_insert(offset);
        *lowest = offset.min(*lowest);
    }
    Some(failed)
}

#[cfg(feature = "local")]
fn name_of(record: &Record) -> String {
    format!("{}-{}", record.topic, record.partition)
}

#[cfg(all(test, feature = "local"))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes() -> impl Strategy<Value = Option<Bytes>> {
        prop::option::of(prop::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from))
    }

    prop_compose! {
        fn record()(partition in 0..3, offset in 0..9_i64, timestamp in prop::option::of(any::<i64>()), key in bytes(),
                    value in bytes(), headers in prop::collection::vec((".{0,8}", bytes()), 0..4)) -> Record {
            Record { topic: "mcp.events".to_owned(), partition, offset, timestamp, key, value, headers }
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(records in prop::collection::vec(record(), 0..20)) {
            let decoded = decode(&encode(records.iter()).unwrap()).unwrap();
            for (name, partition) in &decoded {
                let wanted: Vec<_> = records.iter().filter(|record| name_of(record) == *name).cloned().collect();
                prop_assert_eq!(partition, &wanted);
            }
            prop_assert_eq!(decoded.iter().map(|(_, records)| records.len()).sum::<usize>(), records.len());
        }

        #[test]
        fn garbage_is_an_error_and_no_panic(text in ".{0,200}") {
            prop_assert!(decode(&text).is_err());
        }
    }

    #[test]
    fn an_event_as_in_the_documentation_is_read() {
        let event = json!({
            "eventSource": "aws:kafka",
            "eventSourceArn": "arn:aws:kafka:us-east-1:123456789012:cluster/vpc/abcd",
            "bootstrapServers": "b-2.demo:9092,b-1.demo:9092",
            "records": { "mytopic-0": [{
                "topic": "mytopic", "partition": 0, "offset": 15, "timestamp": 1_545_084_650_987_i64,
                "timestampType": "CREATE_TIME", "key": "a2V5", "value": "SGVsbG8=",
                "headers": [{ "headerKey": [104, -1, 255] }, { "none": null }],
            }, { "topic": "mytopic", "partition": 0, "offset": 16, "value": null }] },
        });
        let decoded = decode(&event.to_string()).unwrap();
        let [(name, records)] = decoded.as_slice() else { panic!("{decoded:?}") };
        assert_eq!(name, "mytopic-0");
        assert_eq!((records[0].key.as_deref(), records[0].value.as_deref()), (Some(&b"key"[..]), Some(&b"Hello"[..])));
        assert_eq!(records[0].headers[0].1.as_deref(), Some(&[104, 255, 255][..]));
        assert_eq!((&records[0].headers[1].1, &records[1].value, &records[1].key), (&None, &None, &None));
    }

    #[test]
    fn what_cannot_be_decoded_is_named() {
        let with = |key: &str, value: Value| {
            let mut record = json!({ "topic": "t", "partition": 0, "offset": 7 });
            record[key] = value;
            let event = json!({ "eventSource": "aws:kafka", "records": { "t-0": [record] } });
            decode(&event.to_string()).unwrap_err().to_string()
        };
        assert!(with("value", json!("***")).contains("t-0, offset 7: the value"));
        assert!(with("headers", json!([{ "h": [256] }])).contains("the header"));
        assert!(decode(r#"{"eventSource": "aws:sqs", "records": {}}"#).is_err());
    }

    #[test]
    fn an_answer_about_another_batch_is_not_understood() {
        let record = |partition, offset| Record {
            topic: "t".to_owned(),
            partition,
            offset,
            timestamp: None,
            key: None,
            value: None,
            headers: vec![],
        };
        let batch = [record(0, 5), record(0, 6), record(1, 5)];
        let said = |answer: Value| failed_offsets(&answer, &batch);
        assert_eq!(said(json!({ "batchItemFailures": [] })), Some(BTreeMap::new()));
        assert_eq!(said(Value::Null), Some(BTreeMap::new()));
        let both = answer([("t-0", 6), ("t-0", 5), ("t-1", 5)].into_iter());
        assert_eq!(said(both), Some([(0, 5), (1, 5)].into()));
        for answer in [
            json!({}),
            json!("no"),
            json!({ "batchItemFailures": [{ "itemIdentifier": "t-0" }] }),
            answer([("t-0", 7)].into_iter()),
            answer([("other-0", 5)].into_iter()),
        ] {
            assert_eq!(said(answer), None);
        }
    }
}
