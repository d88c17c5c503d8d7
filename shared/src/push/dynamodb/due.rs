//! The connections that are to be looked at: a list in pieces of a minute, each in a few parts, and a cursor that says before
//! which minute there is nothing left.
//!
//! The cursor stays a minute behind the clock, so what is written for now or later is never behind it, though clocks of
//! sandboxes differ by seconds. Whoever writes what is past moves it back, and changes its generation: a reader that
//! looked before that, and found nothing, does not move it on.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::DynamoDbRegistry;
use super::items::{ALONE, spread};
use crate::platform::clock::{Timestamp, after, delta};
use crate::platform::dynamodb::{
    Item, Written, failure, is_over, key, number, put_if, read_number, read_text, seconds,
};
use crate::push::{ConnectionId, Due, RegistryError};

/// In how many parts a minute is.
const SHARDS: u8 = 8;
/// For how long what is due is looked for; no connection lives longer.
const KEPT: Duration = Duration::from_secs(3 * 60 * 60);
/// How many minutes are read at once.
const STRIDE: usize = 2;

/// How far the list is emptied.
#[derive(Default)]
struct Cursor {
    /// Before this minute there is nothing.
    minute: Option<i64>,
    generation: Option<i64>,
}

impl DynamoDbRegistry {
    pub(super) async fn write_due(&self, due: &Due) -> Result<(), RegistryError> {
        let mut item = due_key(due);
        item.insert("expires".to_owned(), number(seconds(after(due.at, KEPT))));
        put_if(self.table.put(item).await).await?;
        let minute = minute(due.at);
        if minute < self::minute(self.clock.now()) {
            self.move_back(minute).await?;
        }
        Ok(())
    }

    /// Once the item is there, and not before.
    async fn move_back(&self, minute: i64) -> Result<(), RegistryError> {
        let update = self.table.update(cursor_key()).await;
        let update = update.update_expression("ADD g :one").expression_attribute_values(":one", number(1));
        let Written::Done(item) = self.table.write(update).await? else { return Ok(()) };
        if read_number(&item, "m").is_some_and(|emptied: i64| emptied > minute) {
            let update = self.table.update(cursor_key()).await;
            let update = update
                .update_expression("SET m = :minute")
                .condition_expression("m > :minute")
                .expression_attribute_values(":minute", number(minute));
            self.table.write(update).await?;
        }
        Ok(())
    }

    pub(super) async fn read_due(&self, now: Timestamp, limit: usize) -> Result<Vec<Due>, RegistryError> {
        let cursor = read_cursor(self.table.get(cursor_key()).await?);
        let last = minute(now);
        let oldest = minute(now.checked_sub_signed(delta(KEPT)).unwrap_or(now));
        let first = cursor.minute.map_or(oldest, |minute| minute.max(oldest));
        let (mut due, mut settled) = (Vec::new(), first);
        // Minute by minute: those that wait longest are not kept from their turn by what came later.
        for from in (first..=last).step_by(STRIDE) {
            let parts = (from..=last).take(STRIDE).flat_map(|minute| (0..SHARDS).map(move |shard| (minute, shard)));
            let parts: Vec<_> = parts.map(|(minute, shard)| self.part_of_due(minute, shard, now, limit)).collect();
            let parts = stream::iter(parts).buffered(STRIDE * usize::from(SHARDS));
            let mut found: Vec<Due> = parts.try_concat().await?;
            if due.is_empty() && found.is_empty() {
                settled = from + i64::try_from(STRIDE).unwrap_or_default();
            }
            due.append(&mut found);
            if due.len() >= limit {
                break;
            }
        }
        if let Some(first) = due.iter().min() {
            settled = minute(first.at);
        }
        self.move_on(&cursor, settled.min(minute(now.min(self.clock.now())) - 1)).await?;
        due.sort_unstable();
        due.truncate(limit);
        Ok(due)
    }

    async fn part_of_due(
        &self,
        minute: i64,
        shard: u8,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Due>, RegistryError> {
        let query = self.table.query(&due_partition(minute, shard)).await;
        let query = query
            .key_condition_expression("pk = :pk AND sk < :later")
            .expression_attribute_values(":later", AttributeValue::S(format!("{:020}", micros(now) + 1)))
            .limit(i32::try_from(limit).unwrap_or(i32::MAX).max(1));
        let (mut due, mut from) = (Vec::new(), None);
        loop {
            let page = Box::pin(query.clone().set_exclusive_start_key(from).send()).await;
            let page = page.map_err(failure)?;
            due.extend(page.items().iter().filter(|item| !is_over(item, now)).filter_map(read_due));
            from = page.last_evaluated_key;
            if from.is_none() || due.len() >= limit {
                return Ok(due);
            }
        }
    }

    /// Unless it was moved since it was read.
    async fn move_on(&self, cursor: &Cursor, minute: i64) -> Result<(), RegistryError> {
        if cursor.minute.is_some_and(|emptied| emptied >= minute) {
            return Ok(());
        }
        let mut update = self.table.update(cursor_key()).await.update_expression("SET m = :minute");
        let mut conditions = Vec::new();
        for (name, seen) in [("m", cursor.minute), ("g", cursor.generation)] {
            match seen {
                Some(seen) => {
                    conditions.push(format!("{name} = :{name}"));
                    update = update.expression_attribute_values(format!(":{name}"), number(seen));
                }
                None => conditions.push(format!("attribute_not_exists({name})")),
            }
        }
        let update = update.condition_expression(conditions.join(" AND "));
        self.table.write(update.expression_attribute_values(":minute", number(minute))).await?;
        Ok(())
    }

    pub(super) async fn strike_due(&self, due: &Due) -> Result<(), RegistryError> {
        Ok(self.table.delete(due_key(due), None).await?)
    }
}

fn minute(at: Timestamp) -> i64 {
    at.timestamp().div_euclid(60)
}

/// Microseconds since 1970; what was before that is due anyway.
fn micros(at: Timestamp) -> i64 {
    at.timestamp_micros().max(0)
}

fn cursor_key() -> Item {
    key("D#", ALONE)
}

fn due_partition(minute: i64, shard: u8) -> String {
    format!("D#{minute}#{shard}")
}

fn due_key(due: &Due) -> Item {
    let partition = due_partition(minute(due.at), spread(&due.connection) % SHARDS);
    key(&partition, &format!("{:020}#{}", micros(due.at), due.connection))
}

fn read_due(item: &Item) -> Option<Due> {
    let (at, connection) = read_text(item, "sk")?.split_once('#')?;
    Some(Due { at: Timestamp::from_timestamp_micros(at.parse().ok()?)?, connection: ConnectionId::new(connection) })
}

fn read_cursor(item: Option<Item>) -> Cursor {
    item.map(|item| Cursor { minute: read_number(&item, "m"), generation: read_number(&item, "g") }).unwrap_or_default()
}
