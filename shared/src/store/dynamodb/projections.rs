//! Being written.
use super::DynamoDbStore;
use crate::domain::coin::Coin;
use crate::domain::price::Quote;
use crate::domain::projection::{Changes, EmotionChange, TransactionChange};
use crate::platform::BoxFuture;
use crate::store::*;
use std::collections::HashMap;
use uuid::Uuid;

fn not_yet<'a, T: Send + 'a>() -> BoxFuture<'a, Result<T, StoreError>> {
    Box::pin(async { Err(StoreError::Failed("not yet".to_owned())) })
}

impl Projections for DynamoDbStore {
    fn projected_versions<'a>(&'a self, _: &'a [Uuid]) -> BoxFuture<'a, Result<HashMap<Uuid, i32>, StoreError>> {
        not_yet()
    }
    fn apply_changes<'a>(&'a self, _: &'a Changes) -> BoxFuture<'a, Result<(), StoreError>> {
        not_yet()
    }
    fn begin_rebuild(&self) -> BoxFuture<'_, Result<Rebuild, StoreError>> {
        not_yet()
    }
    fn rebuild_step<'a>(
        &'a self,
        _: &'a Rebuild,
        _: &'a Changes,
        _: &'a Cursor,
        _: u64,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        not_yet()
    }
    fn rebuild_has_settled<'a>(&'a self, _: &'a Rebuild) -> BoxFuture<'a, Result<bool, StoreError>> {
        not_yet()
    }
    fn finish_rebuild<'a>(&'a self, _: &'a Rebuild) -> BoxFuture<'a, Result<bool, StoreError>> {
        not_yet()
    }
    fn sweep_generations(&self, _: u32) -> BoxFuture<'_, Result<u64, StoreError>> {
        not_yet()
    }
}

impl ReadModels for DynamoDbStore {
    fn emotions<'a>(&'a self, _: &'a [Uuid]) -> BoxFuture<'a, Result<Vec<(Uuid, EmotionChange)>, StoreError>> {
        not_yet()
    }
    fn latest_prices<'a>(&'a self, _: &'a [Coin]) -> BoxFuture<'a, Result<Vec<Quote>, StoreError>> {
        not_yet()
    }
    fn price_history<'a>(&'a self, _: &'a HistoryQuery) -> BoxFuture<'a, Result<Vec<PricePoint>, StoreError>> {
        not_yet()
    }
    fn memories<'a>(&'a self, _: &'a MemoryQuery) -> BoxFuture<'a, Result<Vec<MemoryRow>, StoreError>> {
        not_yet()
    }
    fn transaction(&self, _: Uuid) -> BoxFuture<'_, Result<Option<TransactionChange>, StoreError>> {
        not_yet()
    }
    fn pending_transactions<'a>(
        &'a self,
        _: &'a PendingQuery,
    ) -> BoxFuture<'a, Result<Vec<(Uuid, TransactionChange)>, StoreError>> {
        not_yet()
    }
}
