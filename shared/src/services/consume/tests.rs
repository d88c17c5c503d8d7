use std::collections::BTreeMap;
use std::sync::Mutex;

use bytes::Bytes;
use chrono::DateTime;
use futures_util::FutureExt;
use futures_util::future::ready;
use proptest::prelude::*;

use super::*;
use crate::bus::{BusError, Message};
use crate::platform::clock::ManualClock;

/// Does with a record what its value says: `done`, `poison`, `wait`, or `hang`.
#[derive(Default)]
struct Obedient {
    handled: Mutex<Vec<(i32, i64)>>,
    given: Mutex<Vec<usize>>,
}

impl Handler for Obedient {
    fn function(&self) -> &'static str {
        "obedient"
    }

    fn handle<'a>(&'a self, records: &'a [Record]) -> BoxFuture<'a, Vec<Outcome>> {
        self.given.lock().unwrap().push(records.len());
        Box::pin(async move {
            if records.iter().any(|record| record.value.as_deref() == Some(b"hang")) {
                std::future::pending::<()>().await;
            }
            let outcome = |record: &Record| match record.value.as_deref() {
                Some(b"poison") => Outcome::Poison(Poison { kind: "Bad", message: "bad".to_owned() }),
                Some(b"wait") => Outcome::Transient("not now".to_owned()),
                _ => {
                    self.handled.lock().unwrap().push((record.partition, record.offset));
                    Outcome::Done
                }
            };
            records.iter().map(outcome).collect()
        })
    }
}

/// Keeps messages, or refuses them all.
#[derive(Default)]
struct Letters {
    kept: Mutex<Vec<Message>>,
    down: bool,
}

impl Publisher for Letters {
    fn publish(&self, messages: Vec<Message>, _: Duration) -> BoxFuture<'_, Vec<Result<(), BusError>>> {
        let count = messages.len();
        let result = if self.down { Err(BusError::Unavailable("down".to_owned())) } else { Ok(()) };
        if !self.down {
            self.kept.lock().unwrap().extend(messages);
        }
        ready(vec![result; count]).boxed()
    }
}

struct Scene {
    handler: Arc<Obedient>,
    letters: Arc<Letters>,
    consumer: BatchConsumer,
}

fn scene(down: bool) -> Scene {
    let (handler, letters) = (Arc::new(Obedient::default()), Arc::new(Letters { down, ..Letters::default() }));
    let clock = Arc::new(ManualClock::at(DateTime::UNIX_EPOCH));
    let consumer = BatchConsumer::new(handler.clone(), Some(letters.clone()), clock);
    Scene { handler, letters, consumer }
}

fn partition(number: i32, values: &[&'static str]) -> Vec<Record> {
    let record = |(value, offset): (&&'static str, i64)| Record {
        topic: "t".to_owned(),
        partition: number,
        offset,
        timestamp: None,
        key: None,
        value: Some(Bytes::from_static(value.as_bytes())),
        headers: vec![],
    };
    values.iter().zip(10..).map(record).collect()
}

fn in_a_minute() -> Timestamp {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(60)
}

#[tokio::test]
async fn poison_is_buried_and_blocks_nothing() {
    let Scene { handler, letters, consumer } = scene(false);
    let failed = consumer.consume(&[partition(0, &["done", "poison", "done"])], in_a_minute()).await;
    assert_eq!(failed, [None]);
    assert_eq!(*handler.handled.lock().unwrap(), [(0, 10), (0, 12)]);
    let kept = letters.kept.lock().unwrap();
    assert_eq!((kept.len(), kept[0].topic.as_str(), kept[0].value.as_deref()), (1, "t.dlq", Some(&b"poison"[..])));
    let group = kept[0].headers.iter().find(|(name, _)| name == "kafka_dlt-original-consumer-group").unwrap();
    assert_eq!(group.1.as_deref(), Some(&b"mcp-server.obedient.t"[..]));
}

#[tokio::test]
async fn a_record_that_has_to_wait_stops_its_partition_and_no_other() {
    let Scene { letters, consumer, .. } = scene(false);
    let partitions = [partition(0, &["poison", "wait", "poison"]), partition(1, &["done"]), partition(2, &["wait"])];
    assert_eq!(consumer.consume(&partitions, in_a_minute()).await, [Some(11), None, Some(10)]);
    assert_eq!(letters.kept.lock().unwrap().len(), 1, "what comes after is not decided yet");
}

#[tokio::test]
async fn a_dead_letter_that_is_not_taken_makes_its_record_wait() {
    let Scene { consumer, .. } = scene(true);
    let partitions = [partition(0, &["done", "poison", "done"]), partition(1, &["done", "wait"])];
    assert_eq!(consumer.consume(&partitions, in_a_minute()).await, [Some(11), Some(11)]);
}

#[tokio::test(start_paused = true)]
async fn one_record_that_hangs_holds_back_none_before_it() {
    let Scene { handler, consumer, .. } = scene(false);
    let failed = consumer.consume(&[partition(0, &["done", "done", "done", "hang", "done"])], in_a_minute()).await;
    assert_eq!(failed, [Some(13)]);
    assert_eq!(*handler.handled.lock().unwrap(), [(0, 10), (0, 11), (0, 12)]);
    assert_eq!(handler.given.lock().unwrap()[0], 5, "at first all at once");
}

#[tokio::test]
async fn without_time_nothing_is_begun() {
    let Scene { handler, consumer, .. } = scene(false);
    let failed = consumer.consume(&[partition(0, &["done"]), partition(1, &[])], DateTime::UNIX_EPOCH).await;
    assert_eq!(failed, [Some(10), None]);
    assert!(handler.handled.lock().unwrap().is_empty());
}

proptest! {
    /// Whatever the values: below the offset that is reported, every record is handled once or buried once; from there
    /// on, nothing is buried.
    #[test]
    fn every_record_is_handled_buried_or_reported(
        values in prop::collection::vec(prop::sample::select(vec!["done", "poison", "wait"]), 0..30),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let Scene { handler, letters, consumer } = scene(false);
        let records = partition(0, &values);
        let failed = runtime.block_on(consumer.consume(std::slice::from_ref(&records), in_a_minute()))[0];
        let first_wait = values.iter().position(|value| *value == "wait");
        prop_assert_eq!(failed, first_wait.map(|place| records[place].offset));
        let below = &values[..first_wait.unwrap_or(values.len())];
        let mut wanted: BTreeMap<&str, usize> = BTreeMap::new();
        for value in below {
            *wanted.entry(value).or_default() += 1;
        }
        prop_assert_eq!(letters.kept.lock().unwrap().len(), wanted.get("poison").copied().unwrap_or(0));
        let handled = handler.handled.lock().unwrap();
        let limit = failed.unwrap_or(i64::MAX);
        prop_assert_eq!(handled.iter().filter(|(_, offset)| *offset < limit).count(), wanted.get("done").copied().unwrap_or(0));
    }
}
