//! What a bus promises, told against Kafka and the log in this process.

mod consuming;
mod kafka_only;
mod publishing;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mcp_core::bus::in_process::InProcessBus;
use mcp_core::bus::kafka::KafkaBus;
use mcp_core::bus::{Bus, Consumer, Message, Record, TopicSpec};
use mcp_core::platform::clock::SystemClock;
use mcp_core::platform::config::{KafkaConfig, Vars};
use support::folder::Folder;
use support::services::kafka_brokers;
use uuid::Uuid;

/// Makes each promise a test on each backend.
macro_rules! bus_contract {
    ($($promise:ident),* $(,)?) => {
        mod in_process {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $promise() {
                    super::$promise($crate::contracts::bus::BusFixture::in_process().await).await;
                }
            )*
        }

        mod kafka {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $promise() {
                    super::$promise($crate::contracts::bus::BusFixture::kafka().await).await;
                }
            )*
        }
    };
}
pub(crate) use bus_contract;

/// A bus with topics of a test's own.
pub(crate) struct BusFixture {
    pub(crate) bus: Arc<dyn Bus>,
    prefix: String,
    folder: Option<Folder>,
}

/// Long enough for a group to form on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const WITHIN: Duration = Duration::from_secs(20);

impl BusFixture {
    pub(crate) async fn in_process() -> Self {
        let folder = Folder::new("bus");
        let bus = InProcessBus::open(folder.path().join("log.db").to_str().unwrap()).await.unwrap();
        Self { bus: Arc::new(bus), prefix: String::new(), folder: Some(folder) }
    }

    pub(crate) async fn kafka() -> Self {
        Self {
            bus: Arc::new(kafka_at(&kafka_brokers())),
            prefix: format!("t{}.", Uuid::now_v7().simple()),
            folder: None,
        }
    }

    /// Another bus on the same topics, as another process has it.
    pub(crate) async fn again(&self) -> Arc<dyn Bus> {
        match &self.folder {
            Some(folder) => Arc::new(InProcessBus::open(folder.path().join("log.db").to_str().unwrap()).await.unwrap()),
            None => Arc::new(kafka_at(&kafka_brokers())),
        }
    }

    pub(crate) fn name(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// A new topic.
    pub(crate) async fn topic(&self, name: &str, partitions: i32) -> String {
        let spec = self.spec(name, partitions);
        let created = self.bus.create_topics(std::slice::from_ref(&spec)).await.unwrap();
        assert!(created.iter().eq([&spec.name]), "{created:?}");
        spec.name
    }

    pub(crate) fn spec(&self, name: &str, partitions: i32) -> TopicSpec {
        TopicSpec { name: self.name(name), partitions, retention: None, max_message_bytes: 1_048_588 }
    }

    pub(crate) async fn publish(&self, messages: Vec<Message>) {
        for result in self.bus.publish(messages, WITHIN).await {
            result.unwrap();
        }
    }
}

pub(crate) fn kafka_at(brokers: &str) -> KafkaBus {
    let vars: Vars = [("KAFKA_BROKERS", brokers)].into_iter().collect();
    KafkaBus::new(KafkaConfig::from_vars(&vars).unwrap().unwrap(), Arc::new(SystemClock)).unwrap()
}

pub(crate) fn message(topic: &str, key: &str, value: &str) -> Message {
    let bytes = |text: &str| Some(Bytes::copy_from_slice(text.as_bytes()));
    Message { topic: topic.to_owned(), key: bytes(key), value: bytes(value), headers: vec![] }
}

pub(crate) fn value(record: &Record) -> String {
    String::from_utf8(record.value.clone().unwrap().to_vec()).unwrap()
}

/// The next `count` records, or more.
pub(crate) async fn take(consumer: &mut dyn Consumer, count: usize) -> Vec<Record> {
    let (started, mut taken) = (Instant::now(), vec![]);
    while taken.len() < count {
        assert!(started.elapsed() < PATIENCE, "{} of {count} records came", taken.len());
        taken.extend(consumer.poll(1_000_000, Duration::from_millis(500)).await.unwrap());
    }
    taken
}
