//! How long things took, by buckets.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The buckets' upper ends, in seconds. The service levels are among them: 50 ms for a cached read, 100 for GraphQL, 200 for all.
pub(super) const BOUNDS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// One more, for what took longer.
const BUCKETS: usize = BOUNDS.len() + 1;

/// Measures how long things take.
#[derive(Debug, Default)]
pub struct Durations([Bucket; BUCKETS]);

#[derive(Debug, Default)]
struct Bucket {
    count: AtomicU64,
    micros: AtomicU64,
}

/// How long things took, so far.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Lapses([Lapse; BUCKETS]);

/// Those of one bucket.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Lapse {
    pub(super) count: u64,
    /// All of them together.
    pub(super) seconds: f64,
}

impl Durations {
    /// One more.
    pub fn add(&self, took: Duration) {
        let bucket = &self.0[BOUNDS.partition_point(|bound| *bound < took.as_secs_f64())];
        bucket.count.fetch_add(1, Ordering::Relaxed);
        bucket.micros.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// All so far.
    pub fn lapses(&self) -> Lapses {
        let lapse = |bucket: &Bucket| Lapse {
            count: bucket.count.load(Ordering::Relaxed),
            seconds: Duration::from_micros(bucket.micros.load(Ordering::Relaxed)).as_secs_f64(),
        };
        Lapses(self.0.each_ref().map(lapse))
    }
}

impl Lapses {
    /// By bucket, the last without a bound.
    pub(super) fn buckets(&self) -> impl Iterator<Item = (Option<f64>, Lapse)> {
        BOUNDS.into_iter().map(Some).chain([None]).zip(self.0)
    }

    /// Those since `before`, each as the mean of those in its bucket: exact where it is the only one.
    pub(super) fn since(&self, before: &Self) -> Vec<f64> {
        let mut values = vec![];
        for (now, before) in self.0.iter().zip(before.0) {
            let new = now.count.saturating_sub(before.count);
            if new > 0 {
                #[expect(clippy::cast_precision_loss, reason = "exact to 2^53")]
                let mean = (now.seconds - before.seconds).max(0.0) / new as f64;
                values.extend((0..new).map(|_| mean));
            }
        }
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_lapse_is_in_the_bucket_that_it_does_not_exceed() {
        let durations = Durations::default();
        for millis in [5, 6, 200, 31_000] {
            durations.add(Duration::from_millis(millis));
        }
        let lapses = durations.lapses();
        let filled: Vec<_> = lapses.buckets().filter(|(_, lapse)| lapse.count == 1).map(|(bound, _)| bound).collect();
        assert_eq!(filled, [Some(0.005), Some(0.01), Some(0.2), None]);
    }

    #[test]
    fn what_is_new_is_told_as_it_was() {
        let durations = Durations::default();
        durations.add(Duration::from_millis(30));
        let before = durations.lapses();
        assert!(before.since(&before).is_empty());
        durations.add(Duration::from_millis(40));
        durations.add(Duration::from_millis(150));
        let new = durations.lapses().since(&before);
        assert_eq!(new.iter().map(|value| format!("{value:.3}")).collect::<Vec<_>>(), ["0.040", "0.150"]);
    }
}
