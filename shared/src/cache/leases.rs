//! Who of all processes asks the source for a key: whoever holds its lease. Leases are short and only save work: where they
//! cannot be had, everybody asks.

use std::time::Duration;

use super::CacheError;
use crate::platform::BoxFuture;

/// Leases that all processes share.
pub trait RefreshLeases: Send + Sync {
    /// Takes the leases of `keys` for `holder`, in one round trip: whether each is theirs now, or was before.
    fn take<'a>(
        &'a self,
        keys: &'a [String],
        holder: &'a str,
        lease: Duration,
    ) -> BoxFuture<'a, Result<Vec<bool>, CacheError>>;

    /// Gives back those of `keys` that `holder` has.
    fn give_back<'a>(&'a self, keys: &'a [String], holder: &'a str) -> BoxFuture<'a, Result<(), CacheError>>;
}
