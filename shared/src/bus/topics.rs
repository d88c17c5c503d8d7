//! Which topics there are, and what their names mean.

use std::time::Duration;

use super::TopicSpec;

const EVENTS: &str = "mcp.events";
const PRICES: &str = "mcp.prices";
const CHAIN_EVENTS: &str = "mcp.chain-events";
const DEAD_LETTERS: &str = ".dlq";
const PARKED: &str = ".parked";

/// The most that a message may have in bytes: Kafka's own default.
const MAX_MESSAGE: usize = 1_048_588;
/// A dead letter is a message with headers that say why; the largest one must still fit.
pub(super) const MAX_DEAD_LETTER: usize = 2 * MAX_MESSAGE;
/// What is not consumed by then is filled in from the store.
const RETENTION: Duration = Duration::from_secs(7 * 24 * 3600);

/// The topics of one deployment. All names begin with its prefix, which is empty by default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Topics {
    prefix: String,
}

impl Topics {
    /// The topics whose names begin with `prefix`.
    pub fn with_prefix(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    /// The topic for events of a kind of aggregate.
    pub fn of(&self, aggregate_type: &str) -> String {
        let name = match aggregate_type {
            "price" => PRICES,
            "chain" => CHAIN_EVENTS,
            _ => EVENTS,
        };
        format!("{}{name}", self.prefix)
    }

    /// The topics that carry events.
    pub fn sources(&self) -> [String; 3] {
        [EVENTS, PRICES, CHAIN_EVENTS].map(|name| format!("{}{name}", self.prefix))
    }

    /// The topics whose events have a read model.
    pub fn projected(&self) -> [String; 2] {
        [EVENTS, PRICES].map(|name| format!("{}{name}", self.prefix))
    }

    /// Every topic, as it should be.
    pub fn specs(&self) -> Vec<TopicSpec> {
        let mut specs = vec![];
        for (source, partitions) in self.sources().into_iter().zip([12, 6, 6]) {
            let aside =
                |name, partitions| TopicSpec { name, partitions, retention: None, max_message_bytes: MAX_DEAD_LETTER };
            specs.push(aside(dead_letters(&source), 3));
            specs.push(aside(parked(&source), 1));
            let retention = Some(RETENTION);
            specs.push(TopicSpec { name: source, partitions, retention, max_message_bytes: MAX_MESSAGE });
        }
        specs
    }
}

/// The topic for records of `topic` that cannot be handled.
pub fn dead_letters(topic: &str) -> String {
    format!("{topic}{DEAD_LETTERS}")
}

/// The topic for records of `topic` that were replayed too often.
pub fn parked(topic: &str) -> String {
    format!("{topic}{PARKED}")
}

/// The most that a message of `topic` may have in bytes.
pub fn max_message_bytes(topic: &str) -> usize {
    if topic.ends_with(DEAD_LETTERS) || topic.ends_with(PARKED) { MAX_DEAD_LETTER } else { MAX_MESSAGE }
}

/// The topic whose dead letters are in `dead_letters`, if that is such a topic.
pub fn source_of(dead_letters: &str) -> Option<&str> {
    dead_letters.strip_suffix(DEAD_LETTERS).filter(|topic| !topic.is_empty())
}

/// The group of `function` on `topic`.
pub fn group(function: &str, topic: &str) -> String {
    format!("mcp-server.{function}.{topic}")
}
