use std::sync::atomic::AtomicUsize;

use chrono::DateTime;

use super::*;
use crate::cache::MemoryTier;
use crate::platform::BoxFuture;
use crate::platform::clock::ManualClock;

const LIFE: Life = Life { fresh: Duration::from_secs(30), retained: Duration::from_secs(600) };

/// A tier that can be switched off and counts its reads.
struct Remote {
    inner: MemoryTier,
    down: AtomicBool,
    reads: AtomicUsize,
}

impl Remote {
    fn reached(&self) -> Result<&MemoryTier, CacheError> {
        let down = self.down.load(Ordering::SeqCst);
        if down { Err(CacheError { tier: "remote", problem: "down".to_owned() }) } else { Ok(&self.inner) }
    }
}

impl CacheTier for Remote {
    fn name(&self) -> &'static str {
        "remote"
    }

    fn get_many<'a>(&'a self, keys: &'a [String]) -> BoxFuture<'a, Result<Vec<Option<Entry>>, CacheError>> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move { self.reached()?.get_many(keys).await })
    }

    fn put_many<'a>(&'a self, entries: &'a [(String, Entry)]) -> BoxFuture<'a, Result<(), CacheError>> {
        Box::pin(async move { self.reached()?.put_many(entries).await })
    }

    fn remove_many<'a>(&'a self, keys: &'a [String]) -> BoxFuture<'a, Result<(), CacheError>> {
        Box::pin(async move { self.reached()?.remove_many(keys).await })
    }
}

struct Fixture {
    clock: ManualClock,
    remote: Arc<Remote>,
    cache: Cache,
}

fn fixture() -> Fixture {
    let clock = ManualClock::at(DateTime::UNIX_EPOCH + TimeDelta::days(20_000));
    let shared: Arc<dyn Clock> = Arc::new(clock.clone());
    let memory = || MemoryTier::new(1 << 20, Arc::clone(&shared));
    let remote = Arc::new(Remote { inner: memory(), down: AtomicBool::new(false), reads: AtomicUsize::new(0) });
    let tiers: [(Arc<dyn CacheTier>, Duration); 2] =
        [(Arc::new(memory()), MEMORY_LIFE), (Arc::clone(&remote) as _, REDIS_LIFE)];
    Fixture { clock: clock.clone(), remote, cache: Cache::new(tiers, shared) }
}

impl Fixture {
    fn advance(&self, seconds: i64) {
        self.clock.advance(TimeDelta::seconds(seconds));
    }

    async fn get(&self, key: &str) -> Option<Cached<String>> {
        self.cache.get_values(&[key.to_owned()]).await.remove(0)
    }

    async fn put(&self, key: &str, value: &str) {
        self.cache.put_values([(key.to_owned(), value)], LIFE).await;
    }

    fn reads(&self) -> usize {
        self.remote.reads.load(Ordering::SeqCst)
    }
}

fn cached(value: &str, fresh: bool) -> Cached<String> {
    Cached { value: value.to_owned(), fresh }
}

#[tokio::test]
async fn the_nearest_tier_answers_and_an_empty_value_is_a_hit() {
    let it = fixture();
    it.put("k", "").await;
    assert_eq!(it.get("k").await, Some(cached("", true)));
    assert_eq!(it.reads(), 0);
    assert_eq!(it.get("other").await, None);
}

#[tokio::test]
async fn a_promoted_entry_keeps_its_remaining_life() {
    let it = fixture();
    it.put("k", "v").await;
    it.advance(570);
    // The nearer tier kept it for a minute; the farther one still has it, for 30 s more.
    assert_eq!(it.get("k").await, Some(cached("v", false)));
    it.remote.down.store(true, Ordering::SeqCst);
    assert_eq!(it.get("k").await, Some(cached("v", false)), "it was promoted");
    it.advance(30);
    assert_eq!(it.get("k").await, None);
}

#[tokio::test]
async fn a_tier_that_is_down_is_a_miss_and_comes_back() {
    let it = fixture();
    it.remote.down.store(true, Ordering::SeqCst);
    assert_eq!(it.get("k").await, None);
    it.put("k", "v").await;
    assert_eq!(it.get("k").await, Some(cached("v", true)));
    it.remote.down.store(false, Ordering::SeqCst);
    it.advance(60);
    assert_eq!(it.get("k").await, None);
    it.put("k", "w").await;
    it.advance(60);
    assert_eq!(it.get("k").await, Some(cached("w", false)));
}

#[tokio::test]
async fn what_was_removed_is_gone_from_every_tier() {
    let it = fixture();
    it.put("k", "v").await;
    it.cache.remove_many(&["k".to_owned()]).await;
    assert_eq!(it.get("k").await, None);
}

#[tokio::test]
async fn a_value_of_another_shape_is_a_miss() {
    let it = fixture();
    it.put("k", "text").await;
    assert_eq!(it.cache.get_values::<u32>(&["k".to_owned()]).await, [None]);
}

#[tokio::test]
async fn a_fresher_entry_of_a_farther_tier_goes_before_a_stale_one_at_hand() {
    let it = fixture();
    it.put("key", "old").await;
    it.advance(31);
    // Another process refreshed the shared tier.
    let now = it.clock.now();
    let entry = Entry {
        value: "\"new\"".into(),
        fresh_until: now + TimeDelta::seconds(30),
        expires_at: now + TimeDelta::seconds(600),
    };
    it.remote.put_many(&[("key".to_owned(), entry)]).await.unwrap();
    assert_eq!(it.get("key").await, Some(Cached { value: "new".to_owned(), fresh: true }));
    it.remote.down.store(true, Ordering::SeqCst);
    assert_eq!(it.get("key").await, Some(Cached { value: "new".to_owned(), fresh: true }), "it was promoted");
    it.advance(31);
    assert!(it.get("key").await.is_none_or(|cached| !cached.fresh));
}
