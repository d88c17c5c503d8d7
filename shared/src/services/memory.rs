//! A user's memories: added, deleted, listed and searched.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use uuid::Uuid;

use super::page::{Item, Page, check_first, decode_cursor};
use super::{Call, Error};
use crate::domain::memory::{MemoryAggregate, MemoryCommand, MemoryError, MemoryEvent};
use crate::domain::projection::{Changes, MemoryChange};
use crate::platform::clock::{Clock, Timestamp};
use crate::platform::ids::new_id;
use crate::store::{EventStore, MemoryQuery, MemoryRow, Repository, Store, StreamPosition};

/// The most words of a search that count.
const MAX_WORDS: usize = 16;
/// The longest search, in characters.
const MAX_SEARCH: usize = 256;
/// The most memories of a page.
const MAX_PAGE: i32 = 100;

/// The most events that a list adds to what is projected.
const MAX_TAIL: u32 = 1000;

/// The use cases of memories.
pub struct Memories {
    repository: Repository<MemoryAggregate>,
    store: Arc<dyn Store>,
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
    /// The use cases over a store, appending through `events`.
    pub fn new(events: Arc<dyn EventStore>, store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { repository: Repository::new(events), store, clock }
    }

    /// The id of a memory.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn id(text: &str) -> Result<Uuid, Error> {
        text.parse().map_err(|_| Error::Invalid("id is not the id of a memory".to_owned()))
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

    /// One memory of `user_id`.
    ///
    /// # Errors
    /// [`Error::NotFound`] for one that this user does not have, whoever else may.
    pub async fn get(&self, user_id: &str, id: Uuid) -> Result<Memory, Error> {
        self.get_each(user_id, &[id]).await?.remove(&id).ok_or_else(|| MemoryError::Unknown(id).into())
    }

    /// Those of `ids` that `user_id` has. As with [`list`](Self::list), what has just happened counts.
    ///
    /// # Errors
    /// The store's.
    pub async fn get_each(&self, user_id: &str, ids: &[Uuid]) -> Result<HashMap<Uuid, Memory>, Error> {
        let owner = Repository::<MemoryAggregate>::stream(user_id).aggregate_id;
        // Before the rows: what is projected in between is in both.
        let tail = self.unprojected(owner).await?;
        let (new, projected): (Vec<_>, Vec<_>) = ids.iter().partition(|id| tail.contains_key(id));
        let rows = if projected.is_empty() { vec![] } else { self.store.memories_by_id(owner, &projected).await? };
        let new = new.into_iter().filter_map(|id| {
            let (content, created_at) = tail.get(&id)?.live.clone()?;
            Some(Memory { id, content, created_at })
        });
        Ok(rows.into_iter().map(Memory::from).chain(new).map(|memory| (memory.id, memory)).collect())
    }

    /// The memories of `user_id`, newest first. What the caller has just added or deleted counts, though the read
    /// model may not know it yet: the end of the stream is laid over it.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a page size, cursor or search that makes no sense.
    pub async fn list(&self, user_id: &str, filter: &MemoryFilter) -> Result<Page<Item<Memory>>, Error> {
        let first = check_first(filter.first, MAX_PAGE)?;
        let mut query = MemoryQuery {
            owner: Repository::<MemoryAggregate>::stream(user_id).aggregate_id,
            words: words(filter.search.as_deref())?,
            before_version: filter.after.as_deref().map(decode_cursor).transpose()?,
            // One more, to know whether there is one.
            limit: first + 1,
        };
        // Before the rows: what is projected in between is in both.
        let tail = self.unprojected(query.owner).await?;
        query.limit += u32::try_from(tail.len()).unwrap_or(0);
        let rows = lay_over(self.store.memories(&query).await?, tail, &query);
        Ok(Page::of(rows, first).map(|row: MemoryRow| (row.version, row.into())))
    }
}

impl Memories {
    /// What follows from the events that are not projected yet, by a memory's id.
    async fn unprojected(&self, owner: Uuid) -> Result<BTreeMap<Uuid, MemoryChange>, Error> {
        let projected = self.store.projected_versions(&[owner]).await?;
        let position = StreamPosition { aggregate_id: owner, after: projected.get(&owner).copied().unwrap_or(0) };
        let mut changes = Changes::default();
        for event in self.store.read_streams(&[position], MAX_TAIL).await? {
            // What cannot be read is passed over, as the projector does; it is a dead letter there.
            if let Err(error) = changes.add(&event) {
                tracing::warn!(%error, event_id = %event.id, "an event of a memory stream cannot be read");
            }
        }
        Ok(changes.memories.into_iter().map(|((_, id), change)| (id, change)).collect())
    }
}

