//! What topics are known, how far each is told, and who listens.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use moka::sync::Cache;
use uuid::Uuid;

use super::DynamoDbRegistry;
use super::items::{Places, head_key, listener_partition, read_listener, spread};
use crate::platform::clock::{Timestamp, after, delta};
use crate::platform::dynamodb::{Item, Written, is_over, key, number, read_number, read_text, seconds};
use crate::push::{Begun, Listeners, RegistryError, Slot};

/// How many rows a page of listeners has: some 160 KB.
const PAGE: i32 = 1000;
/// With more listeners a part, a topic gets more parts.
const LISTENERS_A_SHARD: u64 = 1000;
const MOST_SHARDS: u32 = 256;
/// How much longer than its listeners a topic is known at least, so that clocks that differ do not matter.
const MARGIN: Duration = Duration::from_secs(10 * 60);
/// How much longer it is made known when it is written down: as long, no other listener writes it.
const AHEAD: Duration = Duration::from_secs(60 * 60);
/// How long a sandbox goes by what it knows of a topic. With fewer parts than there are by now, it is not wrong.
const REMEMBERED: Duration = Duration::from_secs(60);
/// How many topics are written down at a time.
const AT_ONCE: usize = 8;

/// What this sandbox knows of topics.
pub(super) type Heads = Cache<Uuid, Head>;

/// What was known of a topic.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    shards: u32,
    expires: i64,
    seen_at: Timestamp,
}

impl DynamoDbRegistry {
    /// Where the rows of a slot are to be. From here on its topics are known, until after the slot has ended.
    pub(super) async fn places(&self, slot: &Slot) -> Result<Places, RegistryError> {
        let Some(subscription) = &slot.subscription else { return Ok(Places::default()) };
        let topics: BTreeSet<Uuid> = subscription.topics.iter().copied().collect();
        let (now, at_least) = (self.clock.now(), seconds(after(slot.ends_at, MARGIN)));
        let mut unknown = Vec::new();
        let mut heads: Vec<(Uuid, Head)> = Vec::new();
        for topic in topics {
            let known = self.heads.get(&topic);
            match known.filter(|head| head.expires >= at_least && head.seen_at + delta(REMEMBERED) > now) {
                Some(head) => heads.push((topic, head)),
                None => unknown.push(topic),
            }
        }
        for (topic, head) in self.make_known(unknown, slot.ends_at).await? {
            self.heads.insert(topic, head);
            heads.push((topic, head));
        }
        heads.sort_unstable_by_key(|(topic, _)| *topic);
        let spread = u32::from(spread(&slot.connection));
        let shard = |head: Head| u8::try_from(spread % head.shards.clamp(1, MOST_SHARDS)).unwrap_or_default();
        Ok(Places::new(heads.into_iter().map(|(topic, head)| (topic, shard(head))).collect()))
    }

    /// Read first: most topics that somebody listens to were written down by another, and a read disturbs no transaction.
    async fn make_known(&self, topics: Vec<Uuid>, ends_at: Timestamp) -> Result<Vec<(Uuid, Head)>, RegistryError> {
        let now = self.clock.now();
        let at_least = seconds(after(ends_at, MARGIN));
        let mut heads = Vec::new();
        for (topic, found) in self.read_heads(&topics).await? {
            heads.push((topic, read_head(&found, now)));
        }
        let well = |topic: &Uuid| heads.iter().find(|(each, head)| each == topic && head.expires >= at_least).copied();
        let (known, unknown): (Vec<_>, Vec<_>) = topics.into_iter().partition(|topic| well(topic).is_some());
        let known = known.iter().filter_map(well).collect::<Vec<_>>();
        let written = stream::iter(unknown.into_iter().map(|topic| self.write_head(topic, ends_at)));
        let written: Vec<_> = written.buffer_unordered(AT_ONCE).try_collect().await?;
        Ok([known, written].concat())
    }

    async fn read_heads(&self, topics: &[Uuid]) -> Result<Vec<(Uuid, Item)>, RegistryError> {
        let mut found = Vec::new();
        for item in self.table.get_all(topics.iter().map(|topic| head_key(*topic)).collect()).await? {
            let topic = read_text(&item, "pk").and_then(|pk| Uuid::parse_str(pk.strip_prefix("H#")?).ok());
            found.extend(topic.map(|topic| (topic, item)));
        }
        Ok(found)
    }

