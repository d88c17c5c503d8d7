//! The outbox: heads that lag are in the sparse index, in parts so that no one part takes every write of the table.

use std::time::Duration;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use futures_util::stream::{FuturesUnordered, StreamExt};
use uuid::Uuid;

use super::items::{HeadItem, event_sort_key, head_key, partition, read_aggregate_id, read_head, sortable};
use super::{AT_ONCE, DynamoDbStore, INDEX};
use crate::platform::BoxFuture;
use crate::platform::clock::{Timestamp, after};
use crate::platform::dynamodb::{Item, Written, key, number, pause, read_text, read_time, text};
use crate::store::{Backlog, Head, LaggingStream, Outbox, Published, StoreError, within};

/// Lagging streams that nobody has claimed, in the order of the queue.
pub(super) const FREE: &str = "F";
/// Those that are claimed, in the order in which the claims end.
const CLAIMED: &str = "C";
/// Parts of the index, each for both. A part takes a thousand writes a second, and a stream that is appended to and published
/// makes four.
const PARTS: u8 = 8;
/// How long a call may take: no caller waits for it but a relay.
const DEADLINE: Duration = Duration::from_secs(15);
/// How often the index is looked at again when others have claimed what it showed.
const LOOKS: u32 = 4;
/// Streams whose events are counted for the backlog. What more there are, is only counted as streams.
const COUNTED: usize = 2000;

/// The part of the index that a stream belongs to.
pub(super) fn part(kind: &str, aggregate_id: Uuid) -> String {
    let [.., last] = aggregate_id.into_bytes();
    format!("{kind}#{}", last % PARTS)
}

/// A stream, and since when it waits.
type Waiting = (String, Uuid);

impl Outbox for DynamoDbStore {
    fn lease_lagging(
        &self,
        limit: u32,
        now: Timestamp,
        ttl: Duration,
    ) -> BoxFuture<'_, Result<Vec<LaggingStream>, StoreError>> {
        Box::pin(within(DEADLINE, self.claim(usize::try_from(limit).unwrap_or(usize::MAX), now, ttl)))
    }

    fn advance<'a>(&'a self, published: &'a [Published]) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(within(DEADLINE, async move {
            for some in published.chunks(AT_ONCE) {
                futures_util::future::try_join_all(some.iter().map(|done| self.move_on(done))).await?;
            }
            Ok(())
        }))
    }

    fn backlog(&self) -> BoxFuture<'_, Result<Backlog, StoreError>> {
        Box::pin(within(DEADLINE, self.count()))
    }
}

impl DynamoDbStore {
    async fn claim(&self, limit: usize, now: Timestamp, ttl: Duration) -> Result<Vec<LaggingStream>, StoreError> {
        let mut claimed = Vec::new();
        for look in 1..=LOOKS {
            let mut waiting = self.waiting(limit - claimed.len(), now).await?.into_iter().peekable();
            if waiting.peek().is_none() {
                break;
            }
            while claimed.len() < limit && waiting.peek().is_some() {
                let mut claims = FuturesUnordered::new();
                for (_, id) in waiting.by_ref().take((limit - claimed.len()).min(AT_ONCE)) {
                    claims.push(self.claim_one(id, now, ttl));
                }
                while let Some(done) = claims.next().await {
                    claimed.extend(done?);
                }
            }
            // Others claimed what the index showed: it may be late, or there are more behind.
            if claimed.len() >= limit || look == LOOKS {
                break;
            }
            pause(look).await?;
        }
        Ok(claimed)
    }

    /// Who may be claimed, the longest waiting first. A claim that ended began before anybody who is free now was last
    /// looked after, or about then.
    async fn waiting(&self, limit: usize, now: Timestamp) -> Result<Vec<Waiting>, StoreError> {
        let limit = i32::try_from(limit).unwrap_or(i32::MAX);
        let ended = sortable(now);
        let queries = (0..PARTS).flat_map(|part| [(FREE, part), (CLAIMED, part)]).map(|(kind, part)| {
            let ended = ended.as_str();
            async move {
                let query = self.part_of_index(kind, part).await.limit(limit);
                let query = if kind == CLAIMED {
                    let query = query.key_condition_expression("lp = :part AND ls <= :ended");
                    query.expression_attribute_values(":ended", text(ended))
                } else {
                    query
                };
                Ok::<_, StoreError>(self.table.page(query, None).await?.0)
            }
        });
        let found = futures_util::future::try_join_all(queries).await?;
        let mut waiting: Vec<Waiting> = found.iter().flatten().filter_map(read_waiting).collect();
        waiting.sort_unstable();
        Ok(waiting)
    }

    async fn part_of_index(&self, kind: &str, part: u8) -> QueryFluentBuilder {
        let query = self.table.client().await.query().table_name(&self.table.name).index_name(INDEX);
        let query = query.key_condition_expression("lp = :part");
        query.expression_attribute_values(":part", text(&format!("{kind}#{part}")))
    }

