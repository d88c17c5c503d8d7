use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use chrono::TimeDelta;
use futures_util::FutureExt;
use futures_util::future::join_all;

use tokio::time::sleep;

use super::super::fake::{Remote, clock, process};
use super::*;
use crate::platform::BoxFuture;
use crate::platform::clock::ManualClock;

/// Says what it is told to say of every key, after a while.
struct Numbers {
    says: Mutex<Loaded<i32, &'static str>>,
    takes: Mutex<Duration>,
    has_last_good: AtomicBool,
    loads: AtomicUsize,
}

impl Source<i32, &'static str> for Numbers {
    fn load<'a>(&'a self, keys: &'a [String]) -> BoxFuture<'a, HashMap<String, Loaded<i32, &'static str>>> {
        Box::pin(async {
            self.loads.fetch_add(1, Ordering::SeqCst);
            let (says, takes) = (self.says.lock().unwrap().clone(), *self.takes.lock().unwrap());
            sleep(takes).await;
            keys.iter().map(|key| (key.clone(), says.clone())).collect()
        })
    }

    fn last_good<'a>(&'a self, keys: &'a [String]) -> BoxFuture<'a, HashMap<String, i32>> {
        let good = if self.has_last_good.load(Ordering::SeqCst) { keys } else { &[] };
        Box::pin(async { good.iter().map(|key| (key.clone(), -1)).collect() })
    }

    fn timed_out(&self) -> &'static str {
        "timed out"
    }
}

struct Fixture {
    clock: ManualClock,
    remote: Arc<Remote>,
    numbers: Arc<Numbers>,
    options: ReadOptions,
    values: ReadThrough<i32, &'static str>,
}

/// Fresh for 30 s, kept for ten minutes.
fn fixture_with(change: impl FnOnce(&mut ReadOptions)) -> Fixture {
    let (clock, remote) = (clock(), Arc::new(Remote::default()));
    let numbers = Arc::new(Numbers {
        says: Mutex::new(Loaded::Value(1)),
        takes: Mutex::new(Duration::from_millis(100)),
        has_last_good: AtomicBool::new(false),
        loads: AtomicUsize::new(0),
    });
    let entry = EntryOptions::lasting(Duration::from_secs(30), Duration::from_secs(600));
    let mut options = ReadOptions::new(entry);
    change(&mut options);
    let values = ReadThrough::new(Arc::new(process(&remote, &clock)), numbers.clone(), options.clone());
    Fixture { clock, remote, numbers, options, values }
}

fn fixture() -> Fixture {
    fixture_with(|_| {})
}

impl Fixture {
    fn another(&self) -> ReadThrough<i32, &'static str> {
        let cache = Arc::new(process(&self.remote, &self.clock));
        ReadThrough::new(cache, self.numbers.clone(), self.options.clone())
    }

    fn say(&self, what: Loaded<i32, &'static str>) {
        *self.numbers.says.lock().unwrap() = what;
    }

    fn take(&self, millis: u64) {
        *self.numbers.takes.lock().unwrap() = Duration::from_millis(millis);
    }

    fn advance(&self, seconds: i64) {
        self.clock.advance(TimeDelta::seconds(seconds));
    }

    fn loads(&self) -> usize {
        self.numbers.loads.load(Ordering::SeqCst)
    }

    async fn get(&self) -> String {
        get(&self.values, "n:1").await
    }
}

/// The value, with a `~` if it is stale; `none`; or the error.
async fn get(values: &ReadThrough<i32, &'static str>, key: &str) -> String {
    match values.get(&[key.to_owned()]).await.remove(key).expect("an answer for each key") {
        Ok(fetched) => match fetched.value() {
            Some(value) => format!("{value}{}", if fetched.stale { "~" } else { "" }),
            None => "none".to_owned(),
        },
        Err(error) => error.to_owned(),
    }
}