/// Rows of a read model, newest first, with later changes over them.
fn lay_over(mut rows: Vec<MemoryRow>, tail: BTreeMap<Uuid, MemoryChange>, query: &MemoryQuery) -> Vec<MemoryRow> {
    if tail.is_empty() {
        return rows;
    }
    rows.retain(|row| !tail.contains_key(&row.id));
    let in_page = |version: i32| query.before_version.is_none_or(|before| version < before);
    for (id, MemoryChange { version, live }) in tail {
        if let Some((content, created_at)) = live.filter(|_| in_page(version)) {
            let text = content.to_lowercase();
            if query.words.iter().all(|word| text.contains(word)) {
                rows.push(MemoryRow { id, version, content, created_at });
            }
        }
    }
    rows.sort_by_key(|row| Reverse(row.version));
    rows
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

impl From<MemoryRow> for Memory {
    fn from(row: MemoryRow) -> Self {
        Self { id: row.id, content: row.content, created_at: row.created_at }
    }
}

impl From<MemoryError> for Error {
    fn from(error: MemoryError) -> Self {
        match error {
            MemoryError::Unknown(_) => Self::NotFound(error.to_string()),
            _ => Self::Invalid(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::auth::{Principal, Role};
    use crate::platform::clock::SystemClock;
    use crate::services::fake_store::FakeStore;

    struct Fixture {
        store: Arc<FakeStore>,
        memories: Memories,
    }

    fn fixture() -> Fixture {
        let store = Arc::new(FakeStore::default());
        Fixture { memories: Memories::new(store.clone(), store.clone(), Arc::new(SystemClock)), store }
    }

    impl Fixture {
        async fn add(&self, user_id: &str, content: &str) -> Memory {
            self.memories.add(&by(user_id), "", content.to_owned()).await.unwrap()
        }

        async fn is_found(&self, user_id: &str, id: Uuid) -> bool {
            match self.memories.get(user_id, id).await {
                Ok(_) => true,
                Err(Error::NotFound(_)) => false,
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn by(user_id: &str) -> Call {
        let principal = Principal { user_id: user_id.to_owned(), role: Role::User, expires_at: None };
        Call { principal: Some(principal), ..Call::default() }
    }

    #[tokio::test]
    async fn a_memory_is_got_by_its_id_whether_it_is_projected_yet_or_not() {
        let it = fixture();
        let added = [it.add("ada", "one").await, it.add("ada", "two").await];
        for projected in 0..=2 {
            it.store.project(projected);
            for memory in &added {
                assert_eq!(it.memories.get("ada", memory.id).await.unwrap(), *memory, "{projected}");
            }
            assert!(!it.is_found("ada", Uuid::now_v7()).await, "{projected}");
        }
    }

    #[tokio::test]
    async fn a_deleted_memory_is_not_found_though_the_read_model_has_it() {
        let it = fixture();
        let id = it.add("ada", "brief").await.id;
        it.store.project(1);
        assert!(it.is_found("ada", id).await);
        it.memories.delete(&by("ada"), "", id).await.unwrap();
        assert!(!it.is_found("ada", id).await);
        it.store.project(2);
        assert!(!it.is_found("ada", id).await);
    }

    #[tokio::test]
    async fn of_many_ids_those_that_are_there_are_got() {
        let it = fixture();
        let (first, second) = (it.add("ada", "one").await, it.add("ada", "two").await);
        it.store.project(1);
        let found = it.memories.get_each("ada", &[second.id, Uuid::now_v7(), first.id, second.id]).await.unwrap();
        assert_eq!(found, HashMap::from([(first.id, first), (second.id, second)]));
        assert!(it.memories.get_each("ada", &[]).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn nobody_gets_anothers_memory() {
        let it = fixture();
        let id = it.add("ada", "of ada").await.id;
        it.add("bob", "of bob").await;
        for projected in 0..=1 {
            it.store.project(projected);
            assert!(!it.is_found("bob", id).await && it.is_found("ada", id).await, "{projected}");
        }
    }
}
