//! What a user's agent remembers: short texts, added and deleted.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::aggregate::{Aggregate, DomainEvent};
use crate::platform::clock::Timestamp;

/// The longest content of one memory, in characters.
pub const MAX_CONTENT: usize = 10_000;
/// The most memories that one user may hold.
pub const MAX_MEMORIES: usize = 5_000;

/// A user's memory stream, folded: which memories exist. Their texts are a read model's business.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryAggregate {
    ids: BTreeSet<Uuid>,
}

/// What callers may ask of their memories.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the fields are what the variants say")]
pub enum MemoryCommand {
    /// Remember `content` under a new id.
    Add { id: Uuid, content: String },
    /// Forget the memory `id`.
    Delete { id: Uuid },
}

/// What happens in a memory stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemoryEvent {
    /// A memory was added.
    Added(MemoryAdded),
    /// A memory was deleted.
    Deleted(MemoryDeleted),
}

/// The payload of `MemoryAdded`, schema version 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemoryAdded {
    /// The memory's id.
    pub memory_id: Uuid,
    /// Its text, as given.
    pub content: String,
}

/// The payload of `MemoryDeleted`, schema version 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemoryDeleted {
    /// The memory's id.
    pub memory_id: Uuid,
}

/// Why a memory command is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MemoryError {
    /// Nothing but white space.
    #[error("content must not be empty")]
    Empty,
    /// More than [`MAX_CONTENT`] characters.
    #[error("content must have at most {MAX_CONTENT} characters, not {0}")]
    TooLong(usize),
    /// A NUL character, which no store can hold.
    #[error("content must not contain NUL characters")]
    Nul,
    /// [`MAX_MEMORIES`] are held already.
    #[error("at most {MAX_MEMORIES} memories can be kept: delete some first")]
    Full,
    /// The caller has no such memory.
    #[error("there is no memory {0}")]
    Unknown(Uuid),
}

impl Aggregate for MemoryAggregate {
    const TYPE: &'static str = "memory";
    const SNAPSHOT_SCHEMA: i32 = 1;
    type Command = MemoryCommand;
    type Event = MemoryEvent;
    type Error = MemoryError;

    fn decide(&self, command: &MemoryCommand) -> Result<Vec<MemoryEvent>, MemoryError> {
        match command {
            MemoryCommand::Add { id, content } => {
                check_content(content)?;
                if self.ids.len() >= MAX_MEMORIES {
                    return Err(MemoryError::Full);
                }
                Ok(vec![MemoryEvent::Added(MemoryAdded { memory_id: *id, content: content.clone() })])
            }
            MemoryCommand::Delete { id } if !self.ids.contains(id) => Err(MemoryError::Unknown(*id)),
            MemoryCommand::Delete { id } => Ok(vec![MemoryEvent::Deleted(MemoryDeleted { memory_id: *id })]),
        }
    }

    fn apply(&mut self, event: &MemoryEvent, _occurred_at: Timestamp) {
        match event {
            MemoryEvent::Added(added) => self.ids.insert(added.memory_id),
            MemoryEvent::Deleted(deleted) => self.ids.remove(&deleted.memory_id),
        };
    }
}

fn check_content(content: &str) -> Result<(), MemoryError> {
    let length = content.chars().count();
    if content.trim().is_empty() {
        Err(MemoryError::Empty)
    } else if length > MAX_CONTENT {
        Err(MemoryError::TooLong(length))
    } else if content.contains('\0') {
        Err(MemoryError::Nul)
    } else {
        Ok(())
    }
}

const ADDED: &str = "MemoryAdded";
const DELETED: &str = "MemoryDeleted";

impl DomainEvent for MemoryEvent {
    fn event_type(&self) -> &'static str {
        match self {
            Self::Added(_) => ADDED,
            Self::Deleted(_) => DELETED,
        }
    }

    fn schema_version_of(event_type: &str) -> Option<i32> {
        matches!(event_type, ADDED | DELETED).then_some(1)
    }

    fn to_value(&self) -> Result<Value, serde_json::Error> {
        match self {
            Self::Added(added) => serde_json::to_value(added),
            Self::Deleted(deleted) => serde_json::to_value(deleted),
        }
    }

    fn from_current(event_type: &str, data: &Value) -> Result<Self, serde_json::Error> {
        if event_type == ADDED {
            MemoryAdded::deserialize(data).map(Self::Added)
        } else {
            MemoryDeleted::deserialize(data).map(Self::Deleted)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::testing::{given, replay};

    const ID: Uuid = Uuid::from_u128(7);

    fn added(content: &str) -> MemoryEvent {
        MemoryEvent::Added(MemoryAdded { memory_id: ID, content: content.to_owned() })
    }

    fn deleted() -> MemoryEvent {
        MemoryEvent::Deleted(MemoryDeleted { memory_id: ID })
    }

    fn add(content: &str) -> MemoryCommand {
        MemoryCommand::Add { id: ID, content: content.to_owned() }
    }

    #[test]
    fn a_memory_keeps_its_text_as_given() {
        given::<MemoryAggregate>(&[]).when(&add(" prefers ETH ")).then(&[added(" prefers ETH ")]);
    }

    #[test]
    fn a_text_that_no_store_can_hold_is_refused() {
        given::<MemoryAggregate>(&[]).when(&add(" \n")).then_refused(&MemoryError::Empty);
        given::<MemoryAggregate>(&[]).when(&add("a\0b")).then_refused(&MemoryError::Nul);
        given::<MemoryAggregate>(&[])
            .when(&add(&"é".repeat(MAX_CONTENT + 1)))
            .then_refused(&MemoryError::TooLong(MAX_CONTENT + 1));
    }

    #[test]
    fn a_memory_is_deleted_once() {
        let delete = MemoryCommand::Delete { id: ID };
        given::<MemoryAggregate>(&[added("x")]).when(&delete).then(&[deleted()]);
        given::<MemoryAggregate>(&[added("x"), deleted()]).when(&delete).then_refused(&MemoryError::Unknown(ID));
    }

    #[test]
    fn a_full_memory_takes_no_more_until_one_is_deleted() {
        let mut full = MemoryAggregate { ids: (0..MAX_MEMORIES as u128).map(Uuid::from_u128).collect() };
        assert_eq!(full.decide(&add("x")), Err(MemoryError::Full));
        replay(&mut full, &[deleted()]);
        assert!(full.decide(&add("x")).is_ok());
    }

    proptest! {
        #[test]
        fn replay_of_what_was_accepted_gives_the_same_state(commands in prop::collection::vec((any::<bool>(), 0..5_u128), 0..40)) {
            let mut state = MemoryAggregate::default();
            let mut history = Vec::new();
            for (add, id) in commands {
                let id = Uuid::from_u128(id);
                let command = if add { MemoryCommand::Add { id, content: "x".into() } } else { MemoryCommand::Delete { id } };
                let Ok(events) = state.decide(&command) else { continue };
                replay(&mut state, &events);
                history.extend(events);
            }
            let mut replayed = MemoryAggregate::default();
            replay(&mut replayed, &history);
            prop_assert_eq!(replayed, state);
        }
    }
}
