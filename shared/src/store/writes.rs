//! What an append writes to the read models, gathered so that a row is written once, by the newest event about it,
//! and in one order by everybody, so that two appends never wait for each other in a circle.

use std::collections::BTreeMap;

use uuid::Uuid;

#[cfg(feature = "postgres")]
use super::Append;
use super::StoreError;
use crate::domain::RecordedEvent;
use crate::domain::coin::Coin;
use crate::domain::price::Quote;
use crate::domain::projection::{Change, project};
use crate::platform::clock::Timestamp;

/// Rows of the read models.
#[derive(Debug, Default)]
pub(super) struct Writes {
    /// The newest quote of each coin, with its version.
    pub(super) latest: BTreeMap<Coin, (i32, Quote)>,
    /// Every quote, by coin and version.
    pub(super) history: BTreeMap<(Coin, i32), Quote>,
    /// The newest state of each memory, by owner and id.
    pub(super) memories: BTreeMap<(Uuid, Uuid), MemoryWrite>,
}

/// A memory, or the tombstone of one.
#[derive(Debug)]
pub(super) struct MemoryWrite {
    pub(super) version: i32,
    /// The text and when it was added; `None` for a tombstone.
    pub(super) live: Option<(String, Timestamp)>,
}

impl Writes {
    /// What follows from `events`.
    ///
    /// # Errors
    /// [`StoreError::Failed`] for an event that cannot be read.
    pub(super) fn of(events: &[RecordedEvent]) -> Result<Self, StoreError> {
        let mut writes = Self::default();
        for event in events {
            for change in project(event).map_err(|error| StoreError::Failed(format!("a projection: {error}")))? {
                writes.add(change);
            }
        }
        Ok(writes)
    }

    /// Whether an append will write anything here. Which versions its events will have is not known yet.
    ///
    /// # Errors
    /// As of [`Writes::of`]: an append that cannot be projected is refused before it is sent.
    #[cfg(feature = "postgres")]
    pub(super) fn follow_from(append: &Append) -> Result<bool, StoreError> {
        let mut any = false;
        for stream in &append.streams {
            for event in &stream.events {
                let preview = RecordedEvent {
                    id: event.id,
                    stream: stream.stream.clone(),
                    event_version: 0,
                    event_type: event.event_type.clone(),
                    schema_version: event.schema_version,
                    data: event.data.clone(),
                    metadata: append.metadata.clone(),
                };
                any |= !Self::of(&[preview])?.is_empty();
            }
        }
        Ok(any)
    }

    #[cfg(feature = "postgres")]
    fn is_empty(&self) -> bool {
        self.history.is_empty() && self.memories.is_empty()
    }

    fn add(&mut self, change: Change) {
        match change {
            Change::Price { version, quote } => {
                self.history.insert((quote.coin.clone(), version), quote.clone());
                let newest = self.latest.entry(quote.coin.clone()).or_insert_with(|| (version, quote.clone()));
                if newest.0 < version {
                    *newest = (version, quote);
                }
            }
            Change::MemoryAdded { owner, version, id, content, created_at } => {
                self.add_memory((owner, id), MemoryWrite { version, live: Some((content, created_at)) });
            }
            Change::MemoryDeleted { owner, version, id } => {
                self.add_memory((owner, id), MemoryWrite { version, live: None });
            }
        }
    }

    fn add_memory(&mut self, key: (Uuid, Uuid), write: MemoryWrite) {
        if self.memories.get(&key).is_none_or(|older| older.version < write.version) {
            self.memories.insert(key, write);
        }
    }
}

impl MemoryWrite {
    pub(super) fn content(&self) -> &str {
        self.live.as_ref().map_or("", |(content, _)| content)
    }

    pub(super) fn created_at(&self) -> Option<Timestamp> {
        self.live.as_ref().map(|(_, created_at)| *created_at)
    }
}

/// The form in which text is searched: every database compares it byte by byte.
pub(super) fn search_text(text: &str) -> String {
    text.to_lowercase()
}

/// The words of a search, in the form in which they are searched. `None` where nothing can be found: no text holds a
/// NUL character, and Postgres would not even take it as a word.
pub(super) fn search_words(words: &[String]) -> Option<Vec<String>> {
    words.iter().map(|word| (!word.contains('\0')).then(|| search_text(word))).collect()
}
