//! One deployment: a database, topics of its own, the functions on them, and the event source mappings between.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mcp_core::bus::kafka::KafkaBus;
use mcp_core::bus::{Bus, Message, Publisher, Record, Topics};
use mcp_core::domain::emotion::{Emotion, EmotionEvent, EmotionUpdated};
use mcp_core::domain::{NewEvent, RecordedEvent, StreamId};
use mcp_core::platform::clock::SystemClock;
use mcp_core::platform::secret::Secret;
use mcp_core::services::relay::Relay;
use mcp_core::store::Expected::Any;
use mcp_core::store::Store;
use mcp_core::store::postgres::PostgresStore;
use serde_json::{Map, Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use support::eventually::eventually;
use support::lambda::Lambda;
use support::services::{fresh_postgres_database, kafka_brokers, topic_prefix};

use crate::contracts::build::{part, together};
use crate::contracts::kafka_at;

/// A deployment without its functions: a test starts those it needs.
pub(crate) struct Deployment {
    pub(crate) database: String,
    pub(crate) brokers: String,
    pub(crate) prefix: String,
    pub(crate) topics: Topics,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) bus: Arc<KafkaBus>,
}

impl Deployment {
    /// One with its schema and topics, on the shared services.
    pub(crate) async fn new() -> Self {
        Self::on(kafka_brokers()).await
    }

    /// The same on another Kafka.
    pub(crate) async fn on(brokers: String) -> Self {
        let deployment = Self::without_topics_on(brokers).await;
        deployment.create_topics().await;
        deployment
    }

    /// One without its topics: they stay in the shared Kafka, which only takes so many, and not everybody publishes.
    pub(crate) async fn without_topics() -> Self {
        Self::without_topics_on(kafka_brokers()).await
    }

    pub(crate) async fn create_topics(&self) {
        self.bus.create_topics(&self.topics.specs()).await.unwrap();
    }

    async fn without_topics_on(brokers: String) -> Self {
        let (database, prefix) = (fresh_postgres_database().await, topic_prefix());
        let topics = Topics::with_prefix(&prefix);
        let store = Arc::new(PostgresStore::connect(&Secret::new(&database), 8).unwrap());
        let bus = Arc::new(kafka_at(&brokers));
        let deployment = Self { database, brokers, prefix, topics, store, bus };
        deployment.store.migrate().await.unwrap();
        deployment
    }

    pub(crate) async fn start(&self, function: &str) -> Lambda {
        self.start_with(function, &[]).await
    }

    pub(crate) async fn start_with(&self, function: &str, more: &[(&str, &str)]) -> Lambda {
        let mut variables = BTreeMap::from([
            ("DATABASE_URL", self.database.as_str()),
            ("KAFKA_BROKERS", self.brokers.as_str()),
            ("KAFKA_TOPIC_PREFIX", self.prefix.as_str()),
        ]);
        variables.extend(more.iter().copied());
        Lambda::start(function, &variables.into_iter().collect::<Vec<_>>()).await
    }

    /// The topic of a kind of aggregate.
    pub(crate) fn topic(&self, aggregate_type: &str) -> String {
        self.topics.of(aggregate_type)
    }

    /// The relay, in the test's own process.
    pub(crate) fn relay(&self) -> Relay {
        let (store, bus) = (self.store.clone(), self.bus.clone());
        Relay { store, bus, topics: self.topics.clone(), clock: Arc::new(SystemClock), meter: Arc::default() }
    }

    /// Publishes everything.
    pub(crate) async fn relay_all(&self) {
        let summary = self.relay().run(chrono::Utc::now() + chrono::TimeDelta::seconds(120)).await.unwrap();
        assert_eq!(summary.backlog_events, Some(0));
    }

    pub(crate) async fn publish(&self, messages: Vec<Message>) {
        for result in self.bus.publish(messages, Duration::from_secs(20)).await {
            result.unwrap();
        }
    }

    /// Every record of a topic, partition by partition.
    pub(crate) async fn records(&self, topic: &str) -> Vec<Record> {
        let mut mapping = Mapping::of(self, topic);
        mapping.read(usize::MAX).await
    }

    /// As if time passed: claims of relays that died run out.
    pub(crate) async fn let_leases_run_out(&self) {
        self.sql("UPDATE stream_heads SET lease_until = now() - interval '1 hour' WHERE lease_until IS NOT NULL").await;
        self.sql("DELETE FROM leases").await;
    }

    pub(crate) async fn sql(&self, sql: &str) {
        let mut connection = PgConnection::connect(&self.database).await.expect("the database answers");
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.expect("it is carried out");
    }

    pub(crate) async fn count(&self, query: &str) -> i64 {
        let mut connection = PgConnection::connect(&self.database).await.expect("the database answers");
        sqlx::query_scalar(AssertSqlSafe(query.to_owned())).fetch_one(&mut connection).await.expect("a count")
    }