#[tokio::test(start_paused = true)]
async fn the_source_is_asked_once_while_a_value_is_fresh_zero_too() {
    let it = fixture();
    it.say(Loaded::Value(0));
    for _ in 0..3 {
        assert_eq!(it.get().await, "0");
    }
    assert_eq!((get(&it.another(), "n:1").await, it.loads()), ("0".to_owned(), 1));
    it.advance(30);
    it.say(Loaded::Value(2));
    assert_eq!((it.get().await, it.loads()), ("2".to_owned(), 2));
}

#[tokio::test(start_paused = true)]
async fn that_there_is_none_is_remembered_for_a_time_of_its_own() {
    let it = fixture_with(|options| options.absent = Duration::from_secs(5));
    it.say(Loaded::Absent);
    assert_eq!((it.get().await, it.get().await, it.loads()), ("none".to_owned(), "none".to_owned(), 1));
    it.advance(5);
    it.say(Loaded::Value(1));
    assert_eq!(it.get().await, "1");
}

#[tokio::test(start_paused = true)]
async fn a_thousand_at_once_in_twenty_processes_make_one_load() {
    let it = fixture();
    it.take(300);
    let processes: Vec<_> = (0..20).map(|_| it.another()).collect();
    let answers = join_all((0..1000).map(|number| get(&processes[number % 20], "n:1"))).await;
    assert!(answers.iter().all(|answer| answer == "1"));
    assert_eq!(it.loads(), 1);
}

