//! Appending: one transaction of heads, events and idempotency key.

use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::items::{ALONE, event_item, event_sort_key, head_key, json, read_event, sortable};
use super::outbox::{FREE, part};
use super::{DEADLINE, DynamoDbStore};
use crate::domain::{RecordedEvent, StreamId};
use crate::platform::clock::{Timestamp, after};
use crate::platform::dynamodb::{
    Found, Item, Transacted, key, number, read_number, read_text, seconds, size, text, try_to_commit, unbuilt, wait,
};
use crate::store::{Append, Appended, Expected, IDEMPOTENCY_WINDOW, IdempotencyKey, StoreError, StreamAppend, within};

/// What the items of a transaction may have together.
const MOST_BYTES: usize = 4 * 1024 * 1024;
/// How much longer than its window a key is kept, so that clocks that differ do not matter.
const MARGIN: Duration = Duration::from_secs(3600);

/// What was appended to one stream, as an idempotency key remembers it.
#[derive(Serialize, Deserialize)]
struct Range {
    aggregate_id: Uuid,
    from: i32,
    to: i32,
}

impl DynamoDbStore {
    pub(super) async fn append_events(&self, append: &Append) -> Result<Appended, StoreError> {
        append.check()?;
        let any = append.streams.iter().any(|part| part.expected == Expected::Any);
        let _alone = if any { Some(self.any_version.lock().await) } else { None };
        within(DEADLINE, self.append_alone(append)).await
    }

    /// Until it is done, refused, or no longer waited for.
    async fn append_alone(&self, append: &Append) -> Result<Appended, StoreError> {
        for attempt in 1_u32.. {
            let before = self.versions_before(append).await?;
            let (events, writes) = self.writes(append, &before, self.clock.now())?;
            let transaction = self.table.transaction(writes).await;
            let found = match try_to_commit(&transaction).await? {
                Some(Transacted::Done) => return Ok(Appended { events, replayed: false }),
                Some(Transacted::Refused(found)) => found,
                // Another writer is at it. What that leaves behind is read, which disturbs nobody, before the next attempt.
                None => {
                    wait(attempt).await;
                    self.what_would_be_found(append).await?
                }
            };
            let mut found = found.into_iter();
            let heads: Vec<Found> = found.by_ref().take(append.streams.len()).collect();
            if let (Some(key), Some(Found::Against(Some(item)))) = (&append.idempotency, found.next()) {
                return self.again(&item, key).await;
            }
            if let Some(conflict) = conflict(append, &heads) {
                return Err(conflict);
            }
        }
        Err(StoreError::Unavailable("others go on appending".to_owned()))
    }

    /// What a transaction would be refused for, were it made now; as it would say so.
    async fn what_would_be_found(&self, append: &Append) -> Result<Vec<Found>, StoreError> {
        let parts = append.streams.iter();
        let items = self.table.get_all(parts.clone().map(|part| head_key(part.stream.aggregate_id)).collect()).await?;
        let head = |part: &StreamAppend| {
            let item = of_stream(&items, &part.stream).cloned();
            match part.expected {
                Expected::Exact(expected) if expected != version(item.as_ref()) => Found::Against(item),
                _ => Found::Well,
            }
        };
        let mut found: Vec<Found> = parts.map(head).collect();
        if let Some(key) = &append.idempotency {
            let kept = self.table.get(idempotency_item_key(key)).await?.filter(|item| self.is_kept(item));
            found.push(kept.map_or(Found::Well, |item| Found::Against(Some(item))));
        }
        Ok(found)
    }

    /// The version that each stream is to have: the expected one, or, where any will do, the one that it has.
    async fn versions_before(&self, append: &Append) -> Result<Vec<i32>, StoreError> {
        let any = |part: &&StreamAppend| part.expected == Expected::Any;
        let keys = append.streams.iter().filter(any).map(|part| head_key(part.stream.aggregate_id)).collect();
        let heads = self.table.get_all(keys).await?;
        let before = |part: &StreamAppend| match part.expected {
            Expected::Exact(expected) => expected,
            Expected::Any => version(of_stream(&heads, &part.stream)),
        };
        Ok(append.streams.iter().map(before).collect())
    }

    /// Heads first, then the key, then the events, in this order: so a refusal tells which it was.
    fn writes(
        &self,
        append: &Append,
        before: &[i32],
        now: Timestamp,
    ) -> Result<(Vec<RecordedEvent>, Vec<TransactWriteItem>), StoreError> {
        let parts = || append.streams.iter().zip(before.iter().copied());
        let events: Vec<_> = parts().flat_map(|(part, before)| recorded(part, before, append)).collect();
        let items = events.iter().map(|event| event_item(event, now)).collect::<Result<Vec<_>, _>>()?;
        let bytes: usize = items.iter().map(size).sum();
        if bytes > MOST_BYTES {
            return Err(StoreError::Invalid(format!("an append of {bytes} bytes; at most {MOST_BYTES} fit")));
        }
        let mut writes = Vec::with_capacity(items.len() + append.streams.len() + 1);
        for (part, before) in parts() {
            writes.push(self.move_head(part, before, now)?);
        }
        if let Some(key) = &append.idempotency {
            let ranges = parts().map(|(part, before)| Range {
                aggregate_id: part.stream.aggregate_id,
                from: before + 1,
                to: after_appending(part, before),
            });
            writes.push(self.keep_key(key, &ranges.collect::<Vec<_>>(), now)?);
        }
        for item in items {
            let put = Put::builder().table_name(&self.table.name).set_item(Some(item));
            let put = put.condition_expression("attribute_not_exists(pk)").build().map_err(unbuilt)?;
            writes.push(TransactWriteItem::builder().put(put).build());
        }
        Ok((events, writes))
    }

