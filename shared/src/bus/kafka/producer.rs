//! Publishing: one idempotent producer, made when it is first needed.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{DeliveryFuture, FutureProducer, FutureRecord, Producer as _, PurgeConfig};
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::super::topics::{MAX_DEAD_LETTER, max_message_bytes};
use super::super::{BusError, Message};
use super::client::{Client, Context, Origin};
use super::failure;
use crate::platform::clock::{Clock, Timestamp};

/// After so long without use, brokers and what lies between may have closed the connections unheard.
const UNUSED: TimeDelta = TimeDelta::seconds(180);
/// How long the end of a producer is waited for.
const ENDING: Duration = Duration::from_secs(3);
/// The pause before another try where the client's queue is full.
const QUEUE_FULL: Duration = Duration::from_millis(10);

pub(super) struct Producer {
    client: Arc<Client>,
    clock: Arc<dyn Clock>,
    open: Mutex<Option<Open>>,
}

struct Open {
    producer: FutureProducer<Context>,
    origin: Origin,
    used: Timestamp,
}

impl Producer {
    pub(super) fn new(client: Arc<Client>, clock: Arc<dyn Clock>) -> Self {
        Self { client, clock, open: Mutex::new(None) }
    }

    pub(super) async fn publish(&self, messages: Vec<Message>, within: Duration) -> Vec<Result<(), BusError>> {
        let deadline = Instant::now() + within;
        // One call at a time: what one purges must not be another's.
        let Ok(mut open) = timeout_at(deadline, self.open.lock()).await else {
            return vec![Err(late()); messages.len()];
        };
        let producer = match timeout_at(deadline, self.producer(&mut open)).await.unwrap_or_else(|_| Err(late())) {
            Ok(producer) => producer,
            Err(error) => return vec![Err(error); messages.len()],
        };
        let sent = send(&producer, &messages, deadline).await;
        let mut results = Vec::with_capacity(sent.len());
        for delivery in sent {
            results.push(match delivery {
                Ok(delivery) => acknowledged(delivery, deadline).await,
                Err(error) => Err(error),
            });
        }
        if results.iter().any(|result| matches!(result, Err(BusError::Unavailable(_)))) {
            // Whatever it has lost count of, a new one has not. And it may not be the brokers that are away, but their addresses.
            if let Some(Open { origin, .. }) = open.take() {
                self.client.doubt(origin);
            }
            end(producer).await;
        }
        results
    }

    /// The producer there is, or a new one.
    async fn producer(&self, open: &mut Option<Open>) -> Result<FutureProducer<Context>, BusError> {
        let now = self.clock.now();
        if let Some(Open { producer, used, .. }) = open.as_mut()
            && (TimeDelta::zero()..UNUSED).contains(&(now - *used))
        {
            *used = now;
            return Ok(producer.clone());
        }
        let (mut config, origin) = self.client.config().await?;
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("compression.type", "gzip")
            .set("max.in.flight.requests.per.connection", "5")
            // As Kafka's own clients do, so that a key's partition is the same whoever publishes.
            .set("partitioner", "murmur2_random")
            .set("linger.ms", "2")
            .set("message.max.bytes", MAX_DEAD_LETTER.to_string())
            .set("message.timeout.ms", "60000")
            .set("request.timeout.ms", "5000")
            .set("queue.buffering.max.kbytes", "131072")
            .set("topic.metadata.propagation.max.ms", "5000");
        let producer: FutureProducer<Context> =
            config.create_with_context(self.client.context()).map_err(|error| failure(&error))?;
        if let Some(old) = open.replace(Open { producer: producer.clone(), origin, used: now }) {
            end(old.producer).await;
        }
        Ok(producer)
    }
}

/// Purges a producer, whatever is on its way, and ends its thread with the last clone.
async fn end(producer: FutureProducer<Context>) {
    let purged = spawn_blocking(move || {
        producer.purge(PurgeConfig::default().queue().inflight());
        drop(producer);
    });
    if timeout(ENDING, purged).await.is_err() {
        tracing::warn!("a producer takes its time to end");
    }
}

/// Hands all messages to the client, in order. After one of a key that it does not take, none of that key is.
async fn send(
    producer: &FutureProducer<Context>,
    messages: &[Message],
    deadline: Instant,
) -> Vec<Result<DeliveryFuture, BusError>> {
    let mut broken = HashSet::new();
    let mut sent = Vec::with_capacity(messages.len());
    for message in messages {
        let sequence = (&message.topic, &message.key);
        let delivery = if broken.contains(&sequence) {
            Err(BusError::Unavailable("one before it under its key was not sent".to_owned()))
        } else if message.size() > max_message_bytes(&message.topic) {
            Err(BusError::Refused(format!("{} bytes are too many for {}", message.size(), message.topic)))
        } else {
            enqueue(producer, message, deadline).await
        };
        if delivery.is_err() && message.key.is_some() {
            broken.insert(sequence);
        }
        sent.push(delivery);
    }
    sent
}

async fn enqueue(
    producer: &FutureProducer<Context>,
    message: &Message,
    deadline: Instant,
) -> Result<DeliveryFuture, BusError> {
    loop {
        match producer.send_result(record(message)) {
            Ok(delivery) => return Ok(delivery),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) if Instant::now() < deadline => {
                sleep(QUEUE_FULL).await;
            }
            Err((error, _)) => return Err(failure(&error)),
        }
    }
}

fn record(message: &Message) -> FutureRecord<'_, [u8], [u8]> {
    let headers =
        message.headers.iter().fold(OwnedHeaders::new_with_capacity(message.headers.len()), |headers, (key, value)| {
            headers.insert(Header { key, value: value.as_deref() })
        });
    FutureRecord {
        topic: &message.topic,
        partition: None,
        payload: message.value.as_deref(),
        key: message.key.as_deref(),
        timestamp: None,
        headers: Some(headers),
    }
}

async fn acknowledged(delivery: DeliveryFuture, deadline: Instant) -> Result<(), BusError> {
    match timeout_at(deadline, delivery).await {
        Ok(Ok(Ok(_))) => Ok(()),
        Ok(Ok(Err((error, _)))) => Err(failure(&error)),
        Ok(Err(_)) => Err(BusError::Unavailable("the producer was ended".to_owned())),
        Err(_) => Err(late()),
    }
}

fn late() -> BusError {
    BusError::Unavailable("not acknowledged in time".to_owned())
}
