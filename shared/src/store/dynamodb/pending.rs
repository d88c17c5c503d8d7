//! Transactions that are to be settled, through the index in which each of them has a place while it is pending. The index
//! follows the table in a moment, and holds keys alone: what it names is read from the table and judged again.

use std::collections::HashMap;

use uuid::Uuid;

use super::items::sortable;
use super::views::{PENDING_SHARDS, pending_partition, pending_place, read, read_transaction};
use super::{DynamoDbStore, INDEX};
use crate::domain::projection::TransactionChange;
use crate::platform::dynamodb::{Item, all, key, read_text, text};
use crate::store::{PendingQuery, StoreError};

/// A transaction by its place in the index.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    place: String,
    pk: String,
    sk: String,
}

impl DynamoDbStore {
    pub(super) async fn read_pending(
        &self,
        generation: i32,
        query: &PendingQuery,
    ) -> Result<Vec<(Uuid, TransactionChange)>, StoreError> {
        let limit = query.limit as usize;
        let mut after = query.after.map(|(at, id)| pending_place(at, id));
        let mut pending = Vec::new();
        // Until there are enough: a page that is not full is taken for the last one.
        while pending.len() < limit {
            let wanted = limit - pending.len();
            let candidates = self.candidates(generation, query, after.as_deref(), wanted).await?;
            let keys = candidates.iter().map(|candidate| key(&candidate.pk, &candidate.sk)).collect();
            let items = self.table.get_all(keys).await?;
            let items: HashMap<&str, &Item> =
                items.iter().filter_map(|item| Some((read_text(item, "pk")?, item))).collect();
            for Candidate { place, pk, .. } in &candidates {
                // One that has another place by now comes there.
                if let Some(item) = items.get(pk.as_str()).filter(|item| read_text(item, "ls") == Some(place)) {
                    pending.push(read(item, read_transaction)?);
                }
            }
            if candidates.len() < wanted {
                break;
            }
            after = candidates.into_iter().next_back().map(|last| last.place);
        }
        Ok(pending)
    }

    /// The first `wanted` behind `after`, in order.
    async fn candidates(
        &self,
        generation: i32,
        query: &PendingQuery,
        after: Option<&str>,
        wanted: usize,
    ) -> Result<Vec<Candidate>, StoreError> {
        let mut shards = Vec::new();
        for shard in 0..PENDING_SHARDS {
            shards.push(self.candidates_of(pending_partition(generation, shard), query, after, wanted));
        }
        let mut candidates = all(shards, usize::from(PENDING_SHARDS)).await?.concat();
        candidates.sort_unstable();
        candidates.truncate(wanted);
        Ok(candidates)
    }

    async fn candidates_of(
        &self,
        partition: String,
        query: &PendingQuery,
        after: Option<&str>,
        wanted: usize,
    ) -> Result<Vec<Candidate>, StoreError> {
        // "!" comes before "#": behind this place, and before any other.
        let behind = after.map_or_else(String::new, |after| format!("{after}!"));
        let before = sortable(query.older_than);
        if behind >= before {
            return Ok(vec![]);
        }
        let places = self.table.query(&partition).await;
        let places = places
            .index_name(INDEX)
            .consistent_read(false)
            .key_condition_expression("lp = :pk AND ls BETWEEN :behind AND :before")
            .expression_attribute_values(":behind", text(if behind.is_empty() { "!" } else { &behind }))
            .expression_attribute_values(":before", text(&before))
            .limit(i32::try_from(wanted).unwrap_or(i32::MAX));
        let (mut found, mut from) = (Vec::new(), None);
        while found.len() < wanted {
            let (items, next) = self.table.page(places.clone(), from).await?;
            found.extend(items.iter().filter_map(|item| {
                let [place, pk, sk] = ["ls", "pk", "sk"].map(|name| read_text(item, name).map(str::to_owned));
                Some(Candidate { place: place?, pk: pk?, sk: sk? })
            }));
            if next.is_none() {
                break;
            }
            from = next;
        }
        Ok(found)
    }
}
