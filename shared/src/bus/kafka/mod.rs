//! Kafka, through librdkafka. Its client has threads of its own, but no message is left in them when a call returns.
//!
//! A process may be frozen between two calls, for minutes: connections that were open may then be dead without knowing
//! it. So every call has a deadline, a request that is not answered is sent again on a new connection within it, and a
//! client that lay unused for long, or failed, is thrown away for a new one.

mod client;
mod consumer;
#[cfg(feature = "msk")]
mod msk;
mod producer;

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use tokio::task::spawn_blocking;

use self::client::{Client, Context};
use self::consumer::KafkaConsumer;
use self::producer::Producer;
use super::{Bus, BusError, Consumer, Message, PartitionState, Publisher, Record, Start, TopicSpec};
use crate::platform::BoxFuture;
use crate::platform::clock::Clock;
use crate::platform::config::KafkaConfig;

/// How long one question to the brokers may take.
const DEADLINE: Duration = Duration::from_secs(10);
/// How long a read waits for a record that should be there.
const READ_WAIT: Duration = Duration::from_secs(5);

/// A cluster. Nothing is opened before the first call.
pub struct KafkaBus {
    client: Arc<Client>,
    producer: Producer,
}

impl KafkaBus {
    /// The cluster that the configuration names. Needs a Tokio runtime around it.
    ///
    /// # Errors
    /// [`BusError::Refused`] for a setting that needs a part that was not built in.
    pub fn new(config: KafkaConfig, clock: Arc<dyn Clock>) -> Result<Self, BusError> {
        let client = Arc::new(Client::new(config)?);
        Ok(Self { producer: Producer::new(client.clone(), clock), client })
    }

    /// Asks the brokers something, by a client of its own. Where they cannot be reached, their addresses may be wrong.
    async fn ask<T, F: Future<Output = Result<T, BusError>> + Send>(
        &self,
        question: impl FnOnce(ClientConfig) -> F + Send,
    ) -> Result<T, BusError> {
        let (config, origin) = self.client.config().await?;
        let answer = question(config).await;
        if matches!(answer, Err(BusError::Unavailable(_))) {
            self.client.doubt(origin);
        }
        answer
    }

    /// A consumer that is no member of any group, for blocking calls.
    async fn plain(&self, mut config: ClientConfig, group: &str) -> Result<BaseConsumer<Context>, BusError> {
        config
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            // How long a commit looks for the group's coordinator.
            .set("session.timeout.ms", "6000")
            .set("auto.offset.reset", "earliest")
            .set("fetch.wait.max.ms", "100");
        self.open(config, |consumer: &BaseConsumer<Context>| consumer.client()).await
    }

    /// A client that nobody polls, let in. `inner` is what all kinds of clients have in common.
    async fn open<T: FromClientConfigAndContext<Context> + Send + 'static>(
        &self,
        config: ClientConfig,
        inner: impl FnOnce(&T) -> &rdkafka::client::Client<Context> + Send + 'static,
    ) -> Result<T, BusError> {
        let context = self.client.context();
        let opened = spawn_blocking(move || {
            let client: T = config.create_with_context(context.clone()).map_err(|error| failure(&error))?;
            context.let_in(inner(&client))?;
            Ok(client)
        });
        opened.await.unwrap_or_else(|_| Err(BusError::Unavailable("the call was given up".to_owned())))
    }
}

impl Publisher for KafkaBus {
    fn publish(&self, messages: Vec<Message>, within: Duration) -> BoxFuture<'_, Vec<Result<(), BusError>>> {
        Box::pin(self.producer.publish(messages, within))
    }
}

