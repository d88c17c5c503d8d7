//! Tiers that break a promise: the suite catches each.

use futures_util::FutureExt;
use mcp_core::cache::CacheError;
use mcp_core::platform::BoxFuture;

use super::*;

/// A good tier, but for what `spoil` does to what it finds.
struct Broken {
    inner: Arc<dyn CacheTier>,
    spoil: fn(&mut Vec<Option<Entry>>),
}

impl CacheTier for Broken {
    fn name(&self) -> &'static str {
        "broken"
    }

    fn get_many<'a>(&'a self, keys: &'a [String]) -> BoxFuture<'a, Result<Vec<Option<Entry>>, CacheError>> {
        let found = self.inner.get_many(keys);
        Box::pin(async move {
            let mut found = found.await?;
            (self.spoil)(&mut found);
            Ok(found)
        })
    }

    fn put_many<'a>(&'a self, entries: &'a [(String, Entry)]) -> BoxFuture<'a, Result<(), CacheError>> {
        self.inner.put_many(entries)
    }

    fn remove_many<'a>(&'a self, keys: &'a [String]) -> BoxFuture<'a, Result<(), CacheError>> {
        self.inner.remove_many(keys)
    }
}

#[tokio::test]
async fn the_suite_catches_a_tier_that_breaks_a_promise() {
    type Spoil = fn(&mut Vec<Option<Entry>>);
    type Promise = fn(&dyn CacheTier) -> BoxFuture<'_, ()>;
    let broken: [(&str, Spoil, Promise); 4] = [
        ("shuffles", |found| found.reverse(), |tier| entries_come_in_the_order_of_their_keys(tier).boxed()),
        (
            "takes empty for missing",
            |found| found.iter_mut().for_each(|entry| drop(entry.take_if(|entry| entry.value.is_empty()))),
            |tier| an_empty_value_is_a_hit(tier).boxed(),
        ),
        (
            "gives a new lease of life",
            |found| found.iter_mut().flatten().for_each(|entry| entry.expires_at += TimeDelta::minutes(1)),
            |tier| the_last_entry_wins(tier).boxed(),
        ),
        (
            "keeps what is removed",
            |found| found.iter_mut().for_each(|found| *found = found.take().or_else(|| Some(entry("1")))),
            |tier| what_is_removed_is_gone(tier).boxed(),
        ),
    ];
    for (name, spoil, promise) in broken {
        let run = tokio::spawn(async move { promise(&Broken { inner: memory(), spoil }).await });
        assert!(run.await.is_err(), "{name}");
    }
}