    async fn write_head(&self, topic: Uuid, ends_at: Timestamp) -> Result<(Uuid, Head), RegistryError> {
        let update = self.table.update(head_key(topic)).await;
        let update = update
            .update_expression("SET expires = :until, s = if_not_exists(s, :one)")
            .condition_expression("attribute_not_exists(expires) OR expires < :until")
            .expression_attribute_values(":until", number(seconds(after(ends_at, AHEAD))))
            .expression_attribute_values(":one", number(1));
        match self.table.write(update).await? {
            Written::Done(item) | Written::Refused(Some(item)) => Ok((topic, read_head(&item, self.clock.now()))),
            Written::Refused(None) => Err(RegistryError::Failed("a topic was there and was not".to_owned())),
        }
    }

    pub(super) async fn begin_version(
        &self,
        topic: Uuid,
        version: i32,
        newest: bool,
    ) -> Result<Option<Begun>, RegistryError> {
        let now = self.clock.now();
        let update = self.table.update(head_key(topic)).await;
        let update = update
            .update_expression("SET b = :version")
            .condition_expression(
                "expires > :now AND (attribute_not_exists(f) OR f < :version) \
                 AND (attribute_not_exists(b) OR b <= :version)",
            )
            .expression_attribute_values(":version", number(version))
            .expression_attribute_values(":now", number(now.timestamp()));
        let item = match self.table.write(update).await? {
            Written::Done(item) => item,
            // A newer one was begun. Whoever began to listen since then knows that one, and so does not need this one; for
            // all others nothing has to be written.
            Written::Refused(Some(item)) if !newest && !is_over(&item, now) => item,
            Written::Refused(_) => return Ok(None),
        };
        let finished = read_number(&item, "f").unwrap_or_default();
        Ok(Some(Begun { finished, shards: read_head(&item, now).shards }).filter(|begun| begun.finished < version))
    }

    pub(super) async fn finish_version(&self, topic: Uuid, version: i32, listeners: u64) -> Result<(), RegistryError> {
        let update = self.table.update(head_key(topic)).await;
        let update = update
            .update_expression("SET f = :version")
            .condition_expression("attribute_exists(pk) AND (attribute_not_exists(f) OR f < :version)")
            .expression_attribute_values(":version", number(version));
        let Written::Done(item) = self.table.write(update).await? else { return Ok(()) };
        let shards = read_head(&item, self.clock.now()).shards;
        let wanted = shards_for(listeners);
        if wanted <= shards {
            return Ok(());
        }
        let update = self.table.update(head_key(topic)).await;
        let update = update
            .update_expression("SET s = :wanted")
            .condition_expression("attribute_exists(pk) AND s < :wanted")
            .expression_attribute_values(":wanted", number(wanted));
        self.table.write(update).await?;
        Ok(())
    }

    pub(super) async fn page_of_listeners(
        &self,
        topic: Uuid,
        shard: u32,
        from: Option<&str>,
    ) -> Result<Listeners, RegistryError> {
        let now = self.clock.now();
        let partition = listener_partition(topic, shard);
        let query = self.table.query(&partition).await.limit(PAGE);
        let (items, last) = self.table.page(query, from.map(|from| key(&partition, from))).await?;
        let rows = items.iter().filter(|row| !is_over(row, now));
        let listeners = rows.filter_map(read_listener).map(Arc::new).collect();
        let next = last.as_ref().and_then(|last| read_text(last, "sk")).map(str::to_owned);
        Ok(Listeners { listeners, next })
    }
}

fn read_head(item: &Item, seen_at: Timestamp) -> Head {
    let (shards, expires) = (read_number(item, "s").unwrap_or(1), read_number(item, "expires").unwrap_or_default());
    Head { shards, expires, seen_at }
}

/// The fewest parts, a power of two, in which so many listeners are no more than a part should have.
fn shards_for(listeners: u64) -> u32 {
    let parts = u32::try_from(listeners.div_ceil(LISTENERS_A_SHARD)).unwrap_or(MOST_SHARDS);
    parts.clamp(1, MOST_SHARDS).next_power_of_two()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_has_a_thousand_listeners_at_most() {
        let shards = [0, 1, 1000, 1001, 2000, 2001, 10_000, 256_000, u64::MAX].map(shards_for);
        assert_eq!(shards, [1, 1, 1, 2, 2, 4, 16, 256, 256]);
    }
}
