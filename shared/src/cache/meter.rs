//! What is counted of a tier, and of all of them together.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::platform::metrics::Sample;

/// One tier.
#[derive(Default)]
pub(super) struct TierMeter {
    hits: AtomicU64,
    misses: AtomicU64,
    errors: AtomicU64,
    bytes_read: AtomicU64,
    bytes_written: AtomicU64,
    calls: AtomicU64,
    micros: AtomicU64,
}

impl TierMeter {
    pub(super) fn read(&self, found: impl Iterator<Item = Option<usize>>) {
        let (mut hits, mut misses, mut bytes) = (0, 0, 0);
        for size in found {
            match size {
                Some(size) => (hits, bytes) = (hits + 1, bytes + size as u64),
                None => misses += 1,
            }
        }
        add(&self.hits, hits);
        add(&self.misses, misses);
        add(&self.bytes_read, bytes);
    }

    /// One that was found in this process: on the path of every hit.
    pub(super) fn hit(&self, bytes: usize) {
        add(&self.hits, 1);
        add(&self.bytes_read, bytes as u64);
    }

    pub(super) fn written(&self, bytes: usize) {
        add(&self.bytes_written, bytes as u64);
    }

    pub(super) fn called(&self, took: Duration, failed: bool) {
        add(&self.calls, 1);
        add(&self.micros, u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        add(&self.errors, u64::from(failed));
    }

    pub(super) fn samples(&self, tier: &'static str) -> Vec<Sample> {
        let counter = |name, help, count: &AtomicU64| Sample::counter(name, help, get(count)).with("tier", tier);
        vec![
            counter("cache.hit", "Entries that were found, and fresh", &self.hits),
            counter("cache.miss", "Entries that were not", &self.misses),
            counter("cache.bytes_read", "Bytes of values that were found", &self.bytes_read),
            counter("cache.bytes_written", "Bytes of values that were kept", &self.bytes_written),
        ]
    }

    /// Those of a tier that is called, too.
    pub(super) fn samples_of_calls(&self, tier: &'static str) -> Vec<Sample> {
        let counter = |name, help, count: &AtomicU64| Sample::counter(name, help, get(count)).with("tier", tier);
        #[expect(clippy::cast_precision_loss, reason = "a metric")]
        let seconds = get(&self.micros) as f64 / 1e6;
        let time = Sample::counter("cache.call_seconds", "How long these took, all in all", 0).with("tier", tier);
        let mut samples = self.samples(tier);
        samples.push(counter("cache.calls", "Calls to a tier outside this process", &self.calls));
        samples.push(counter("cache.error", "Those of them that gave no answer", &self.errors));
        samples.push(time.of(seconds));
        samples
    }
}

/// Values with a source.
#[derive(Default)]
pub(super) struct Meter {
    pub(super) stale_served: AtomicU64,
    pub(super) refreshes: AtomicU64,
    pub(super) failures: AtomicU64,
    pub(super) waits: AtomicU64,
    pub(super) invalidations: AtomicU64,
}

impl Meter {
    pub(super) fn samples(&self) -> Vec<Sample> {
        let counter = |name, help, count: &AtomicU64| Sample::counter(name, help, get(count));
        vec![
            counter("cache.stale_served", "Values that were served though no longer fresh", &self.stale_served),
            counter("cache.refresh", "Values that a source was asked for", &self.refreshes),
            counter("cache.refresh_failed", "Values that it did not give", &self.failures),
            counter("cache.wait", "Values that another process was waited for", &self.waits),
            counter("cache.invalidation", "Names that were invalidated", &self.invalidations),
        ]
    }
}

pub(super) fn add(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}

fn get(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
