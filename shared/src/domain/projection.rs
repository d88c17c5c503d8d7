//! What each event means for the read models. Pure: an event in, changes out; a store writes them.
//!
//! Every change carries the version of the event it follows from, and a store writes it only over an older one, so
//! that duplicates and replays change nothing.

use uuid::Uuid;

use super::aggregate::{Aggregate, DecodeError};
use super::event::RecordedEvent;
use super::memory::{MemoryAggregate, MemoryEvent};
use super::price::{PriceAggregate, PriceEvent, Quote};
use crate::platform::clock::Timestamp;

/// One change of a read model.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the read models' rows")]
pub enum Change {
    /// The latest price of a coin, and a point of its history.
    Price { version: i32, quote: Quote },
    /// A memory that can be listed and searched.
    MemoryAdded { owner: Uuid, version: i32, id: Uuid, content: String, created_at: Timestamp },
    /// A memory that is gone; its text is erased from the read model.
    MemoryDeleted { owner: Uuid, version: i32, id: Uuid },
}

/// The changes that follow from `event`.
///
/// # Errors
/// [`DecodeError`] where the event cannot be read.
pub fn project(event: &RecordedEvent) -> Result<Vec<Change>, DecodeError> {
    let (owner, version) = (event.stream.aggregate_id, event.event_version);
    Ok(match event.stream.aggregate_type.as_str() {
        PriceAggregate::TYPE => {
            let PriceEvent::Updated(quote) = event.decode()?;
            vec![Change::Price { version, quote }]
        }
        MemoryAggregate::TYPE => vec![match event.decode()? {
            MemoryEvent::Added(added) => Change::MemoryAdded {
                owner,
                version,
                id: added.memory_id,
                content: added.content,
                created_at: event.metadata.occurred_at,
            },
            MemoryEvent::Deleted(deleted) => Change::MemoryDeleted { owner, version, id: deleted.memory_id },
        }],
        // `emotion` is read from its stream, and other kinds have no read model.
        _ => vec![],
    })
}
