use std::sync::atomic::Ordering;

use chrono::TimeDelta;
use tokio::time::Instant;

use super::super::fake::{Remote, clock, process};
use super::*;
use crate::platform::clock::ManualClock;
use crate::platform::metrics::prometheus;

struct Fixture {
    clock: ManualClock,
    remote: Arc<Remote>,
    cache: Cache,
}

fn fixture() -> Fixture {
    let (clock, remote) = (clock(), Arc::new(Remote::default()));
    Fixture { cache: process(&remote, &clock), remote, clock }
}

impl Fixture {
    fn advance(&self, seconds: i64) {
        self.clock.advance(TimeDelta::seconds(seconds));
    }

    fn another(&self) -> Cache {
        process(&self.remote, &self.clock)
    }

    async fn get(&self, key: &str) -> Option<(String, bool)> {
        get(&self.cache, key).await
    }

    async fn put(&self, key: &str, value: &str) {
        put(&self.cache, key, value, &[]).await;
    }

    fn reads(&self) -> usize {
        self.remote.reads.load(Ordering::SeqCst)
    }
}

async fn get(cache: &Cache, key: &str) -> Option<(String, bool)> {
    let cached = cache.get_value::<String>(key).await?;
    Some((cached.value.as_ref().clone(), cached.fresh))
}

async fn put(cache: &Cache, key: &str, value: &str, tags: &[&str]) {
    let options = EntryOptions {
        tags: tags.iter().map(|&tag| tag.to_owned()).collect(),
        ..EntryOptions::lasting(Duration::from_secs(30), Duration::from_secs(600))
    };
    cache.put_values([(key.to_owned(), value)], &options).await;
}

#[expect(clippy::unnecessary_wraps, reason = "as it is found")]
fn cached(value: &str, fresh: bool) -> Option<(String, bool)> {
    Some((value.to_owned(), fresh))
}

#[tokio::test]
async fn the_nearest_tier_answers_and_an_empty_value_is_a_hit() {
    let it = fixture();
    it.put("k", "").await;
    assert_eq!(it.get("k").await, cached("", true));
    assert_eq!(it.reads(), 0);
    assert_eq!(it.get("other").await, None);
}

#[tokio::test]
async fn a_promoted_entry_keeps_its_remaining_life() {
    let it = fixture();
    it.put("k", "v").await;
    it.advance(570);
    // The nearer tier kept it for a minute; the farther one still has it, for 30 s more.
    assert_eq!(it.get("k").await, cached("v", false));
    it.remote.down.store(true, Ordering::SeqCst);
    assert_eq!(it.get("k").await, cached("v", false), "it was promoted");
    it.advance(30);
    assert_eq!(it.get("k").await, None);
}

#[tokio::test]
async fn a_tier_that_is_down_is_a_miss_and_comes_back() {
    let it = fixture();
    it.remote.down.store(true, Ordering::SeqCst);
    assert_eq!(it.get("k").await, None);
    it.put("k", "v").await;
    assert_eq!(it.get("k").await, cached("v", true));
    it.remote.down.store(false, Ordering::SeqCst);
    it.advance(60);
    assert_eq!(it.get("k").await, None);
    it.put("k", "w").await;
    it.advance(60);
    assert_eq!(it.get("k").await, cached("w", false));
}

#[tokio::test(start_paused = true)]
async fn a_tier_that_hangs_costs_one_deadline_in_a_window() {
    let it = fixture();
    it.remote.hangs.store(true, Ordering::SeqCst);
    let started = Instant::now();
    for _ in 0..100 {
        it.put("k", "v").await;
        assert_eq!(it.get("other").await, None);
    }
    assert_eq!(started.elapsed(), TierOptions::redis().breaker.timeout);
}

#[tokio::test]
async fn what_was_removed_is_gone_from_every_tier_and_within_a_second_from_every_process() {
    let it = fixture();
    let other = it.another();
    it.put("family:k", "v").await;
    assert_eq!(get(&other, "family:k").await, cached("v", true));
    it.cache.remove_many(&["family:k".to_owned()]).await.unwrap();
    assert_eq!(it.get("family:k").await, None);
    it.advance(1);
    assert_eq!(get(&other, "family:k").await, None);
}

