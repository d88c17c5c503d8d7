//! The way of events, where a deployment has Lambda's event source mappings and schedules: the relay, woken by commits
//! and now and then, and for each topic a consumer that hands the same events to the same handlers as the mappings do.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::app::Pipeline;
use crate::bus::{Bus, Consumer, Record, Start, Topics, topics};
use crate::platform::ids::{jitter, new_id};
use crate::services::consume::BatchConsumer;
use crate::services::relay::Relay;
use crate::triggers::kafka::{answer, encode, failed_offsets};

/// How often the relay looks for what a crash left.
const SWEEP: Duration = Duration::from_secs(5);
/// How long one run of the relay, or one batch, may take: what the functions have.
const INVOCATION: TimeDelta = TimeDelta::seconds(60);
/// The longest pause after a failure.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// The largest batch, keys, values and headers: in an event, where a header's byte takes up to five, it stays below
/// Lambda's 6 MB.
const MAX_BATCH: usize = 1_100_000;
/// How long an empty topic is waited at.
const IDLE: Duration = Duration::from_secs(2);
/// A batch in so many comes again though it was handled, as a mapping may do: whoever cannot stand that is found out.
const REDELIVERED: u64 = 29;

/// Moves events until it is dropped.
pub(super) fn start(pipeline: Pipeline) -> JoinSet<()> {
    let Pipeline { relay, committed, bus, topics, projector, fan_out } = pipeline;
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        make_topics(bus.as_ref(), &topics).await;
        let mut consumers = JoinSet::new();
        for topic in topics.projected() {
            consumers.spawn(Pump::new(bus.clone(), projector.clone(), topic, Start::Earliest).run());
        }
        for topic in topics.sources() {
            // A group of its own: each process has its own clients, and all of them are told of everything.
            let mut pump = Pump::new(bus.clone(), fan_out.clone(), topic, Start::Latest);
            pump.group = format!("{}.{}", pump.group, new_id());
            consumers.spawn(pump.run());
        }
        consumers.join_all().await;
    });
    tasks.spawn(async move {
        let mut pause = Pause::default();
        loop {
            match run_relay(&relay).await {
                Ok(()) => {
                    pause.reset();
                    // Either way it is time to look.
                    let _ = timeout(SWEEP, committed.committed_something()).await;
                }
                Err(error) => {
                    tracing::warn!(%error, "events wait in the outbox");
                    pause.next().await;
                }
            }
        }
    });
    tasks
}

async fn run_relay(relay: &Relay) -> Result<(), crate::services::Error> {
    relay.run(Utc::now() + INVOCATION).await.map(drop)
}

async fn make_topics(bus: &dyn Bus, topics: &Topics) {
    let mut pause = Pause::default();
    while let Err(error) = bus.create_topics(&topics.specs()).await {
        tracing::warn!(%error, "the topics cannot be made");
        if !error.is_transient() {
            // Somebody else may have made them.
            break;
        }
        pause.next().await;
    }
}

/// Pauses between tries, twice as long each time.
#[derive(Default)]
struct Pause(u32);

impl Pause {
    async fn next(&mut self) {
        self.0 = (self.0 + 1).min(10);
        let longest = (Duration::from_millis(50) * 2_u32.pow(self.0)).min(LONGEST_PAUSE);
        sleep(longest / 2 + jitter(longest / 2)).await;
    }

    fn reset(&mut self) {
        self.0 = 0;
    }
}

/// Plays the event source mapping of one function and topic.
struct Pump {
    bus: Arc<dyn Bus>,
    function: Arc<BatchConsumer>,
    topic: String,
    group: String,
    /// Where a group begins that is new.
    start: Start,
    /// What was read and is not yet handled, by partition.
    waiting: BTreeMap<i32, Vec<Record>>,
    batches: u64,
    pause: Pause,
}

impl Pump {
    fn new(bus: Arc<dyn Bus>, function: Arc<BatchConsumer>, topic: String, start: Start) -> Self {
        let group = topics::group(function.handler.function(), &topic);
        Self { bus, function, topic, group, start, waiting: BTreeMap::new(), batches: 0, pause: Pause::default() }
    }

    async fn run(mut self) {
        loop {
            let mut consumer = match self.bus.subscribe(&self.group, &self.topic, self.start).await {
                Ok(consumer) => consumer,
                Err(error) => {
                    tracing::warn!(%error, topic = self.topic, "the topic cannot be read yet");
                    self.pause.next().await;
                    continue;
                }
            };
            // A new member begins where the group has committed: whatever went wrong, nothing is passed over.
            self.waiting.clear();
            if let Err(error) = self.turns(consumer.as_mut()).await {
                tracing::warn!(%error, topic = self.topic, "the consumer begins anew");
                self.pause.next().await;
            }
        }
    }

    /// Reads on, hands over what waits, commits what was handled.
    async fn turns(&mut self, consumer: &mut dyn Consumer) -> Result<(), crate::bus::BusError> {
        loop {
            let held: usize = self.waiting.values().flatten().map(Record::size).sum();
            if held < MAX_BATCH {
                let idle = if self.waiting.is_empty() { IDLE } else { Duration::ZERO };
                for record in consumer.poll(MAX_BATCH - held, idle).await? {
                    self.waiting.entry(record.partition).or_default().push(record);
                }
            }
            if self.waiting.is_empty() {
                continue;
            }
            let batch: Vec<Record> = self.waiting.values().flatten().cloned().collect();
            let failed = self.deliver(&batch).await;
            let handled = self.handled(&batch, failed.as_ref());
            if !handled.is_empty() {
                consumer.commit(handled).await?;
            }
            if self.waiting.is_empty() { self.pause.reset() } else { self.pause.next().await }
        }
    }

    /// Hands a batch to the function: from where each partition has to come again; `None` for all of it.
    async fn deliver(&mut self, batch: &[Record]) -> Option<BTreeMap<i32, i64>> {
        let answer = self.invoke(batch).await?;
        let failed = failed_offsets(&answer, batch);
        if failed.is_none() {
            tracing::error!(topic = self.topic, %answer, "the answer cannot be understood; the batch comes again");
        }
        self.batches += 1;
        if self.batches.is_multiple_of(REDELIVERED) && failed.as_ref().is_some_and(BTreeMap::is_empty) {
            tracing::debug!(topic = self.topic, records = batch.len(), "a batch is delivered twice");
            self.invoke(batch).await;
        }
        failed
    }

    async fn invoke(&self, batch: &[Record]) -> Option<Value> {
        let event = encode(batch.iter()).map_err(|error| error.to_string());
        let answered = match &event {
            Ok(event) => {
                answer(&self.function, event, Utc::now() + INVOCATION).await.map_err(|error| error.to_string())
            }
            Err(error) => Err(error.clone()),
        };
        answered.inspect_err(|error| tracing::error!(topic = self.topic, error, "the function failed")).ok()
    }

    /// Forgets what was handled; the offsets to commit.
    fn handled(&mut self, batch: &[Record], failed: Option<&BTreeMap<i32, i64>>) -> Vec<(i32, i64)> {
        let Some(failed) = failed else { return vec![] };
        let mut offsets = BTreeMap::new();
        for record in
            batch.iter().filter(|record| failed.get(&record.partition).is_none_or(|from| record.offset < *from))
        {
            offsets.insert(record.partition, record.offset + 1);
        }
        for (partition, records) in &mut self.waiting {
            records.retain(|record| offsets.get(partition).is_none_or(|next| record.offset >= *next));
        }
        self.waiting.retain(|_, records| !records.is_empty());
        offsets.into_iter().collect()
    }
}

#[cfg(test)]
mod tests;
