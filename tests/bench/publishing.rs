//! Publishing: our bus beside rdkafka alone, both idempotent with all acknowledgements and gzip, the same messages to
//! topics of their own on the Kafka at `TEST_KAFKA_BROKERS`. Rounds are interleaved. Prints the medians and their ratio.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::join_all;
use mcp_core::bus::kafka::KafkaBus;
use mcp_core::bus::{Bus, Message, Publisher, TopicSpec};
use mcp_core::platform::clock::SystemClock;
use mcp_core::platform::config::{KafkaConfig, Vars};
use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use support::services::{kafka_brokers, topic_prefix};

const ROUNDS: usize = 15;
/// A round of the relay.
const MESSAGES: usize = 2000;

#[tokio::main]
async fn main() {
    let (brokers, prefix) = (kafka_brokers(), topic_prefix());
    let vars: Vars = [("KAFKA_BROKERS", brokers.as_str())].into_iter().collect();
    let bus = KafkaBus::new(KafkaConfig::from_vars(&vars).unwrap().unwrap(), Arc::new(SystemClock)).unwrap();
    let (ours, theirs) = (format!("{prefix}ours"), format!("{prefix}theirs"));
    let spec =
        |name: &String| TopicSpec { name: name.clone(), partitions: 12, retention: None, max_message_bytes: 1_048_588 };
    bus.create_topics(&[spec(&ours), spec(&theirs)]).await.unwrap();
    let producer: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", &brokers)
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("compression.type", "gzip")
        .set("linger.ms", "2")
        .create()
        .unwrap();
    let (mut of_bus, mut of_rdkafka) = (vec![], vec![]);
    for round in 0..=ROUNDS {
        let (a, b) = (with_bus(&bus, &ours).await, with_rdkafka(&producer, &theirs).await);
        if round > 0 {
            of_bus.push(a);
            of_rdkafka.push(b);
        }
    }
    let (of_bus, of_rdkafka) = (median(of_bus), median(of_rdkafka));
    println!("published, {MESSAGES} at once: {of_bus:.0}/s, rdkafka alone {of_rdkafka:.0}/s");
    println!("ratio {:.2}", of_bus / of_rdkafka);
}

fn key(n: usize) -> String {
    format!("key {}", n % 200)
}

fn value(n: usize) -> String {
    format!("{{\"number\":{n},\"filler\":\"{}\"}}", "event ".repeat(60))
}

async fn with_bus(bus: &KafkaBus, topic: &str) -> f64 {
    let header = || ("event-type".to_owned(), Some(Bytes::from_static(b"EmotionUpdated")));
    let message = |n| Message {
        topic: topic.to_owned(),
        key: Some(key(n).into()),
        value: Some(value(n).into()),
        headers: vec![header()],
    };
    let messages: Vec<_> = (0..MESSAGES).map(message).collect();
    let started = Instant::now();
    let results = bus.publish(messages, Duration::from_secs(30)).await;
    assert!(results.iter().all(Result::is_ok));
    rate(started)
}

async fn with_rdkafka(producer: &FutureProducer, topic: &str) -> f64 {
    let messages: Vec<_> = (0..MESSAGES).map(|n| (key(n), value(n))).collect();
    let started = Instant::now();
    let sent = messages.iter().map(|(key, value)| {
        let headers = OwnedHeaders::new().insert(Header { key: "event-type", value: Some("EmotionUpdated") });
        let record = FutureRecord::to(topic).key(key).payload(value).headers(headers);
        producer.send_result(record).map_err(|(error, _)| error).unwrap()
    });
    for result in join_all(sent).await {
        result.unwrap().unwrap();
    }
    rate(started)
}

fn rate(started: Instant) -> f64 {
    f64::from(u32::try_from(MESSAGES).unwrap()) / started.elapsed().as_secs_f64()
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}