    fn move_head(&self, append: &StreamAppend, before: i32, now: Timestamp) -> Result<TransactWriteItem, StoreError> {
        // One that lags already keeps its place in the queue. One that does not gets the place that it had last: who was
        // looked after longest ago comes first.
        let (set, condition) = if before == 0 {
            ("SET v = :after, t = :type, p = :none, q = :now, lp = :free, ls = :now", "attribute_not_exists(pk)")
        } else {
            ("SET v = :after, lp = if_not_exists(lp, :free), ls = if_not_exists(ls, q)", "v = :before")
        };
        let update = Update::builder()
            .table_name(&self.table.name)
            .set_key(Some(head_key(append.stream.aggregate_id)))
            .update_expression(set)
            .condition_expression(condition)
            .expression_attribute_values(":after", number(after_appending(append, before)))
            .expression_attribute_values(":free", text(&part(FREE, append.stream.aggregate_id)))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let update = if before == 0 {
            update
                .expression_attribute_values(":type", text(&append.stream.aggregate_type))
                .expression_attribute_values(":none", number(0))
                .expression_attribute_values(":now", text(&sortable(now)))
        } else {
            update.expression_attribute_values(":before", number(before))
        };
        Ok(TransactWriteItem::builder().update(update.build().map_err(unbuilt)?).build())
    }

    fn keep_key(
        &self,
        idempotency: &IdempotencyKey,
        ranges: &[Range],
        now: Timestamp,
    ) -> Result<TransactWriteItem, StoreError> {
        let ranges = serde_json::to_string(ranges).map_err(|error| StoreError::Invalid(error.to_string()))?;
        let mut item = idempotency_item_key(idempotency);
        item.insert("f".to_owned(), text(&idempotency.fingerprint));
        item.insert("r".to_owned(), AttributeValue::S(ranges));
        item.insert("c".to_owned(), number(now.timestamp_micros()));
        item.insert("expires".to_owned(), number(seconds(after(now, IDEMPOTENCY_WINDOW + MARGIN))));
        let put = Put::builder()
            .table_name(&self.table.name)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk) OR c <= :oldest")
            .expression_attribute_values(":oldest", number(oldest(now)))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        Ok(TransactWriteItem::builder().put(put.build().map_err(unbuilt)?).build())
    }

    pub(super) async fn under_key(&self, key: &IdempotencyKey) -> Result<Option<Appended>, StoreError> {
        match self.table.get(idempotency_item_key(key)).await?.filter(|item| self.is_kept(item)) {
            Some(item) => self.again(&item, key).await.map(Some),
            None => Ok(None),
        }
    }

    /// Whether a key is within its window.
    fn is_kept(&self, item: &Item) -> bool {
        read_number(item, "c").is_some_and(|created: i64| created > oldest(self.clock.now()))
    }

    /// The result that is remembered under a key.
    async fn again(&self, item: &Item, key: &IdempotencyKey) -> Result<Appended, StoreError> {
        if read_text(item, "f") != Some(&key.fingerprint) {
            return Err(StoreError::KeyReused);
        }
        let ranges: Vec<Range> = json(item, "r")?;
        let mut events = Vec::new();
        for Range { aggregate_id, from, to } in ranges {
            let (from, to) = (event_sort_key(from), event_sort_key(to));
            let items = self.table.all(self.between(aggregate_id, &from, &to).await).await?;
            for item in items.iter().filter(|item| super::items::is_event(item)) {
                events.push(read_event(item)?);
            }
        }
        Ok(Appended { events, replayed: true })
    }
}

fn after_appending(append: &StreamAppend, before: i32) -> i32 {
    before.saturating_add(i32::try_from(append.events.len()).unwrap_or(i32::MAX))
}

/// The events of one stream, with the versions that they get.
fn recorded(append: &StreamAppend, before: i32, whole: &Append) -> impl Iterator<Item = RecordedEvent> {
    append.events.iter().zip(before + 1..).map(|(event, event_version)| RecordedEvent {
        id: event.id,
        stream: append.stream.clone(),
        event_version,
        event_type: event.event_type.clone(),
        schema_version: event.schema_version,
        data: event.data.clone(),
        metadata: whole.metadata.clone(),
    })
}

/// The first stream that is not at the version that was expected of it.
fn conflict(append: &Append, heads: &[Found]) -> Option<StoreError> {
    append.streams.iter().zip(heads).find_map(|(part, found)| match (part.expected, found) {
        (Expected::Exact(expected), Found::Against(head)) => {
            Some(StoreError::Conflict { stream: part.stream.clone(), expected, actual: version(head.as_ref()) })
        }
        _ => None,
    })
}

/// The head of a stream among several.
fn of_stream<'a>(heads: &'a [Item], stream: &StreamId) -> Option<&'a Item> {
    let key = head_key(stream.aggregate_id);
    heads.iter().find(|head| head.get("pk") == key.get("pk"))
}

/// The version that a head says; 0 without one.
fn version(head: Option<&Item>) -> i32 {
    head.and_then(|head| read_number(head, "v")).unwrap_or(0)
}

fn idempotency_item_key(idempotency: &IdempotencyKey) -> Item {
    key(&format!("K#{}", idempotency.key), ALONE)
}

/// Keys that were kept then, or before, are forgotten.
fn oldest(now: Timestamp) -> i64 {
    (now - IDEMPOTENCY_WINDOW).timestamp_micros()
}
