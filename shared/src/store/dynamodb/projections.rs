//! Writing the read models, row by row: rows over older ones only, to the live generation and the shadow alike, and how far the
//! streams are projected when all rows are there.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use aws_sdk_dynamodb::types::WriteRequest;
use uuid::Uuid;

use super::history::{Span, day};
use super::items::fits;
use super::memories::News;
use super::views::{
    emotion_item, latest_item, point_item, read, read_stream, stream_item, stream_key, transaction_item,
};
use super::{AT_ONCE, DEADLINE, DynamoDbStore};
use crate::domain::coin::Coin;
use crate::domain::projection::Changes;
use crate::platform::BoxFuture;
use crate::platform::dynamodb::{Item, all, persistently, put_if, put_request};
use crate::store::{Cursor, Projections, Rebuild, StoreError, Swept, within};

/// How long a write may take. Longer than a handler is waited for: who is slow is given less at once, not the same again.
const SLICE_DEADLINE: Duration = Duration::from_secs(20);
/// How many items one call reads by their keys.
const KEYS: usize = 100;
/// How many points of history one call writes.
const POINTS: usize = 25;

impl Projections for DynamoDbStore {
    fn projected_versions<'a>(&'a self, streams: &'a [Uuid]) -> BoxFuture<'a, Result<HashMap<Uuid, i32>, StoreError>> {
        Box::pin(within(DEADLINE, async move {
            let items = self.live_items(streams, stream_key).await?;
            items.iter().map(|item| read(item, read_stream)).collect()
        }))
    }

    fn apply_changes<'a>(&'a self, changes: &'a Changes) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(within(SLICE_DEADLINE, async move {
            let generations = self.generations().await?.all();
            self.write_changes(&generations, changes).await
        }))
    }

    fn begin_rebuild(&self) -> BoxFuture<'_, Result<Rebuild, StoreError>> {
        Box::pin(within(DEADLINE, self.begin()))
    }

    /// A step that ends half-way is made again from where it began, and writes the same rows.
    fn rebuild_step<'a>(
        &'a self,
        rebuild: &'a Rebuild,
        changes: &'a Changes,
        cursor: &'a Cursor,
        events: u64,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(within(SLICE_DEADLINE, async move {
            let on = self.generations().await?.rebuild;
            if on.is_none_or(|on| (on.generation, &on.cursor) != (rebuild.generation, &rebuild.cursor)) {
                return Ok(false);
            }
            self.write_changes(&[rebuild.generation], changes).await?;
            self.note_step(rebuild, cursor, events).await
        }))
    }

    /// What was committed before a pass through the table is shown by it.
    fn rebuild_has_settled<'a>(&'a self, rebuild: &'a Rebuild) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(within(DEADLINE, async move {
            let on = self.generations().await?.rebuild;
            Ok(on.is_some_and(|on| on.generation == rebuild.generation))
        }))
    }

    fn finish_rebuild<'a>(&'a self, rebuild: &'a Rebuild) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(within(DEADLINE, self.swap(rebuild)))
    }

    /// At most `limit` rows of all kinds.
    fn sweep_generations(&self, limit: u32) -> BoxFuture<'_, Result<Swept, StoreError>> {
        Box::pin(within(SLICE_DEADLINE, self.sweep(limit)))
    }
}

/// What is to be written, once it is known that all of it can be.
#[derive(Default)]
struct Writes<'a> {
    /// Each over one with a lower `v`.
    rows: Vec<Item>,
    /// What never changes.
    points: Vec<WriteRequest>,
    days: Vec<(i32, &'a Coin, i64, Span)>,
    memories: Vec<News<'a>>,
    streams: Vec<Item>,
}

impl<'a> Writes<'a> {
    fn of(generations: &[i32], changes: &'a Changes) -> Result<Self, StoreError> {
        let mut rows = Self::default();
        for generation in generations {
            rows.add(*generation, changes)?;
        }
        Ok(rows)
    }

    fn add(&mut self, generation: i32, changes: &'a Changes) -> Result<(), StoreError> {
        for (owner, emotion) in &changes.emotions {
            self.rows.push(fits(emotion_item(generation, *owner, emotion))?);
        }
        for (version, quote) in changes.latest_prices.values() {
            self.rows.push(fits(latest_item(generation, *version, quote))?);
        }
        for (id, change) in &changes.transactions {
            self.rows.push(fits(transaction_item(generation, *id, change))?);
        }
        let mut days: BTreeMap<(&Coin, i64), Span> = BTreeMap::new();
        for ((coin, version), quote) in &changes.price_history {
            self.points.push(put_request(fits(point_item(generation, *version, quote))?)?);
            let one = Span { first: *version, last: *version };
            days.entry((coin, day(quote.updated_at))).and_modify(|span| *span = span.and(one)).or_insert(one);
        }
        self.days.extend(days.into_iter().map(|((coin, day), span)| (generation, coin, day, span)));
        for ((owner, id), change) in &changes.memories {
            let news = News { generation, owner: *owner, id: *id, change };
            news.check()?;
            self.memories.push(news);
        }
        self.streams.extend(changes.streams.iter().map(|(stream, version)| stream_item(generation, *stream, *version)));
        Ok(())
    }
}

impl DynamoDbStore {
    async fn write_changes(&self, generations: &[i32], changes: &Changes) -> Result<(), StoreError> {
        let Writes { rows, points, days, memories, streams } = Writes::of(generations, changes)?;
        let mut work: Vec<BoxFuture<'_, Result<(), StoreError>>> = Vec::new();
        for chunk in points.chunks(POINTS) {
            work.push(Box::pin(async { Ok(persistently(|| self.table.batch(chunk.to_vec())).await?) }));
        }
        for row in rows {
            work.push(Box::pin(self.write_over_older(row)));
        }
        for (generation, coin, day, span) in days {
            work.push(Box::pin(self.write_day(generation, coin, day, span)));
        }
        for news in memories {
            work.push(Box::pin(self.write_memory(news)));
        }
        all(work, AT_ONCE).await?;
        let mut work = Vec::new();
        for stream in streams {
            work.push(self.write_over_older(stream));
        }
        all(work, AT_ONCE).await?;
        Ok(())
    }

    /// A row that is newer stays.
    async fn write_over_older(&self, row: Item) -> Result<(), StoreError> {
        let version = row.get("v").cloned();
        let put = self.table.put(row).await.condition_expression("attribute_not_exists(v) OR v < :v");
        let put = put.set_expression_attribute_values(version.map(|v| Item::from([(":v".to_owned(), v)])));
        persistently(|| put_if(put.clone())).await?;
        Ok(())
    }

    /// Rows of the live generation by their keys.
    pub(super) async fn live_items<T: Ord>(
        &self,
        ids: &[T],
        key: impl Fn(i32, &T) -> Item,
    ) -> Result<Vec<Item>, StoreError> {
        // No key may be asked for twice.
        let ids: BTreeSet<&T> = ids.iter().collect();
        let keys = |generation: i32| ids.iter().map(|id| key(generation, id)).collect::<Vec<_>>();
        self.in_live(|generation| self.read_items(keys(generation))).await
    }

    pub(super) async fn read_items(&self, keys: Vec<Item>) -> Result<Vec<Item>, StoreError> {
        let mut work = Vec::new();
        for some in keys.chunks(KEYS) {
            work.push(self.table.get_all(some.to_vec()));
        }
        Ok(all(work, AT_ONCE).await?.concat())
    }
}
