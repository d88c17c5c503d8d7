//! The history of prices: a coin's points by version in one partition, and beside them, for each day, the lowest and the highest
//! version with a time of that day. Times mostly grow with versions, but nothing says that they must; by the days, a
//! question for a stretch of time reads the points of those days and few others, wherever the stretch is and in
//! whatever order the points are, and does not have to go on to the first point to know that it has them all.

use crate::domain::coin::Coin;
use crate::platform::clock::Timestamp;
use crate::platform::dynamodb::{Item, Written, key, number, read_number, text};
use crate::store::{HistoryQuery, PricePoint, StoreError};

use super::DynamoDbStore;
use super::views::{days_partition, history_partition, ordered, read, read_point};

/// The fewest points of a page where not all of them are wanted: about 100 KB.
const PAGE: i32 = 1000;
const MICROS_A_DAY: i64 = 86_400_000_000;

/// Versions of a coin's points, from the first to the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) first: i32,
    pub(super) last: i32,
}

impl Span {
    pub(super) fn and(self, other: Self) -> Self {
        Self { first: self.first.min(other.first), last: self.last.max(other.last) }
    }

    fn read(item: &Item) -> Option<Self> {
        Some(Self { first: read_number(item, "a")?, last: read_number(item, "z")? })
    }
}

/// The day of a time; those before 1970 are one.
pub(super) fn day(at: Timestamp) -> i64 {
    at.timestamp_micros().max(0).div_euclid(MICROS_A_DAY)
}

impl DynamoDbStore {
    /// Notes that points with these versions have times of `day`. Where nothing came out of order, that is one write.
    pub(super) async fn write_day(&self, generation: i32, coin: &Coin, day: i64, span: Span) -> Result<(), StoreError> {
        let key = key(&days_partition(generation, coin), &ordered(day));
        let update = self.table.update(key.clone()).await;
        let update = update
            .update_expression("SET a = if_not_exists(a, :first), z = :last")
            .condition_expression("attribute_not_exists(z) OR (a <= :first AND z < :last)")
            .expression_attribute_values(":first", number(span.first))
            .expression_attribute_values(":last", number(span.last));
        if matches!(self.table.write(update).await?, Written::Done(_)) {
            return Ok(());
        }
        // Each end for itself, and only outwards: whoever else writes it meanwhile, nothing is lost.
        for (change, condition, version) in
            [("SET a = :version", "a > :version", span.first), ("SET z = :version", "z < :version", span.last)]
        {
            let update = self.table.update(key.clone()).await.update_expression(change).condition_expression(condition);
            self.table.write(update.expression_attribute_values(":version", number(version))).await?;
        }
        Ok(())
    }

    pub(super) async fn read_history(
        &self,
        generation: i32,
        query: &HistoryQuery,
    ) -> Result<Vec<PricePoint>, StoreError> {
        let limit = query.limit as usize;
        let cut = query.from.is_some() || query.to.is_some();
        let everything = Span { first: 1, last: i32::MAX };
        let within = if cut { self.read_days(generation, query).await? } else { Some(everything) };
        let Some(Span { first, last }) = within else { return Ok(vec![]) };
        let last = last.min(query.before_version.map_or(i32::MAX, |before| before.saturating_sub(1)));
        if limit == 0 || last < first {
            return Ok(vec![]);
        }
        let wanted = i32::try_from(query.limit).unwrap_or(i32::MAX);
        let points = self.table.query(&history_partition(generation, &query.coin)).await;
        let points = points
            .key_condition_expression("pk = :pk AND sk BETWEEN :first AND :last")
            .expression_attribute_values(":first", text(&ordered(first)))
            .expression_attribute_values(":last", text(&ordered(last)))
            .scan_index_forward(false)
            .limit(if cut { wanted.max(PAGE) } else { wanted });
        let (mut found, mut from) = (Vec::new(), None);
        while found.len() < limit {
            let (items, next) = self.table.page(points.clone(), from).await?;
            for item in &items {
                let point = read(item, read_point)?;
                if query.from.is_none_or(|from| point.at >= from) && query.to.is_none_or(|to| point.at < to) {
                    found.push(point);
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

    /// Within which versions all points of the days are that `query` asks for.
    async fn read_days(&self, generation: i32, query: &HistoryQuery) -> Result<Option<Span>, StoreError> {
        let days = self.table.query(&days_partition(generation, &query.coin)).await;
        let days = days
            .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to")
            .expression_attribute_values(":from", text(&ordered(query.from.map_or(0, day))))
            .expression_attribute_values(":to", text(&ordered(query.to.map_or(i64::from(i32::MAX), day))));
        let mut within: Option<Span> = None;
        for item in &self.table.all(days).await? {
            let span = read(item, Span::read)?;
            within = Some(within.map_or(span, |within| within.and(span)));
        }
        Ok(within)
    }
}
