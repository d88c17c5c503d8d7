//! Writing the read models, and rebuilding them beside the live ones.
//!
//! Every row belongs to a generation. Readers see the live one. A rebuild fills the next, the shadow, from the first
//! event on, while what is projected meanwhile goes to both; at its end the shadow becomes the live one in one step.

use std::collections::HashMap;

use uuid::Uuid;

use super::{Cursor, StoreError};
use crate::domain::projection::Changes;
use crate::platform::BoxFuture;

/// The read models, for who writes them.
pub trait Projections: Send + Sync {
    /// The version up to which each stream is projected in the live generation, without a hole; unknown streams are
    /// left out.
    fn projected_versions<'a>(&'a self, streams: &'a [Uuid]) -> BoxFuture<'a, Result<HashMap<Uuid, i32>, StoreError>>;

    /// Writes `changes` to the live generation, and to the shadow where a rebuild is on. A row is written only over an
    /// older one, so a repetition, or a late event, changes nothing newer.
    ///
    /// All or nothing on SQL, one statement a table. Elsewhere row by row, in no order, and how far the streams are
    /// projected when all rows are there: where this ends half-way, some rows are newer than that says, and the
    /// repetition, which the caller owes, writes the others.
    ///
    /// # Errors
    /// One that is not transient is of the data: what cannot be written today cannot be written tomorrow.
    fn apply_changes<'a>(&'a self, changes: &'a Changes) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Begins a rebuild, or gives the one that is on.
    fn begin_rebuild(&self) -> BoxFuture<'_, Result<Rebuild, StoreError>>;

    /// Writes `changes` to the shadow alone, and then notes (on SQL in the same transaction) that the rebuild has come to
    /// `cursor`, by `events` events more. `false` where the rebuild is not at `rebuild.cursor` (another process goes on
    /// with it) or is over: nothing is written then, or, where that became so meanwhile, rows as the other writes them.
    fn rebuild_step<'a>(
        &'a self,
        rebuild: &'a Rebuild,
        changes: &'a Changes,
        cursor: &'a Cursor,
        events: u64,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Whether [`read_all`](super::EventStore::read_all) now shows everything that was committed when the rebuild
    /// began. To be asked before the page that turns out to be empty.
    fn rebuild_has_settled<'a>(&'a self, rebuild: &'a Rebuild) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Makes the shadow the live generation. `false` where the rebuild is over already.
    fn finish_rebuild<'a>(&'a self, rebuild: &'a Rebuild) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Deletes rows of generations before the live one, up to `limit` a table. To be called until it is over: a call that
    /// found none may have looked through a part only.
    fn sweep_generations(&self, limit: u32) -> BoxFuture<'_, Result<Swept, StoreError>>;
}

/// What a sweep did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Swept {
    /// How many rows it deleted.
    pub rows: u64,
    /// Whether none is left.
    pub over: bool,
}

/// A rebuild that is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuild {
    /// The shadow's generation.
    pub generation: i32,
    /// Where it goes on reading; `None` at the beginning.
    pub cursor: Option<Cursor>,
    /// How many events it has read.
    pub done: u64,
    /// How many events there were when it began, or a few more. `None` where to count them is to read them all.
    pub total: Option<u64>,
}