#[tokio::test(start_paused = true)]
async fn where_the_one_who_loads_dies_another_does_when_the_lease_is_over() {
    let it = fixture_with(|options| {
        options.hard_timeout = Duration::from_secs(2);
        options.wait = Duration::from_secs(10);
    });
    let (dead, started) = (it.another(), Instant::now());
    it.take(1_000);
    let mut dying = Box::pin(get(&dead, "n:1"));
    tokio::select! {
        _ = &mut dying => panic!("it had a second"),
        () = sleep(Duration::from_millis(100)) => {}
    }
    drop(dying);
    assert_eq!(it.get().await, "1");
    // Two seconds of the load, one of grace, then its own load.
    let took = started.elapsed();
    assert!((Duration::from_secs(3)..Duration::from_millis(4_300)).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn who_waited_long_enough_for_another_asks() {
    let it = fixture_with(|options| options.wait = Duration::from_millis(200));
    it.take(5_000);
    let other = it.another();
    let mut slow = Box::pin(get(&other, "n:1"));
    tokio::select! {
        _ = &mut slow => panic!("it takes longer"),
        () = sleep(Duration::from_millis(100)) => {}
    }
    it.take(100);
    let started = Instant::now();
    assert_eq!((it.get().await, it.loads()), ("1".to_owned(), 2));
    assert!(started.elapsed() < Duration::from_millis(500), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn ahead_of_its_end_one_refreshes_a_value_and_all_others_are_given_it() {
    let it = fixture_with(|options| options.refresh_ahead = Duration::from_secs(10));
    it.get().await;
    it.advance(20);
    it.say(Loaded::Value(2));
    let other = it.another();
    let mut one = Box::pin(it.get());
    assert!(one.as_mut().now_or_never().is_none(), "it refreshes");
    assert_eq!(it.get().await, "1");
    assert_eq!(get(&other, "n:1").await, "1");
    assert_eq!((one.await, it.loads()), ("2".to_owned(), 2));
    assert_eq!(it.get().await, "2");
}

#[tokio::test(start_paused = true)]
async fn while_it_is_revalidated_a_stale_value_is_served() {
    let it = fixture_with(|options| options.serve_stale = Duration::from_secs(10));
    it.get().await;
    it.advance(35);
    it.say(Loaded::Value(2));
    let mut one = Box::pin(it.get());
    assert!(one.as_mut().now_or_never().is_none(), "it refreshes");
    assert_eq!(it.get().await, "1~");
    assert_eq!(get(&it.another(), "n:1").await, "1~");
    assert_eq!(one.await, "2");
    it.advance(45);
    it.say(Loaded::Value(3));
    let both = [it.get(), it.get()];
    assert_eq!(join_all(both).await, ["3", "3"], "that old, everybody waits");
    assert_eq!(it.loads(), 3);
}

#[tokio::test(start_paused = true)]
async fn when_the_source_fails_the_last_good_value_is_served_and_it_is_left_alone_for_a_moment() {
    let it = fixture();
    it.get().await;
    it.advance(40);
    it.say(Loaded::Failed("down"));
    assert_eq!((it.get().await, it.loads()), ("1~".to_owned(), 2));
    assert_eq!((it.get().await, it.loads()), ("1~".to_owned(), 2));
    it.advance(1);
    assert_eq!((it.get().await, it.loads()), ("1~".to_owned(), 3));
    it.advance(560);
    assert_eq!(it.get().await, "down", "ten minutes are over");
}

#[tokio::test(start_paused = true)]
async fn without_a_value_in_the_cache_the_last_good_one_comes_from_elsewhere_and_is_not_kept() {
    let it = fixture();
    it.say(Loaded::Failed("down"));
    assert_eq!(it.get().await, "down");
    it.numbers.has_last_good.store(true, Ordering::SeqCst);
    assert_eq!(it.get().await, "-1~");
    it.say(Loaded::Value(1));
    assert_eq!(it.get().await, "1");
}

#[tokio::test(start_paused = true)]
async fn a_slow_source_is_waited_for_longer_where_there_is_nothing_else() {
    let it = fixture();
    it.take(60_000);
    let started = Instant::now();
    assert_eq!((it.get().await, started.elapsed()), ("timed out".to_owned(), Duration::from_secs(10)));
    it.take(1);
    it.get().await;
    it.advance(40);
    it.take(60_000);
    // Each time twice as long, with a pause in between.
    for wait in [500, 1_000, 2_000] {
        let started = Instant::now();
        assert_eq!((it.get().await, started.elapsed()), ("1~".to_owned(), Duration::from_millis(wait)));
        assert_eq!((it.get().await, started.elapsed()), ("1~".to_owned(), Duration::from_millis(wait)));
        it.advance(1);
    }
    it.take(3_000);
    it.say(Loaded::Value(2));
    assert_eq!(it.get().await, "2");
    it.advance(30);
    it.take(60_000);
    let started = Instant::now();
    assert_eq!((it.get().await, started.elapsed()), ("2~".to_owned(), Duration::from_millis(500)), "it begins anew");
}

#[tokio::test(start_paused = true)]
async fn who_has_an_old_value_does_not_wait_for_those_who_have_none() {
    let it = fixture();
    get(&it.values, "n:1").await;
    it.advance(40);
    it.take(5_000);
    let started = Instant::now();
    let both = it.values.get(&["n:1".to_owned(), "n:2".to_owned()]).await;
    assert_eq!((both["n:1"].is_ok(), both["n:2"].is_ok(), it.loads()), (true, true, 2), "one load for both");
    assert_eq!(started.elapsed(), Duration::from_secs(5));
    it.advance(40);
    let (old, started) = (it.get(), Instant::now());
    let (old, new) = tokio::join!(async { (old.await, started.elapsed()) }, get(&it.values, "n:3"));
    assert_eq!((old, new), (("1~".to_owned(), Duration::from_millis(500)), "1".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn one_is_patient_with_a_slow_source_and_the_others_are_given_what_there_is() {
    let it = fixture();
    it.get().await;
    it.advance(40);
    it.take(1_500);
    assert_eq!(it.get().await, "1~");
    it.advance(1);
    assert_eq!(it.get().await, "1~");
    it.advance(1);
    it.say(Loaded::Value(2));
    let started = Instant::now();
    let patient = async { (it.get().await, started.elapsed()) };
    let other = async {
        sleep(Duration::from_millis(100)).await;
        (it.get().await, started.elapsed())
    };
    let (patient, other) = tokio::join!(patient, other);
    assert_eq!(patient, ("2".to_owned(), Duration::from_millis(1_500)));
    assert_eq!(other, ("1~".to_owned(), Duration::from_millis(100)));
}

#[tokio::test(start_paused = true)]
async fn what_is_due_is_refreshed_while_another_key_is_waited_for() {
    let it = fixture_with(|options| options.refresh_ahead = Duration::from_secs(5));
    get(&it.values, "n:slow").await;
    it.advance(40);
    get(&it.values, "n:due").await;
    it.advance(27);
    it.take(60_000);
    assert_eq!(get(&it.values, "n:slow").await, "1~");
    it.advance(1);
    let mut patient = Box::pin(get(&it.values, "n:slow"));
    assert!(patient.as_mut().now_or_never().is_none());
    it.take(10);
    it.say(Loaded::Value(2));
    let both = it.values.get(&["n:slow".to_owned(), "n:due".to_owned()]).await;
    let shown = |key: &str| both[key].as_ref().map(|fetched| (fetched.value().copied(), fetched.stale));
    assert_eq!((shown("n:slow"), shown("n:due")), (Ok((Some(1), true)), Ok((Some(2), false))));
}

#[tokio::test(start_paused = true)]
async fn a_load_that_was_given_up_leaves_no_lease_behind() {
    let it = fixture();
    it.get().await;
    it.advance(40);
    it.take(60_000);
    assert_eq!(it.get().await, "1~");
    it.take(10);
    it.say(Loaded::Value(2));
    let started = Instant::now();
    assert_eq!(get(&it.another(), "n:1").await, "2");
    assert!(started.elapsed() < Duration::from_millis(100), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn twenty_processes_with_an_old_value_ask_a_slow_source_once() {
    let it = fixture_with(|options| options.wait = Duration::from_millis(400));
    it.get().await;
    it.advance(40);
    it.take(2_000);
    let processes: Vec<_> = (0..20).map(|_| it.another()).collect();
    let answers = join_all(processes.iter().map(|process| get(process, "n:1"))).await;
    assert!(answers.iter().all(|answer| answer == "1~"), "{answers:?}");
    assert_eq!(it.loads(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_value_that_could_not_be_refreshed_early_is_no_stale_one() {
    let it = fixture_with(|options| options.refresh_ahead = Duration::from_secs(10));
    it.get().await;
    it.advance(25);
    it.say(Loaded::Failed("down"));
    assert_eq!((it.get().await, it.loads()), ("1".to_owned(), 2));
}

#[tokio::test(start_paused = true)]
async fn for_ever_is_a_time_too() {
    let it = fixture_with(|options| {
        options.entry = EntryOptions { jitter_percentage: 50, ..EntryOptions::lasting(Duration::MAX, Duration::MAX) };
        (options.serve_stale, options.hard_timeout) = (Duration::MAX, Duration::MAX);
        (options.wait, options.failure_pause) = (Duration::MAX, Duration::MAX);
    });
    assert_eq!(it.get().await, "1");
    it.advance(3_000_000_000);
    assert_eq!(it.get().await, "1");
}

#[tokio::test(start_paused = true)]
async fn without_the_shared_tier_each_process_asks_for_itself() {
    let it = fixture();
    it.remote.down.store(true, Ordering::SeqCst);
    let other = it.another();
    let answers = join_all((0..100).map(|number| get(if number % 2 == 0 { &it.values } else { &other }, "n:1"))).await;
    assert!(answers.iter().all(|answer| answer == "1"));
    assert_eq!(it.loads(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_lost_lease_is_given_back_whatever_became_of_the_load() {
    for says in [Loaded::Value(1), Loaded::Absent, Loaded::Failed("down")] {
        let it = fixture();
        it.say(says);
        it.get().await;
        it.advance(60);
        let started = Instant::now();
        get(&it.another(), "n:1").await;
        assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    }
}
