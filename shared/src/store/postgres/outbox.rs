//! SKELETON
use std::collections::HashMap;
use std::time::Duration;

use uuid::Uuid;

use super::PostgresStore;
use crate::domain::projection::Changes;
use crate::platform::BoxFuture;
use crate::platform::clock::Timestamp;
use crate::store::{Backlog, Cursor, LaggingStream, Outbox, Projections, Published, Rebuild, StoreError};

impl Outbox for PostgresStore {
    fn lease_lagging(
        &self,
        _: u32,
        _: Timestamp,
        _: Duration,
    ) -> BoxFuture<'_, Result<Vec<LaggingStream>, StoreError>> {
        todo!()
    }
    fn advance<'a>(&'a self, _: &'a [Published], _: Timestamp) -> BoxFuture<'a, Result<(), StoreError>> {
        todo!()
    }
    fn backlog(&self) -> BoxFuture<'_, Result<Backlog, StoreError>> {
        todo!()
    }
}
impl Projections for PostgresStore {
    fn projected_versions<'a>(&'a self, _: &'a [Uuid]) -> BoxFuture<'a, Result<HashMap<Uuid, i32>, StoreError>> {
        todo!()
    }
    fn apply_changes<'a>(&'a self, _: &'a Changes) -> BoxFuture<'a, Result<(), StoreError>> {
        todo!()
    }
    fn begin_rebuild(&self) -> BoxFuture<'_, Result<Rebuild, StoreError>> {
        todo!()
    }
    fn rebuild_step<'a>(
        &'a self,
        _: &'a Rebuild,
        _: &'a Changes,
        _: &'a Cursor,
        _: u64,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        todo!()
    }
    fn rebuild_has_settled<'a>(&'a self, _: &'a Rebuild) -> BoxFuture<'a, Result<bool, StoreError>> {
        todo!()
    }
    fn finish_rebuild<'a>(&'a self, _: &'a Rebuild) -> BoxFuture<'a, Result<bool, StoreError>> {
        todo!()
    }
    fn sweep_generations(&self, _: u32) -> BoxFuture<'_, Result<u64, StoreError>> {
        todo!()
    }
}