#[tokio::test]
async fn what_has_a_tag_that_was_invalidated_is_a_miss_everywhere() {
    let it = fixture();
    let other = it.another();
    put(&it.cache, "a", "1", &["x"]).await;
    put(&it.cache, "b", "2", &["x", "y"]).await;
    put(&it.cache, "c", "3", &["y"]).await;
    assert_eq!(get(&other, "b").await, cached("2", true));
    it.cache.invalidate_tags(&["x"]).await.unwrap();
    assert_eq!((it.get("a").await, it.get("b").await, it.get("c").await), (None, None, cached("3", true)));
    it.advance(1);
    assert_eq!(
        (get(&other, "a").await, get(&other, "b").await, get(&other, "c").await),
        (None, None, cached("3", true))
    );
    // A process that starts now knows no tag yet.
    let late = it.another();
    assert_eq!((get(&late, "a").await, get(&late, "c").await), (None, cached("3", true)));
    put(&late, "a", "4", &["x"]).await;
    assert_eq!(get(&other, "a").await, cached("4", true));
}

#[tokio::test]
async fn what_became_of_a_tag_is_asked_and_not_guessed() {
    let it = fixture();
    put(&it.cache, "a", "1", &["x"]).await;
    it.remote.down.store(true, Ordering::SeqCst);
    let late = it.another();
    put(&late, "b", "2", &["x"]).await;
    assert_eq!(get(&late, "b").await, None, "it cannot be known whether that holds");
    it.cache.invalidate_tags(&["x"]).await.unwrap_err();
    assert_eq!(it.get("a").await, None, "here it is known");
}

#[tokio::test]
async fn what_was_made_before_an_invalidation_is_not_kept_after_it() {
    let it = fixture();
    let tags = ["x".to_owned()];
    let marks = it.cache.marks(["a"].into_iter(), &tags).await.unwrap();
    it.cache.invalidate_tags(&["x"]).await.unwrap();
    let options =
        EntryOptions { tags: tags.into(), ..EntryOptions::lasting(Duration::from_secs(30), Duration::from_secs(30)) };
    it.cache.put_made([("a".to_owned(), "old")], &options, &marks).await;
    assert_eq!(it.get("a").await, None);
    assert_eq!(get(&it.another(), "a").await, None);
}

#[tokio::test]
async fn a_value_of_another_shape_is_a_miss() {
    let it = fixture();
    it.put("k", "text").await;
    assert!(it.cache.get_value::<u32>("k").await.is_none());
    // Even after it was read as what it is.
    it.get("k").await.unwrap();
    assert!(it.cache.get_value::<u32>("k").await.is_none());
}

#[tokio::test]
async fn a_fresher_entry_of_a_farther_tier_goes_before_a_stale_one_at_hand() {
    let it = fixture();
    it.put("key", "old").await;
    it.advance(31);
    // Another process refreshed the shared tier.
    put(&it.another(), "key", "new", &[]).await;
    assert_eq!(it.get("key").await, cached("new", true));
    it.remote.down.store(true, Ordering::SeqCst);
    assert_eq!(it.get("key").await, cached("new", true), "it was promoted");
    it.advance(31);
    assert!(it.get("key").await.is_none_or(|(_, fresh)| !fresh));
}

#[tokio::test]
async fn with_jitter_what_was_put_together_does_not_end_together() {
    let it = fixture();
    let options = EntryOptions {
        jitter_percentage: 50,
        ..EntryOptions::lasting(Duration::from_secs(30), Duration::from_secs(60))
    };
    it.cache.put_values((0..64).map(|number| (format!("k{number}"), number)), &options).await;
    let keys: Vec<_> = (0..64).map(|number| format!("k{number}")).collect();
    let now = it.clock.now();
    let found = it.cache.look_up(&keys, &Look::fresh_after(now)).await;
    let ends: Vec<_> = found.into_iter().map(|held| held.unwrap().entry.fresh_until - now).collect();
    assert!(ends.iter().all(|end| (TimeDelta::seconds(15)..=TimeDelta::seconds(30)).contains(end)), "{ends:?}");
    assert!(ends.iter().max() > ends.iter().min());
}

#[tokio::test]
async fn a_cold_tier_has_only_what_is_worth_it() {
    let (clock, near, cold) = (clock(), Arc::new(Remote::default()), Arc::new(Remote::default()));
    let shared: Arc<dyn Clock> = Arc::new(clock.clone());
    let breakers = Breakers::new(shared.clone());
    let cache = Cache::new(MemoryTier::new(1 << 20, shared.clone()), shared)
        .before(near, TierOptions::redis(), &breakers)
        .before(cold.clone(), TierOptions::s3(), &breakers);
    let day = Duration::from_secs(24 * 3600);
    let options = EntryOptions { cold: true, ..EntryOptions::lasting(day, day) };
    cache.put_values([("worth".to_owned(), 1)], &options).await;
    cache.put_values([("not".to_owned(), 2)], &EntryOptions { cold: false, ..options }).await;
    // Gone from the nearer ones.
    clock.advance(TimeDelta::hours(1));
    let worth = async || cache.get_cold_values::<i32>(&["worth".to_owned()]).await.pop().flatten();
    assert!(cache.get_value::<i32>("worth").await.is_none(), "the cold tier is not asked for everything");
    assert_eq!(worth().await.map(|cached| *cached.value), Some(1));
    assert!(cache.get_cold_values::<i32>(&["not".to_owned()]).await[0].is_none());
}

