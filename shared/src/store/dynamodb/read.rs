//! The event store's trait: loading a stream, parts of several, snapshots, heads.

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, TransactWriteItem, Update};
use uuid::Uuid;

use super::items::{
    ALONE, event_sort_key, head_key, is_event, newest_snapshot_key, partition, read_event, read_head, read_snapshot,
    snapshot_key,
};
use super::{AT_ONCE, DEADLINE, DynamoDbStore};
use crate::domain::{RecordedEvent, StreamId};
use crate::platform::BoxFuture;
use crate::platform::dynamodb::{Item, Transacted, number, pause, read_number, text, unbuilt};
use crate::store::{
    Append, Appended, Cursor, EventStore, Head, IdempotencyKey, Loaded, Page, ReadOrder, Snapshot, StoreError,
    StreamPosition, within,
};

/// A first look at a stream from its end: a snapshot is kept every hundred events, so it is mostly among these.
const FIRST_LOOK: i32 = 128;
/// What a query for a few events asks for more than them: snapshots lie between.
const SNAPSHOTS: i32 = 4;

impl EventStore for DynamoDbStore {
    fn order(&self) -> ReadOrder {
        ReadOrder::PerStream
    }

    fn append<'a>(&'a self, append: &'a Append) -> BoxFuture<'a, Result<Appended, StoreError>> {
        Box::pin(self.append_events(append))
    }

    fn appended_under<'a>(&'a self, key: &'a IdempotencyKey) -> BoxFuture<'a, Result<Option<Appended>, StoreError>> {
        Box::pin(within(DEADLINE, self.under_key(key)))
    }

    fn load<'a>(
        &'a self,
        stream: &'a StreamId,
        snapshot_schema: Option<i32>,
    ) -> BoxFuture<'a, Result<Loaded, StoreError>> {
        Box::pin(within(DEADLINE, async move {
            if let Some(schema) = snapshot_schema {
                return self.load_backwards(stream, schema).await;
            }
            let items = self.table.all(self.versions_of(stream.aggregate_id).await).await?;
            Ok(Loaded { snapshot: None, events: events(&items)? })
        }))
    }

    fn save_snapshot<'a>(
        &'a self,
        stream: &'a StreamId,
        snapshot: &'a Snapshot,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(within(DEADLINE, self.keep_snapshot(stream.aggregate_id, snapshot)))
    }

    fn read_all<'a>(&'a self, cursor: Option<&'a Cursor>, limit: u32) -> BoxFuture<'a, Result<Page, StoreError>> {
        Box::pin(self.scan(cursor, limit))
    }

    fn read_streams<'a>(
        &'a self,
        positions: &'a [StreamPosition],
        per_stream: u32,
    ) -> BoxFuture<'a, Result<Vec<RecordedEvent>, StoreError>> {
        Box::pin(within(DEADLINE, async move {
            let mut events = Vec::new();
            for some in positions.chunks(AT_ONCE) {
                let reads = some.iter().map(|position| self.read_on(position, per_stream));
                events.extend(futures_util::future::try_join_all(reads).await?.into_iter().flatten());
            }
            Ok(events)
        }))
    }

    fn last_events<'a>(&'a self, streams: &'a [StreamId]) -> BoxFuture<'a, Result<Vec<RecordedEvent>, StoreError>> {
        Box::pin(within(DEADLINE, async move {
            let mut events = Vec::new();
            for some in streams.chunks(AT_ONCE) {
                let reads = some.iter().map(|stream| self.last_event(stream));
                events.extend(futures_util::future::try_join_all(reads).await?.into_iter().flatten());
            }
            Ok(events)
        }))
    }

    fn head<'a>(&'a self, stream: &'a StreamId) -> BoxFuture<'a, Result<Option<Head>, StoreError>> {
        Box::pin(within(DEADLINE, async move {
            let item = self.table.get(head_key(stream.aggregate_id)).await?;
            Ok(item.as_ref().map(read_head).transpose()?.map(|item| item.head))
        }))
    }
}

impl DynamoDbStore {
    /// A query of a stream's partition from one sort key to another, both included.
    pub(super) async fn between(&self, aggregate_id: Uuid, from: &str, to: &str) -> QueryFluentBuilder {
        let query = self.table.query(&partition(aggregate_id)).await;
        let query = query.key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to");
        query.expression_attribute_values(":from", text(from)).expression_attribute_values(":to", text(to))
    }

