//! Counts over the last so many seconds, in buckets that are found by timestamp: a bucket that was left behind is
//! emptied when its place is needed again.

use std::time::Duration;

use crate::platform::clock::Timestamp;

pub(super) struct Window {
    start: Timestamp,
    bucket_micros: i64,
    /// The number of the bucket that is filled now, counted from `start`.
    current: i64,
    buckets: Box<[Bucket]>,
}

#[derive(Clone, Copy, Default)]
struct Bucket {
    number: i64,
    fires: u32,
    failures: u32,
}

impl Window {
    pub(super) fn new(start: Timestamp, length: Duration, buckets: u32) -> Self {
        let bucket = length / buckets.max(1);
        Self {
            start,
            bucket_micros: i64::try_from(bucket.as_micros()).unwrap_or(i64::MAX).max(1),
            current: 0,
            buckets: vec![Bucket::default(); buckets.max(1) as usize].into(),
        }
    }

    /// Moves on to `now`, which is never before the last.
    pub(super) fn advance(&mut self, now: Timestamp) {
        self.current = (now - self.start).num_microseconds().unwrap_or(i64::MAX) / self.bucket_micros;
    }

    pub(super) fn fire(&mut self) {
        let bucket = self.bucket();
        bucket.fires = bucket.fires.saturating_add(1);
    }

    pub(super) fn fail(&mut self) {
        let bucket = self.bucket();
        bucket.failures = bucket.failures.saturating_add(1);
    }

    /// Fires and failures in the window.
    pub(super) fn totals(&self) -> (u32, u32) {
        let oldest = self.current - self.length() + 1;
        self.buckets
            .iter()
            .filter(|bucket| bucket.number >= oldest)
            .fold((0, 0), |(fires, failures), bucket| (fires + bucket.fires, failures + bucket.failures))
    }

    fn bucket(&mut self) -> &mut Bucket {
        let (current, length) = (self.current, self.length());
        // The remainder is below the length, which came from a `usize`.
        let bucket = &mut self.buckets[usize::try_from(current.rem_euclid(length)).unwrap_or_default()];
        if bucket.number != current {
            *bucket = Bucket { number: current, fires: 0, failures: 0 };
        }
        bucket
    }

    fn length(&self) -> i64 {
        i64::try_from(self.buckets.len()).unwrap_or(i64::MAX)
    }
}