#[tokio::test]
async fn each_tier_is_measured() {
    let it = fixture();
    it.put("k", "value").await;
    it.get("k").await;
    it.get("other").await;
    let text = prometheus(it.cache.samples());
    for line in [
        "mcp_cache_hit_total{tier=\"memory\"} 1",
        "mcp_cache_miss_total{tier=\"memory\"} 1",
        "mcp_cache_miss_total{tier=\"remote\"} 1",
        "mcp_cache_bytes_written_total{tier=\"remote\"} 7",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[tokio::test]
async fn many_tags_are_one_question() {
    let it = fixture();
    let options = |number: usize| EntryOptions {
        tags: vec![format!("user:{number}"), "all".to_owned()],
        ..EntryOptions::lasting(Duration::from_secs(60), Duration::from_secs(60))
    };
    for number in 0..50 {
        it.cache.put_values([(format!("k:{number}"), number)], &options(number)).await;
    }
    let late = it.another();
    let keys: Vec<_> = (0..50).map(|number| format!("k:{number}")).collect();
    let before = it.remote.stamp_reads.load(Ordering::SeqCst);
    assert!(late.get_values::<usize>(&keys).await.iter().all(|cached| cached.as_ref().is_some_and(|it| it.fresh)));
    // The family, then all tags.
    assert_eq!(it.remote.stamp_reads.load(Ordering::SeqCst) - before, 2);
    // And within the second nothing more.
    late.get_values::<usize>(&keys).await;
    assert_eq!(it.remote.stamp_reads.load(Ordering::SeqCst) - before, 2);
}

#[tokio::test]
async fn where_stamps_were_lost_what_carries_them_is_a_miss() {
    let it = fixture();
    let other = it.another();
    put(&it.cache, "a", "1", &["x"]).await;
    it.cache.invalidate_tags(&["x"]).await.unwrap();
    put(&it.cache, "b", "2", &["x"]).await;
    assert_eq!((get(&other, "a").await, get(&other, "b").await), (None, cached("2", true)));
    it.remote.stamps.lock().unwrap().clear();
    it.advance(1);
    assert_eq!((get(&other, "a").await, get(&other, "b").await), (None, None));
    put(&other, "b", "3", &["x"]).await;
    it.advance(1);
    assert_eq!(it.get("b").await, cached("3", true));
}

#[tokio::test]
async fn what_was_invalidated_in_an_outage_stays_so_here() {
    let it = fixture();
    put(&it.cache, "a", "1", &["x"]).await;
    it.remote.down.store(true, Ordering::SeqCst);
    it.cache.invalidate_tags(&["x"]).await.unwrap_err();
    it.remote.entries.lock().unwrap().clear();
    it.remote.down.store(false, Ordering::SeqCst);
    it.advance(20);
    assert_eq!(it.get("a").await, None, "what is in memory is not believed again");
}

#[tokio::test]
async fn what_was_put_meanwhile_is_not_overwritten_by_an_older_entry() {
    let it = fixture();
    it.put("k", "old").await;
    let held = it.cache.look_up(&["k".to_owned()], &Look::fresh_after(it.clock.now())).await.remove(0).unwrap();
    it.advance(10);
    it.put("k", "new").await;
    it.cache.note_failure("k", &held, it.clock.now(), 1);
    assert_eq!(it.get("k").await, cached("new", true));
}

#[tokio::test]
async fn what_was_put_after_stamps_were_lost_can_be_invalidated() {
    let it = fixture();
    put(&it.cache, "a", "1", &["x"]).await;
    it.remote.stamps.lock().unwrap().clear();
    it.advance(1);
    // The first to ask for the stamp finds it gone.
    put(&it.cache, "b", "2", &["x"]).await;
    assert_eq!((it.get("b").await, get(&it.another(), "b").await), (cached("2", true), cached("2", true)));
    it.cache.invalidate_tags(&["x"]).await.unwrap();
    assert_eq!((it.get("a").await, it.get("b").await), (None, None));
}