    /// A query of a stream's events and snapshots, without its head.
    async fn versions_of(&self, aggregate_id: Uuid) -> QueryFluentBuilder {
        let query = self.table.query(&partition(aggregate_id)).await;
        query.key_condition_expression("pk = :pk AND sk < :head").expression_attribute_values(":head", text(ALONE))
    }

    /// From the newest event back to the newest snapshot that can be read.
    async fn load_backwards(&self, stream: &StreamId, schema: i32) -> Result<Loaded, StoreError> {
        let query = self.versions_of(stream.aggregate_id).await.scan_index_forward(false);
        let (mut loaded, mut from) = (Loaded::default(), None);
        loop {
            let limit = from.is_none().then_some(FIRST_LOOK);
            let (items, next) = self.table.page(query.clone().set_limit(limit), from).await?;
            for item in &items {
                if is_event(item) {
                    loaded.events.push(read_event(item)?);
                } else if let Some(snapshot) = read_snapshot(item, schema) {
                    loaded.snapshot = Some(snapshot);
                    break;
                }
            }
            from = next;
            if from.is_none() || loaded.snapshot.is_some() {
                loaded.events.reverse();
                return Ok(loaded);
            }
        }
    }

    async fn read_on(&self, position: &StreamPosition, limit: u32) -> Result<Vec<RecordedEvent>, StoreError> {
        let (from, to) = (event_sort_key(position.after.saturating_add(1)), event_sort_key(i32::MAX));
        self.some(self.between(position.aggregate_id, &from, &to).await, limit).await
    }

    async fn last_event(&self, stream: &StreamId) -> Result<Vec<RecordedEvent>, StoreError> {
        self.some(self.versions_of(stream.aggregate_id).await.scan_index_forward(false), 1).await
    }

    /// The first events that a query finds.
    async fn some(&self, query: QueryFluentBuilder, limit: u32) -> Result<Vec<RecordedEvent>, StoreError> {
        let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
        let query = query.limit(i32::try_from(limit).unwrap_or(i32::MAX).saturating_add(SNAPSHOTS));
        let (mut found, mut from) = (Vec::new(), None);
        loop {
            let (items, next) = self.table.page(query.clone(), from).await?;
            found.extend(events(&items)?);
            from = next;
            if from.is_none() || found.len() >= wanted {
                found.truncate(wanted);
                return Ok(found);
            }
        }
    }

    async fn keep_snapshot(&self, aggregate_id: Uuid, snapshot: &Snapshot) -> Result<(), StoreError> {
        let Snapshot { version, schema_version, state } = snapshot;
        let newest_key = newest_snapshot_key(aggregate_id, *schema_version);
        for attempt in 1.. {
            let newest = self.table.get(newest_key.clone()).await?;
            let older = newest.as_ref().and_then(|newest| read_number::<i32>(newest, "v"));
            if older.is_some_and(|older| older >= *version) {
                return Ok(());
            }
            let mut item = snapshot_key(aggregate_id, *version, *schema_version);
            item.insert("d".to_owned(), AttributeValue::S(state.to_string()));
            let put = Put::builder().table_name(&self.table.name).set_item(Some(item)).build().map_err(unbuilt)?;
            let mut writes = vec![
                self.newest_snapshot(newest_key.clone(), *version, older)?,
                TransactWriteItem::builder().put(put).build(),
            ];
            if let Some(older) = older {
                let old = snapshot_key(aggregate_id, older, *schema_version);
                let delete = Delete::builder().table_name(&self.table.name).set_key(Some(old)).build();
                writes.push(TransactWriteItem::builder().delete(delete.map_err(unbuilt)?).build());
            }
            if matches!(self.table.transact(writes).await?, Transacted::Done) {
                return Ok(());
            }
            pause(attempt).await?;
        }
        Ok(())
    }

    /// Says which snapshot is the newest, if that is still as it was read.
    fn newest_snapshot(&self, key: Item, version: i32, older: Option<i32>) -> Result<TransactWriteItem, StoreError> {
        let update = Update::builder()
            .table_name(&self.table.name)
            .set_key(Some(key))
            .update_expression("SET v = :version")
            .expression_attribute_values(":version", number(version));
        let update = match older {
            Some(older) => {
                update.condition_expression("v = :older").expression_attribute_values(":older", number(older))
            }
            None => update.condition_expression("attribute_not_exists(pk)"),
        };
        Ok(TransactWriteItem::builder().update(update.build().map_err(unbuilt)?).build())
    }
}

fn events(items: &[Item]) -> Result<Vec<RecordedEvent>, StoreError> {
    items.iter().filter(|item| is_event(item)).map(read_event).collect()
}
