//! The read models, read by their keys from the live generation.
//!
//! | item | `pk` | `sk` | attributes |
//! | --- | --- | --- | --- |
//! | generations | `P#` | `@` | `l` live, `s` shadow, `n` last; of the rebuild: `c` cursor, `d` events read, `m` mark of the last change |
//! | sweep | `P#` | `sweep` | `w` the live generation; `i`, `j` the key where it goes on |
//! | projected stream | `V#<generation>#S#<stream>` | `@` | `v` version |
//! | emotion | `V#<generation>#E#<stream>` | `@` | `v`; `u` user, `e` emotion, `p` points, `t` µs |
//! | latest price | `V#<generation>#L#<coin>` | `@` | `v`; `q` dollars, `g` change, `k` capitalisation, `t` µs, `s` source |
//! | point of history | `V#<generation>#H#<coin>` | `<version>` | `q`, `t`, `s` |
//! | day of history | `V#<generation>#D#<coin>` | `<day>` | `a`, `z` lowest and highest version |
//! | memory | `V#<generation>#M#<stream>` | `v#<version>` | `i` id, `c` text, `t` µs |
//! | memory by id | `V#<generation>#M#<stream>` | `i#<id>` | `v`; `a` version of its row, none where it is deleted |
//! | transaction | `V#<generation>#T#<stream>` | `@` | `v`; `c` chain, `h` hash, `u` user, `f` from, `o` to, `n` nonce, `b` block, `e` state, `r` reason, `s` and `t` µs it was handed in and heard of; while it is pending: `lp`, `ls` |
//!
//! Versions and days have ten digits, ids thirty-two, so that text has their order. Decimals are text.
//!
//! Every read asks for the generations too, at the same time as for its rows under the generation that was live when this
//! sandbox last looked; where another is live by now, it reads again. So each costs one read unit more, of one item: some
//! 3,000 reads a second are what its partition can give.

use std::sync::atomic::Ordering;

use futures_util::future::join;
use uuid::Uuid;

use super::views::{emotion_key, latest_key, read, read_emotion, read_latest, read_transaction, transaction_key};
use super::{DEADLINE, DynamoDbStore};
use crate::domain::coin::Coin;
use crate::domain::price::Quote;
use crate::domain::projection::{EmotionChange, TransactionChange};
use crate::platform::BoxFuture;
use crate::store::{HistoryQuery, MemoryQuery, MemoryRow, PendingQuery, PricePoint, ReadModels, StoreError, within};

impl ReadModels for DynamoDbStore {
    fn emotions<'a>(&'a self, owners: &'a [Uuid]) -> BoxFuture<'a, Result<Vec<(Uuid, EmotionChange)>, StoreError>> {
        Box::pin(within(DEADLINE, async move {
            let items = self.live_items(owners, emotion_key).await?;
            items.iter().map(|item| read(item, read_emotion)).collect()
        }))
    }

    fn latest_prices<'a>(&'a self, coins: &'a [Coin]) -> BoxFuture<'a, Result<Vec<Quote>, StoreError>> {
        Box::pin(within(DEADLINE, async move {
            let items = self.live_items(coins, latest_key).await?;
            items.iter().map(|item| read(item, read_latest)).collect()
        }))
    }

    fn price_history<'a>(&'a self, query: &'a HistoryQuery) -> BoxFuture<'a, Result<Vec<PricePoint>, StoreError>> {
        Box::pin(within(DEADLINE, self.in_live(|generation| self.read_history(generation, query))))
    }

    fn memories<'a>(&'a self, query: &'a MemoryQuery) -> BoxFuture<'a, Result<Vec<MemoryRow>, StoreError>> {
        Box::pin(within(DEADLINE, self.in_live(|generation| self.read_memories(generation, query))))
    }

    fn memories_by_id<'a>(&'a self, owner: Uuid, ids: &'a [Uuid]) -> BoxFuture<'a, Result<Vec<MemoryRow>, StoreError>> {
        Box::pin(within(DEADLINE, self.in_live(move |generation| self.read_memories_by_id(generation, owner, ids))))
    }

    fn transaction(&self, id: Uuid) -> BoxFuture<'_, Result<Option<TransactionChange>, StoreError>> {
        Box::pin(within(DEADLINE, async move {
            let items = self.live_items(&[id], transaction_key).await?;
            Ok(items.first().map(|item| read(item, read_transaction)).transpose()?.map(|(_, change)| change))
        }))
    }

    fn pending_transactions<'a>(
        &'a self,
        query: &'a PendingQuery,
    ) -> BoxFuture<'a, Result<Vec<(Uuid, TransactionChange)>, StoreError>> {
        Box::pin(within(DEADLINE, self.in_live(|generation| self.read_pending(generation, query))))
    }
}

impl DynamoDbStore {
    /// What `read` finds in the live generation.
    pub(super) async fn in_live<T, F>(&self, read: impl Fn(i32) -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        loop {
            let guess = self.live.load(Ordering::Relaxed);
            let (generations, found) = join(self.generations(), read(guess)).await;
            let live = generations?.live;
            if live == guess {
                return found;
            }
            self.live.store(live, Ordering::Relaxed);
        }
    }
}
