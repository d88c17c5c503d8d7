//! What every cache tier promises, and what Redis adds.

mod doubles;
pub(crate) mod fleet;
mod link;
mod redis;
mod s3;

use std::sync::Arc;

use bytes::Bytes;
use chrono::{SubsecRound, TimeDelta, Utc};
use mcp_core::cache::{CacheTier, Entry, MemoryTier};
use mcp_core::platform::clock::SystemClock;

/// Makes each promise a test on each tier.
macro_rules! contract {
    ($($promise:ident),* $(,)?) => {
        /// All promises, one after the other, each on a tier with keys of its own.
        async fn every_promise(fresh: impl Fn() -> Box<dyn CacheTier>) {
            $(
                $promise(fresh().as_ref()).await;
            )*
        }

        mod in_memory {
            $(
                #[tokio::test]
                async fn $promise() {
                    super::$promise(super::memory().as_ref()).await;
                }
            )*
        }

        mod in_redis {
            $(
                #[tokio::test]
                async fn $promise() {
                    super::$promise(&super::redis::tier()).await;
                }
            )*
        }

        mod in_s3 {
            $(
                #[tokio::test]
                async fn $promise() {
                    super::$promise(&super::s3::tier().await).await;
                }
            )*
        }
    };
}

contract!(
    entries_come_in_the_order_of_their_keys,
    an_empty_value_is_a_hit,
    the_last_entry_wins,
    an_entry_that_has_expired_is_a_miss,
    what_is_removed_is_gone,
    nothing_asked_is_nothing_answered,
    any_bytes_and_any_key_are_kept,
    a_thousand_keys_are_one_call,
);

fn memory() -> Arc<dyn CacheTier> {
    Arc::new(MemoryTier::new(64 << 20, Arc::new(SystemClock)))
}

fn entry(value: impl Into<Bytes>) -> Entry {
    // To the millisecond, as every tier keeps it.
    let now = Utc::now().trunc_subsecs(3);
    let (fresh_until, expires_at) = (now + TimeDelta::seconds(30), now + TimeDelta::minutes(5));
    Entry { value: value.into(), fresh_until, expires_at, tags: vec![("tag".to_owned(), u64::MAX)] }
}

fn keys(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

async fn put(tier: &dyn CacheTier, entries: &[(&str, &Entry)]) {
    let entries: Vec<_> = entries.iter().map(|&(key, entry)| (key.to_owned(), entry.clone())).collect();
    tier.put_many(&entries).await.unwrap();
}

async fn get(tier: &dyn CacheTier, names: &[&str]) -> Vec<Option<Entry>> {
    tier.get_many(&keys(names)).await.unwrap()
}

async fn entries_come_in_the_order_of_their_keys(tier: &dyn CacheTier) {
    let (a, b) = (entry("1"), entry("2"));
    put(tier, &[("a", &a), ("b", &b)]).await;
    let found = get(tier, &["b", "none", "a", "b"]).await;
    assert_eq!(found, [Some(b.clone()), None, Some(a), Some(b)]);
}

async fn an_empty_value_is_a_hit(tier: &dyn CacheTier) {
    let empty = entry("");
    put(tier, &[("a", &empty)]).await;
    assert_eq!(get(tier, &["a"]).await, [Some(empty)]);
}

async fn the_last_entry_wins(tier: &dyn CacheTier) {
    let (old, new) = (entry("old"), entry("new"));
    put(tier, &[("a", &old)]).await;
    put(tier, &[("a", &new)]).await;
    assert_eq!(get(tier, &["a"]).await, [Some(new)]);
}

async fn an_entry_that_has_expired_is_a_miss(tier: &dyn CacheTier) {
    let past = Utc::now() - TimeDelta::seconds(1);
    put(tier, &[("a", &entry("1"))]).await;
    put(tier, &[("a", &Entry { expires_at: past, ..entry("2") }), ("b", &entry("3"))]).await;
    let found = get(tier, &["a", "b"]).await;
    assert!(found[0].is_none() && found[1].is_some(), "{found:?}");
}

async fn what_is_removed_is_gone(tier: &dyn CacheTier) {
    let it = entry("1");
    put(tier, &[("a", &it), ("b", &it), ("c", &it)]).await;
    tier.remove_many(&keys(&["a", "c", "none"])).await.unwrap();
    assert_eq!(get(tier, &["a", "b", "c"]).await, [None, Some(it), None]);
}

async fn nothing_asked_is_nothing_answered(tier: &dyn CacheTier) {
    assert_eq!(tier.get_many(&[]).await.unwrap(), []);
    tier.put_many(&[]).await.unwrap();
    tier.remove_many(&[]).await.unwrap();
}

async fn any_bytes_and_any_key_are_kept(tier: &dyn CacheTier) {
    let it = entry((0..=255).collect::<Vec<u8>>());
    put(tier, &[("k \r\n{ü}\0", &it)]).await;
    assert_eq!(get(tier, &["k \r\n{ü}\0"]).await, [Some(it)]);
}

/// One call here; how many round trips that is, is the tier's own affair.
async fn a_thousand_keys_are_one_call(tier: &dyn CacheTier) {
    let all: Vec<_> = (0..1000).map(|number| (format!("k{number}"), entry(format!("v{number}")))).collect();
    tier.put_many(&all).await.unwrap();
    let keys: Vec<_> = all.iter().map(|(key, _)| key.clone()).collect();
    let found = tier.get_many(&keys).await.unwrap();
    assert!(found.into_iter().eq(all.into_iter().map(|(_, entry)| Some(entry))));
}
