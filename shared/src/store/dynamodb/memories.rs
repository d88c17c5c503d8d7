//! A user's memories, in one partition: a row for each that there is, by the version at which it was added, and an item for each
//! that there ever was, by its id, with the newest that is known of it. The two change in one transaction, so a row is there
//! exactly while its memory is: a late addition finds the tombstone, and listing reads rows alone.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::{Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem};
use uuid::Uuid;

use super::DynamoDbStore;
use super::items::fits;
use super::views::{memories_partition, ordered, read};
use crate::domain::projection::MemoryChange;
use crate::platform::clock::Timestamp;
use crate::platform::dynamodb::{
    Found, Item, Transacted, key, number, pause, read_number, read_text, read_time, text, unbuilt,
};
use crate::store::read_models::{search_text, search_words};
use crate::store::{MemoryQuery, MemoryRow, StoreError};

/// A memory, and what is new of it.
#[derive(Clone, Copy)]
pub(super) struct News<'a> {
    pub(super) generation: i32,
    pub(super) owner: Uuid,
    pub(super) id: Uuid,
    pub(super) change: &'a MemoryChange,
}

impl News<'_> {
    /// The item by id: the newest version, and that of the row where there is one.
    fn known(&self) -> Item {
        let mut item = self.known_key();
        item.insert("v".to_owned(), number(self.change.version));
        if self.change.live.is_some() {
            item.insert("a".to_owned(), number(self.change.version));
        }
        item
    }

    fn known_key(&self) -> Item {
        known_key(self.generation, self.owner, self.id)
    }

    fn row_key(&self, version: i32) -> Item {
        row_key(self.generation, self.owner, version)
    }

    fn row(&self, content: &str, created_at: Timestamp) -> Item {
        let mut row = self.row_key(self.change.version);
        row.insert("i".to_owned(), text(&self.id.simple().to_string()));
        row.insert("c".to_owned(), text(content));
        row.insert("t".to_owned(), number(created_at.timestamp_micros()));
        row
    }

    /// # Errors
    /// [`StoreError::Invalid`] where the text is too long for any item.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        self.change.live.as_ref().map_or(Ok(()), |(content, at)| fits(self.row(content, *at)).map(drop))
    }
}

impl DynamoDbStore {
    /// Most of what comes is an addition of what was never there: it is written without a look.
    pub(super) async fn write_memory(&self, news: News<'_>) -> Result<(), StoreError> {
        let mut known = match news.change.live {
            Some(_) => None,
            None => self.table.get(news.known_key()).await?,
        };
        for attempt in 1.. {
            let version = known.as_ref().and_then(|known| read_number(known, "v")).unwrap_or(0);
            if version >= news.change.version {
                break;
            }
            match self.table.transact(self.memory_writes(news, known.as_ref())?).await? {
                Transacted::Done => break,
                Transacted::Refused(found) => {
                    let Some(Found::Against(item)) = found.into_iter().next() else {
                        return Err(StoreError::Failed("a memory was refused for no reason".to_owned()));
                    };
                    known = item;
                }
            }
            pause(attempt).await?;
        }
        Ok(())
    }

    /// What is to be written where `known` is what there is.
    fn memory_writes(&self, news: News<'_>, known: Option<&Item>) -> Result<Vec<TransactWriteItem>, StoreError> {
        let name = &self.table.name;
        let put = |item: Item| Put::builder().table_name(name).set_item(Some(item));
        let seen = known.and_then(|known| known.get("v").cloned());
        let newest = put(news.known())
            .condition_expression(if seen.is_some() { "v = :seen" } else { "attribute_not_exists(v)" })
            .set_expression_attribute_values(seen.map(|seen| Item::from([(":seen".to_owned(), seen)])))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let mut writes = vec![TransactWriteItem::builder().put(newest.build().map_err(unbuilt)?).build()];
        if let Some(version) = known.and_then(|known| read_number(known, "a")) {
            let delete = Delete::builder().table_name(name).set_key(Some(news.row_key(version)));
            writes.push(TransactWriteItem::builder().delete(delete.build().map_err(unbuilt)?).build());
        }
        if let Some((content, created_at)) = &news.change.live {
            let row = put(news.row(content, *created_at));
            writes.push(TransactWriteItem::builder().put(row.build().map_err(unbuilt)?).build());
        }
        Ok(writes)
    }

    /// As many pages of the owner's partition as it takes to find enough. It has no more rows than a user may have
    /// memories. What is searched is made of the text here, rather than kept beside it and read along with it.
    pub(super) async fn read_memories(
        &self,
        generation: i32,
        query: &MemoryQuery,
    ) -> Result<Vec<MemoryRow>, StoreError> {
        let Some(words) = search_words(&query.words) else { return Ok(vec![]) };
        let limit = query.limit as usize;
        let newest = query.before_version.map_or(i32::MAX, |before| before.saturating_sub(1));
        let mut rows = self.table.query(&memories_partition(generation, query.owner)).await;
        rows = rows
            .key_condition_expression("pk = :pk AND sk BETWEEN :first AND :last")
            .expression_attribute_values(":first", text(&row_place(1)))
            .expression_attribute_values(":last", text(&row_place(newest)))
            .scan_index_forward(false);
        if words.is_empty() {
            rows = rows.limit(i32::try_from(query.limit).unwrap_or(i32::MAX).max(1));
        }
        let (mut found, mut from) = (Vec::new(), None);
        while found.len() < limit && newest >= 1 {
            let (items, next) = self.table.page(rows.clone(), from).await?;
            for item in &items {
                let row = read(item, read_row)?;
                let searched = if words.is_empty() { String::new() } else { search_text(&row.content) };
                if words.iter().all(|word| searched.contains(word.as_str())) {
                    found.push(row);
                }
            }
            if next.is_none() {
                break;
            }
            from = next;
        }
        found.truncate(limit);
        Ok(found)
    }

    /// Where their rows are, and then the rows: one that is not there any more was deleted in between.
    pub(super) async fn read_memories_by_id(
        &self,
        generation: i32,
        owner: Uuid,
        ids: &[Uuid],
    ) -> Result<Vec<MemoryRow>, StoreError> {
        // No key may be asked for twice.
        let ids: BTreeSet<_> = ids.iter().collect();
        let known = self.read_items(ids.into_iter().map(|id| known_key(generation, owner, *id)).collect()).await?;
        let rows = known.iter().filter_map(|known| read_number(known, "a"));
        let rows = self.read_items(rows.map(|version| row_key(generation, owner, version)).collect()).await?;
        rows.iter().map(|row| read(row, read_row)).collect()
    }
}

/// The key of what is known of a memory.
fn known_key(generation: i32, owner: Uuid, id: Uuid) -> Item {
    key(&memories_partition(generation, owner), &format!("i#{}", id.simple()))
}

/// The key of a memory's row.
fn row_key(generation: i32, owner: Uuid, version: i32) -> Item {
    key(&memories_partition(generation, owner), &row_place(version))
}

fn row_place(version: i32) -> String {
    format!("v#{}", ordered(version))
}

fn read_row(item: &Item) -> Option<MemoryRow> {
    Some(MemoryRow {
        id: read_text(item, "i")?.parse().ok()?,
        version: read_text(item, "sk")?.strip_prefix("v#")?.parse().ok()?,
        content: read_text(item, "c")?.to_owned(),
        created_at: read_time(item, "t")?,
    })
}