    /// Appends `count` emotion events to a user's stream.
    pub(crate) async fn feel(&self, user: &str, count: i32) -> Vec<RecordedEvent> {
        let append = together(vec![part(&StreamId::of("emotion", user), Any, emotion_events(0..count))]);
        self.store.append(&append).await.unwrap().events
    }

    /// The points of a user, as projected, and the version that they are of.
    pub(crate) async fn points(&self, user: &str) -> Option<(i32, i32)> {
        let owner = StreamId::of("emotion", user).aggregate_id;
        let emotions = self.store.emotions(&[owner]).await.unwrap();
        emotions.first().map(|(_, emotion)| (emotion.points, emotion.version))
    }
}

/// Emotion events with these points.
pub(crate) fn emotion_events(points: std::ops::Range<i32>) -> Vec<NewEvent> {
    let updated = |points: i32| {
        let points = points % 100;
        let (old_emotion, new_emotion) = (Emotion::Curious, Emotion::at(points));
        EmotionEvent::Updated(EmotionUpdated { old_emotion, new_emotion, points, feedback: 1 })
    };
    points.map(|points| NewEvent::from_domain(&updated(points)).unwrap()).collect()
}

/// The event source mapping of one function and topic, as AWS documents it: batches of records, partial batch responses.
pub(crate) struct Mapping<'a> {
    deployment: &'a Deployment,
    topic: String,
    /// Where each partition goes on.
    next: BTreeMap<i32, i64>,
}

impl<'a> Mapping<'a> {
    pub(crate) fn of(deployment: &'a Deployment, topic: &str) -> Self {
        Self { deployment, topic: topic.to_owned(), next: BTreeMap::new() }
    }

    /// What comes next, at most so many of each partition. Does not move on.
    pub(crate) async fn read(&mut self, limit: usize) -> Vec<Record> {
        let bus = &self.deployment.bus;
        let mut records = vec![];
        // Brokers may not know yet who leads a partition that was just made.
        let partitions = eventually("the topic has leaders", || bus.partitions("mapping", &self.topic)).await;
        for state in partitions {
            let next = self.next.entry(state.partition).or_insert(state.first);
            if *next < state.end {
                let wanted = limit.min(usize::try_from(state.end - *next).unwrap());
                records.extend(bus.read(&self.topic, state.partition, *next, wanted).await.unwrap());
            }
        }
        records
    }

    /// Hands the next batch to the function: how many partitions have to come again; `None` where nothing is left.
    pub(crate) async fn deliver(&mut self, function: &Lambda, limit: usize) -> Option<usize> {
        let batch = self.read(limit).await;
        if batch.is_empty() {
            return None;
        }
        let answer =
            function.invoke(event(&batch)).await.unwrap_or_else(|error| panic!("{error}: {}", function.output()));
        let failures = answer["batchItemFailures"].as_array().unwrap_or_else(|| panic!("{answer}")).clone();
        for record in &batch {
            self.next.insert(record.partition, record.offset + 1);
        }
        for failure in &failures {
            let item = &failure["itemIdentifier"];
            let offset = item["offset"].as_i64().unwrap();
            let known = |record: &&Record| item["partition"] == name(record).as_str() && record.offset == offset;
            let record = batch.iter().find(known).unwrap_or_else(|| panic!("not in the batch: {failure}"));
            self.next.insert(record.partition, offset);
        }
        Some(failures.len())
    }

    /// Hands over everything that is there.
    pub(crate) async fn drain(&mut self, function: &Lambda) {
        while let Some(failed) = self.deliver(function, 2000).await {
            assert_eq!(failed, 0, "{}", function.output());
        }
    }
}

fn name(record: &Record) -> String {
    format!("{}-{}", record.topic, record.partition)
}

/// The event of a batch, written from AWS's documentation and not with the code under test.
pub(crate) fn event(batch: &[Record]) -> Value {
    let mut partitions: Map<String, Value> = Map::new();
    for record in batch {
        let headers: Vec<Value> = record
            .headers
            .iter()
            .map(|(name, value)| {
                let signed =
                    value.as_ref().map(|bytes| bytes.iter().map(|byte| byte.cast_signed()).collect::<Vec<_>>());
                json!({ name: signed })
            })
            .collect();
        let record_json = json!({
            "topic": record.topic, "partition": record.partition, "offset": record.offset,
            "timestamp": record.timestamp, "timestampType": "CREATE_TIME",
            "key": record.key.as_ref().map(|key| STANDARD.encode(key)),
            "value": record.value.as_ref().map(|value| STANDARD.encode(value)),
            "headers": headers,
        });
        let partition = partitions.entry(name(record)).or_insert_with(|| json!([]));
        partition.as_array_mut().unwrap().push(record_json);
    }
    json!({ "eventSource": "aws:kafka", "bootstrapServers": "b-1.test:9092", "records": partitions })
}
