use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::ready;

use super::*;
use crate::bus::in_process::InProcessBus;
use crate::bus::{BusError, Message, Publisher, TopicSpec};
use crate::platform::BoxFuture;
use crate::platform::clock::SystemClock;
use crate::services::consume::{Handler, Outcome};

/// Takes note of what it is given; the record `stubborn` has to wait a few times.
#[derive(Default)]
struct Noting {
    seen: Mutex<Vec<String>>,
    refusals: AtomicUsize,
}

impl Handler for Noting {
    fn function(&self) -> &'static str {
        "noting"
    }

    fn handle<'a>(&'a self, records: &'a [Record]) -> BoxFuture<'a, Vec<Outcome>> {
        let outcome = |record: &Record| {
            let value = String::from_utf8_lossy(record.value.as_deref().unwrap()).into_owned();
            if value == "stubborn" && self.refusals.fetch_add(1, Ordering::SeqCst) < 3 {
                return Outcome::Transient("not yet".to_owned());
            }
            self.seen.lock().unwrap().push(value);
            Outcome::Done
        };
        ready(records.iter().map(outcome).collect()).boxed()
    }
}

struct NoLetters;

impl Publisher for NoLetters {
    fn publish(&self, messages: Vec<Message>, _: Duration) -> BoxFuture<'_, Vec<Result<(), BusError>>> {
        ready(messages.iter().map(|_| Ok(())).collect()).boxed()
    }
}

async fn bus() -> Arc<InProcessBus> {
    let bus = InProcessBus::open(":memory:").await.unwrap();
    let spec = TopicSpec { name: "t".to_owned(), partitions: 2, retention: None, max_message_bytes: 1000 };
    bus.create_topics(&[spec]).await.unwrap();
    Arc::new(bus)
}

async fn publish(bus: &InProcessBus, key: &'static str, value: &str) {
    let (key, value) = (Some(Bytes::from_static(key.as_bytes())), Some(Bytes::copy_from_slice(value.as_bytes())));
    let message = Message { topic: "t".to_owned(), key, value, headers: vec![] };
    bus.publish(vec![message], Duration::from_secs(5)).await.remove(0).unwrap();
}

fn pump(bus: &Arc<InProcessBus>, handler: &Arc<Noting>) -> JoinSet<()> {
    let function = BatchConsumer::new(handler.clone(), Some(Arc::new(NoLetters)), Arc::new(SystemClock));
    let mut tasks = JoinSet::new();
    tasks.spawn(Pump::new(bus.clone(), Arc::new(function), "t".to_owned(), Start::Earliest).run());
    tasks
}

async fn until(what: &str, mut so: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if so() {
            return;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("never so: {what}");
}

#[tokio::test]
async fn a_record_that_waits_comes_again_before_those_after_it() {
    let (bus, handler) = (bus().await, Arc::new(Noting::default()));
    for value in ["a", "stubborn", "b"] {
        publish(&bus, "k", value).await;
    }
    let _pumping = pump(&bus, &handler);
    let done =
        || handler.seen.lock().unwrap().contains(&"b".to_owned()) && handler.refusals.load(Ordering::SeqCst) >= 4;
    until("all is handled", done).await;
    let seen = handler.seen.lock().unwrap().clone();
    let last = |value: &str| seen.iter().rposition(|seen| seen == value).unwrap();
    assert!(last("stubborn") < last("b"), "{seen:?}");
}

#[tokio::test]
async fn what_is_handled_is_committed_and_does_not_come_to_the_next_member() {
    let (bus, handler) = (bus().await, Arc::new(Noting::default()));
    publish(&bus, "k", "first").await;
    let mut pumping = pump(&bus, &handler);
    until("the first is handled", || handler.seen.lock().unwrap().len() == 1).await;
    for _ in 0..1000 {
        let states = bus.partitions("mcp-server.noting.t", "t").await.unwrap();
        if states.iter().any(|state| state.committed == Some(1)) {
            break;
        }
        sleep(Duration::from_millis(10)).await;
    }
    pumping.shutdown().await;
    publish(&bus, "k", "second").await;
    let _again = pump(&bus, &handler);
    until("the second is handled", || handler.seen.lock().unwrap().len() >= 2).await;
    assert_eq!(*handler.seen.lock().unwrap(), ["first", "second"]);
}

#[tokio::test]
async fn now_and_then_a_batch_comes_twice() {
    let (bus, handler) = (bus().await, Arc::new(Noting::default()));
    let _pumping = pump(&bus, &handler);
    for n in 0..REDELIVERED {
        publish(&bus, "k", &n.to_string()).await;
        until("it is handled", || handler.seen.lock().unwrap().contains(&n.to_string())).await;
    }
    until("one came twice", || handler.seen.lock().unwrap().len() as u64 > REDELIVERED).await;
}