impl Bus for KafkaBus {
    fn create_topics<'a>(&'a self, topics: &'a [TopicSpec]) -> BoxFuture<'a, Result<Vec<String>, BusError>> {
        Box::pin(self.ask(move |config| async move {
            let admin = self.open(config, AdminClient::<Context>::inner).await?;
            let settings: Vec<_> = topics.iter().map(settings).collect();
            let new = topics.iter().zip(&settings).map(|(topic, (retention, max_bytes))| {
                // As many replicas as the brokers' configuration says.
                NewTopic::new(&topic.name, topic.partitions, TopicReplication::Fixed(-1))
                    .set("retention.ms", retention)
                    .set("max.message.bytes", max_bytes)
            });
            let new: Vec<_> = new.collect();
            let options = AdminOptions::new().request_timeout(Some(DEADLINE)).operation_timeout(Some(DEADLINE));
            let results = admin.create_topics(&new, &options).await.map_err(|error| failure(&error))?;
            let mut created = vec![];
            for result in results {
                match result {
                    Ok(name) => created.push(name),
                    Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                    Err((name, code)) => return Err(of_code(code, &format!("topic {name}: {code}"))),
                }
            }
            let place = |name: &String| topics.iter().position(|topic| topic.name == *name);
            created.sort_by_key(place);
            Ok(created)
        }))
    }

    fn subscribe<'a>(
        &'a self,
        group: &'a str,
        topic: &'a str,
        start: Start,
    ) -> BoxFuture<'a, Result<Box<dyn Consumer>, BusError>> {
        Box::pin(async move {
            let (mut config, _) = self.client.config().await?;
            config
                .set("group.id", group)
                .set("enable.auto.commit", "false")
                .set("session.timeout.ms", "30000")
                .set("heartbeat.interval.ms", "3000")
                // A batch is handled, with all its retries, between two polls.
                .set("max.poll.interval.ms", "600000")
                .set("topic.metadata.refresh.interval.ms", "30000")
                .set("fetch.wait.max.ms", "100")
                .set("queued.max.messages.kbytes", "16384")
                .set("auto.offset.reset", if start == Start::Earliest { "earliest" } else { "latest" });
            let consumer: StreamConsumer<Context> =
                config.create_with_context(self.client.context()).map_err(|error| failure(&error))?;
            consumer.subscribe(&[topic]).map_err(|error| failure(&error))?;
            let consumer: Box<dyn Consumer> = Box::new(KafkaConsumer::new(consumer, topic));
            Ok(consumer)
        })
    }

    fn partitions<'a>(
        &'a self,
        group: &'a str,
        topic: &'a str,
    ) -> BoxFuture<'a, Result<Vec<PartitionState>, BusError>> {
        Box::pin(self.ask(move |config| async move {
            let (consumer, topic) = (self.plain(config, group).await?, topic.to_owned());
            blocking(move || partition_states(&consumer, &topic)).await
        }))
    }

    fn read<'a>(
        &'a self,
        topic: &'a str,
        partition: i32,
        offset: i64,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Record>, BusError>> {
        Box::pin(self.ask(move |config| async move {
            let consumer = self.plain(config, "mcp-server.reader").await?;
            let from = assignment(topic, &[(partition, offset)])?;
            blocking(move || {
                consumer.assign(&from)?;
                let (mut records, started) = (vec![], Instant::now());
                while records.len() < limit && started.elapsed() < DEADLINE {
                    match consumer.poll(READ_WAIT) {
                        None | Some(Err(KafkaError::PartitionEOF(_))) => break,
                        // One broker of several may be away.
                        Some(Err(error)) if consumer::passes(&error) => {}
                        Some(message) => records.push(consumer::record(&message?)),
                    }
                }
                Ok(records)
            })
            .await
        }))
    }

    fn delete_before<'a>(&'a self, topic: &'a str, offsets: &'a [(i32, i64)]) -> BoxFuture<'a, Result<(), BusError>> {
        Box::pin(self.ask(move |config| async move {
            let admin = self.open(config, AdminClient::<Context>::inner).await?;
            let options = AdminOptions::new().request_timeout(Some(DEADLINE)).operation_timeout(Some(DEADLINE));
            let deleted = admin.delete_records(&assignment(topic, offsets)?, &options).await;
            let deleted = deleted.map_err(|error| failure(&error))?;
            for partition in deleted.elements() {
                partition.error().map_err(|error| failure(&error))?;
            }
            Ok(())
        }))
    }

    fn commit<'a>(
        &'a self,
        group: &'a str,
        topic: &'a str,
        offsets: &'a [(i32, i64)],
    ) -> BoxFuture<'a, Result<(), BusError>> {
        Box::pin(self.ask(move |config| async move {
            let (consumer, offsets) = (self.plain(config, group).await?, assignment(topic, offsets)?);
            blocking(move || consumer.commit(&offsets, CommitMode::Sync)).await
        }))
    }
}

