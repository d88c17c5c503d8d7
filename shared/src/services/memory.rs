//! A user's memories: added, deleted, listed and searched.

use std::sync::Arc;

use uuid::Uuid;

use super::page::{Item, Page, check_first, decode_cursor};
use super::{Call, Error};
use crate::domain::memory::{MemoryAggregate, MemoryCommand, MemoryError, MemoryEvent};
use crate::platform::clock::{Clock, Timestamp};
use crate::platform::ids::new_id;
use crate::store::{EventStore, MemoryQuery, MemoryRow, ReadModels, Repository};

/// The most words of a search that count.
const MAX_WORDS: usize = 16;
/// The longest search, in characters.
const MAX_SEARCH: usize = 256;
/// The most memories of a page.
const MAX_PAGE: i32 = 100;

/// The use cases of memories.
pub struct Memories {
    repository: Repository<MemoryAggregate>,
    read_models: Arc<dyn ReadModels>,
    clock: Arc<dyn Clock>,
}

/// One memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memory {
    /// Its id.
    pub id: Uuid,
    /// Its text.
    pub content: String,
    /// When it was added.
    pub created_at: Timestamp,
}

/// Which memories of the caller.
#[derive(Debug, Clone, Default)]
pub struct MemoryFilter {
    /// 1 to 100 of them.
    pub first: i32,
    /// Only what comes after this cursor.
    pub after: Option<String>,
    /// Only what holds every one of these words.
    pub search: Option<String>,
}

impl Memories {
    /// The use cases over a store and its read models.
    pub fn new(store: Arc<dyn EventStore>, read_models: Arc<dyn ReadModels>, clock: Arc<dyn Clock>) -> Self {
        Self { repository: Repository::new(store), read_models, clock }
    }

    /// Adds a memory of the caller's. `place` tells this use from others in one request.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a text that is empty, too long or one too many.
    pub async fn add(&self, call: &Call, place: &str, content: String) -> Result<Memory, Error> {
        let key = call.idempotency("addMemory", place, &content)?;
        let command = MemoryCommand::Add { id: new_id(), content };
        let metadata = call.metadata(self.clock.now());
        let events = self.repository.execute(call.user_id()?, &command, &metadata, key).await?;
        let event = events.first().ok_or_else(|| Error::Internal("adding a memory led to no event".to_owned()))?;
        match event.decode()? {
            MemoryEvent::Added(added) => {
                Ok(Memory { id: added.memory_id, content: added.content, created_at: event.metadata.occurred_at })
            }
            MemoryEvent::Deleted(_) => Err(Error::Internal("adding a memory deleted one".to_owned())),
        }
    }

    /// Deletes a memory of the caller's: its id.
    ///
    /// # Errors
    /// [`Error::NotFound`] for one that the caller does not have.
    pub async fn delete(&self, call: &Call, place: &str, id: Uuid) -> Result<Uuid, Error> {
        let key = call.idempotency("deleteMemory", place, &id)?;
        let metadata = call.metadata(self.clock.now());
        self.repository.execute(call.user_id()?, &MemoryCommand::Delete { id }, &metadata, key).await?;
        Ok(id)
    }

    /// The memories of `user_id`, newest first.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a page size, cursor or search that makes no sense.
    pub async fn list(&self, user_id: &str, filter: &MemoryFilter) -> Result<Page<Item<Memory>>, Error> {
        let first = check_first(filter.first, MAX_PAGE)?;
        let rows = self
            .read_models
            .memories(&MemoryQuery {
                owner: Repository::<MemoryAggregate>::stream(user_id).aggregate_id,
                words: words(filter.search.as_deref())?,
                before_version: filter.after.as_deref().map(decode_cursor).transpose()?,
                limit: first + 1,
            })
            .await?;
        Ok(Page::of(rows, first).map(|row: MemoryRow| {
            (row.version, Memory { id: row.id, content: row.content, created_at: row.created_at })
        }))
    }
}

fn words(search: Option<&str>) -> Result<Vec<String>, Error> {
    let search = search.unwrap_or_default();
    let words: Vec<_> = search.split_whitespace().map(str::to_lowercase).collect();
    if search.chars().count() > MAX_SEARCH || words.len() > MAX_WORDS {
        return Err(Error::Invalid(format!("search takes at most {MAX_WORDS} words and {MAX_SEARCH} characters")));
    }
    if search.contains('\0') {
        return Err(Error::Invalid("search must not contain NUL characters".to_owned()));
    }
    Ok(words)
}

impl From<MemoryError> for Error {
    fn from(error: MemoryError) -> Self {
        match error {
            MemoryError::Unknown(_) => Self::NotFound(error.to_string()),
            _ => Self::Invalid(error.to_string()),
        }
    }
}
