//! A window over the last so many microseconds, in buckets that are found by the time: whoever comes first after a bucket's
//! end empties what was left behind. Nothing turns by itself, so a freeze of any length is one jump.
//!
//! Counting takes no lock; turning does, once a bucket. *Not* guaranteed: a thread that is held up between finding its
//! bucket and counting, for the length of the whole window, counts in a newer one.

use std::sync::PoisonError;

use super::sync::{AtomicI64, AtomicU32, Mutex, Ordering};

/// One step of a window.
pub(super) trait Bucket {
    fn empty() -> Self;
    fn clear(&self);
}

pub(super) struct Rolling<B> {
    start: i64,
    bucket_micros: i64,
    /// When the bucket that is filled now ends,
    ends_at: AtomicI64,
    /// and where it is.
    index: AtomicU32,
    buckets: Box<[B]>,
    /// The number of that bucket, counted from `start`.
    turned: Mutex<i64>,
}

impl<B: Bucket> Rolling<B> {
    /// An empty window of `micros`, which begins at `start`.
    pub(super) fn new(start: i64, micros: i64, buckets: u32) -> Self {
        let buckets = buckets.max(1);
        let bucket_micros = (micros / i64::from(buckets)).max(1);
        Self {
            start,
            bucket_micros,
            ends_at: AtomicI64::new(start.saturating_add(bucket_micros)),
            index: AtomicU32::new(0),
            buckets: (0..buckets).map(|_| B::empty()).collect(),
            turned: Mutex::new(0),
        }
    }

    /// The bucket of `now`. A time before the last one counts as that.
    pub(super) fn at(&self, now: i64) -> &B {
        if now >= self.ends_at.load(Ordering::Acquire) {
            self.turn(now);
        }
        &self.buckets[self.index.load(Ordering::Acquire) as usize]
    }

    /// The bucket of a time before `now`, if it is still in the window.
    pub(super) fn past(&self, time: i64, now: i64) -> Option<&B> {
        self.at(now);
        let (then, current) = (self.number(time), self.number(now));
        (current - then < self.length()).then(|| &self.buckets[self.place(then)])
    }

    /// All that is in the window at `now`.
    pub(super) fn all(&self, now: i64) -> impl Iterator<Item = &B> {
        self.at(now);
        self.buckets.iter()
    }

    fn turn(&self, now: i64) {
        let mut turned = self.turned.lock().unwrap_or_else(PoisonError::into_inner);
        let (number, length) = (self.number(now), self.length());
        if number <= *turned {
            return;
        }
        // The last `length` at most: whatever else was passed had no place of its own.
        for passed in (*turned + 1).max(number - length + 1)..=number {
            self.buckets[self.place(passed)].clear();
        }
        *turned = number;
        self.index.store(u32::try_from(self.place(number)).unwrap_or_default(), Ordering::Release);
        let end = self.start.saturating_add((number + 1).saturating_mul(self.bucket_micros));
        self.ends_at.store(end, Ordering::Release);
    }

    fn number(&self, time: i64) -> i64 {
        (time - self.start).max(0) / self.bucket_micros
    }

    fn length(&self) -> i64 {
        i64::try_from(self.buckets.len()).unwrap_or(i64::MAX)
    }

    fn place(&self, number: i64) -> usize {
        // Below the length, which came from a `usize`.
        usize::try_from(number.rem_euclid(self.length())).unwrap_or_default()
    }
}