    async fn claim_one(&self, id: Uuid, now: Timestamp, ttl: Duration) -> Result<Option<LaggingStream>, StoreError> {
        let until = after(now, ttl);
        let update = self.table.update(head_key(id)).await;
        let update = update
            .update_expression("SET u = :until, q = :queued, lp = :claimed, ls = :ends")
            .condition_expression("p < v AND (attribute_not_exists(u) OR u <= :now)")
            .expression_attribute_values(":until", number(until.timestamp_micros()))
            .expression_attribute_values(":now", number(now.timestamp_micros()))
            .expression_attribute_values(":queued", text(&sortable(now)))
            .expression_attribute_values(":claimed", text(&part(CLAIMED, id)))
            .expression_attribute_values(":ends", text(&sortable(until)));
        let Written::Done(item) = self.table.write(update).await? else { return Ok(None) };
        let HeadItem { stream, head, .. } = read_head(&item)?;
        let Head { version, published_version, .. } = head;
        Ok(Some(LaggingStream { stream, published_version, version, lease_until: until }))
    }

    /// Mostly all is published that there is: one write. Otherwise what the head is comes back, and decides.
    async fn move_on(&self, done: &Published) -> Result<(), StoreError> {
        let id = done.stream.aggregate_id;
        let hoped = Head { version: done.to, published_version: done.from, lease_until: Some(done.lease_until) };
        let mut seen = (hoped, String::new());
        for attempt in 1.. {
            let (head, queued_at) = &seen;
            if head.published_version < done.from {
                return Ok(());
            }
            match self.try_to_move(id, done, head, queued_at).await? {
                Written::Done(_) | Written::Refused(None) => return Ok(()),
                Written::Refused(Some(item)) => {
                    let HeadItem { head, queued_at, .. } = read_head(&item)?;
                    seen = (head, queued_at);
                }
            }
            if attempt > 1 {
                pause(attempt).await?;
            }
        }
        Ok(())
    }

    /// Moves a head that is as it was seen.
    async fn try_to_move(
        &self,
        id: Uuid,
        done: &Published,
        seen: &Head,
        queued_at: &str,
    ) -> Result<Written, StoreError> {
        let published = seen.published_version.max(done.to);
        let mine = seen.lease_until == Some(done.lease_until);
        let change = match (published >= seen.version, mine) {
            (true, true) => "SET p = :published REMOVE lp, ls, u",
            (true, false) => "SET p = :published REMOVE lp, ls",
            (false, true) => "SET p = :published, lp = :free, ls = :queued REMOVE u",
            (false, false) => "SET p = :published",
        };
        let update = self.table.update(head_key(id)).await.update_expression(change);
        let update = update
            .expression_attribute_values(":published", number(published))
            .expression_attribute_values(":p", number(seen.published_version))
            .expression_attribute_values(":v", number(seen.version));
        let update = match seen.lease_until {
            Some(until) => update
                .condition_expression("p = :p AND v = :v AND u = :u")
                .expression_attribute_values(":u", number(until.timestamp_micros())),
            None => update.condition_expression("p = :p AND v = :v AND attribute_not_exists(u)"),
        };
        let update = if change.contains(":free") {
            update
                .expression_attribute_values(":free", text(&part(FREE, id)))
                .expression_attribute_values(":queued", text(queued_at))
        } else {
            update
        };
        Ok(self.table.write(update).await?)
    }

    async fn count(&self) -> Result<Backlog, StoreError> {
        let queries = (0..PARTS).flat_map(|part| [(FREE, part), (CLAIMED, part)]);
        let queries = queries.map(|(kind, part)| async move {
            Ok::<_, StoreError>(self.table.all(self.part_of_index(kind, part).await).await?)
        });
        let found = futures_util::future::try_join_all(queries).await?;
        let mut waiting: Vec<Waiting> = found.iter().flatten().filter_map(read_waiting).collect();
        waiting.sort_unstable();
        let more = waiting.split_off(waiting.len().min(COUNTED));
        let heads = self.table.get_all(waiting.iter().map(|(_, id)| head_key(*id)).collect()).await?;
        let heads: Vec<HeadItem> = heads.iter().map(read_head).collect::<Result<_, _>>()?;
        let lagging: Vec<&HeadItem> =
            heads.iter().filter(|item| item.head.published_version < item.head.version).collect();
        let behind = |item: &&HeadItem| (item.head.version - item.head.published_version).unsigned_abs();
        let first = |item: &&HeadItem| {
            let version = event_sort_key(item.head.published_version.saturating_add(1));
            key(&partition(item.stream.aggregate_id), &version)
        };
        let oldest = self.table.get_all(lagging.iter().map(first).collect()).await?;
        let streams = lagging.len() + more.len();
        Ok(Backlog {
            events: lagging.iter().map(|item| u64::from(behind(item))).sum::<u64>() + more.len() as u64,
            streams: streams as u64,
            oldest: oldest.iter().filter_map(|event| read_time(event, "c")).min(),
        })
    }
}

fn read_waiting(item: &Item) -> Option<Waiting> {
    Some((read_text(item, "ls")?.to_owned(), read_aggregate_id(item)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_spread_over_all_parts_of_the_index() {
        let mut parts: Vec<_> = (0..200).map(|_| part(FREE, Uuid::new_v4())).collect();
        parts.sort_unstable();
        parts.dedup();
        assert_eq!(parts.len(), usize::from(PARTS));
    }
}
