//! What became of records, counted; and how long batches took.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::Outcome;
use crate::platform::metrics::{Durations, Measured, Sample};

/// What became of records.
#[derive(Debug)]
pub struct ConsumeMeter {
    function: &'static str,
    topics: Mutex<BTreeMap<String, Topic>>,
}

#[derive(Debug, Default)]
struct Topic {
    done: u64,
    poisoned: u64,
    waiting: u64,
    took: Durations,
}

impl ConsumeMeter {
    pub(super) fn of(function: &'static str) -> Self {
        Self { function, topics: Mutex::default() }
    }

    pub(super) fn counted(&self, topic: &str, outcomes: &[Outcome]) {
        self.topic(topic, |topic| {
            for outcome in outcomes {
                match outcome {
                    Outcome::Done => topic.done += 1,
                    Outcome::Poison(_) => topic.poisoned += 1,
                    Outcome::Transient(_) => topic.waiting += 1,
                }
            }
        });
    }

    pub(super) fn took(&self, topic: &str, time: Duration) {
        self.topic(topic, |topic| topic.took.add(time));
    }

    fn topic(&self, name: &str, change: impl FnOnce(&mut Topic)) {
        let mut topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        if !topics.contains_key(name) {
            topics.insert(name.to_owned(), Topic::default());
        }
        topics.get_mut(name).map(change);
    }
}

impl Measured for ConsumeMeter {
    fn samples(&self) -> Vec<Sample> {
        let topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |sample: Sample, topic: &str| sample.with("function", self.function).with("topic", topic);
        let mut samples = vec![];
        for (name, topic) in topics.iter() {
            let records = "Records by what became of them: done, poison (dead letters) or waiting (they come again)";
            for (outcome, count) in [("done", topic.done), ("poison", topic.poisoned), ("waiting", topic.waiting)] {
                samples.push(of(Sample::counter("kafka.records", records, count), name).with("outcome", outcome));
            }
            let took = "How long the records of a partition in a batch took";
            samples.push(of(Sample::histogram("kafka.consume_seconds", took, topic.took.lapses()), name));
        }
        samples
    }
}