fn settings(topic: &TopicSpec) -> (String, String) {
    let retention = topic.retention.map_or(-1, |kept| i64::try_from(kept.as_millis()).unwrap_or(-1));
    (retention.to_string(), topic.max_message_bytes.to_string())
}

fn partition_states(consumer: &BaseConsumer<Context>, topic: &str) -> Result<Vec<PartitionState>, KafkaError> {
    let metadata = consumer.fetch_metadata(Some(topic), DEADLINE)?;
    let Some(found) = metadata.topics().first() else { return Ok(vec![]) };
    match found.error().map(RDKafkaErrorCode::from) {
        None => {}
        Some(RDKafkaErrorCode::UnknownTopic | RDKafkaErrorCode::UnknownTopicOrPartition) => return Ok(vec![]),
        Some(code) => return Err(KafkaError::MetadataFetch(code)),
    }
    let numbers: Vec<_> = found.partitions().iter().map(rdkafka::metadata::MetadataPartition::id).collect();
    let mut asked = TopicPartitionList::new();
    for partition in &numbers {
        asked.add_partition(topic, *partition);
    }
    let committed = consumer.committed_offsets(asked, DEADLINE)?;
    let mut states = vec![];
    for partition in numbers {
        let (first, end) = consumer.fetch_watermarks(topic, partition, DEADLINE)?;
        let committed = match committed.find_partition(topic, partition).map(|found| found.offset()) {
            Some(Offset::Offset(offset)) => Some(offset),
            _ => None,
        };
        states.push(PartitionState { partition, first, end, committed });
    }
    states.sort_by_key(|state| state.partition);
    Ok(states)
}

fn assignment(topic: &str, offsets: &[(i32, i64)]) -> Result<TopicPartitionList, BusError> {
    let mut list = TopicPartitionList::new();
    for (partition, offset) in offsets {
        list.add_partition_offset(topic, *partition, Offset::Offset(*offset)).map_err(|error| failure(&error))?;
    }
    Ok(list)
}

/// Calls of librdkafka that wait do so on a thread of their own, and are awaited: nothing is left behind.
async fn blocking<T: Send + 'static>(
    call: impl FnOnce() -> Result<T, KafkaError> + Send + 'static,
) -> Result<T, BusError> {
    match spawn_blocking(call).await {
        Ok(result) => result.map_err(|error| failure(&error)),
        Err(_) => Err(BusError::Unavailable("the call was given up".to_owned())),
    }
}

fn failure(error: &KafkaError) -> BusError {
    match error.rdkafka_error_code() {
        Some(code) => of_code(code, &error.to_string()),
        None => BusError::Unavailable(error.to_string()),
    }
}

/// What the brokers will not take today or tomorrow. Everything else may pass.
fn of_code(code: RDKafkaErrorCode, text: &str) -> BusError {
    use RDKafkaErrorCode as Code;

    match code {
        Code::MessageSizeTooLarge
        | Code::InvalidMessageSize
        | Code::InvalidRecord
        | Code::InvalidTopic
        | Code::InvalidPartitions
        | Code::InvalidConfig
        | Code::TopicAuthorizationFailed
        | Code::GroupAuthorizationFailed
        | Code::ClusterAuthorizationFailed => BusError::Refused(text.to_owned()),
        _ => BusError::Unavailable(text.to_owned()),
    }
}
