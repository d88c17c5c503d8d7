//! How long calls took, in a histogram: eight steps to each doubling, so that a reading is at most a sixteenth off.

use std::time::Duration;

use super::rolling::Bucket;
use super::sync::{AtomicU32, Ordering};

/// Steps of one doubling, as a power of two.
const STEPS_LOG2: u32 = 3;
const STEPS: usize = 1 << STEPS_LOG2;
/// Doublings: the last step holds whatever takes longer than two minutes.
const DOUBLINGS: usize = 25;

pub(super) struct Histogram([AtomicU32; STEPS * DOUBLINGS]);

impl Bucket for Histogram {
    fn empty() -> Self {
        Self(std::array::from_fn(|_| AtomicU32::new(0)))
    }

    fn clear(&self) {
        for count in &self.0 {
            count.store(0, Ordering::Relaxed);
        }
    }
}

impl Histogram {
    pub(super) fn record(&self, micros: i64) {
        self.0[step(micros)].fetch_add(1, Ordering::Relaxed);
    }
}

/// How long calls took.
#[derive(Debug, Clone)]
pub struct Latencies {
    counts: Box<[u64]>,
    total: u64,
}

impl Latencies {
    pub(super) fn sum<'a>(histograms: impl Iterator<Item = &'a Histogram>) -> Self {
        let mut counts = vec![0; STEPS * DOUBLINGS];
        for histogram in histograms {
            for (count, more) in counts.iter_mut().zip(&histogram.0) {
                *count += u64::from(more.load(Ordering::Relaxed));
            }
        }
        Self { total: counts.iter().sum(), counts: counts.into() }
    }

    /// The time within which a share of the calls (0 to 1) ended, by nearest rank; nothing where there were none. At most
    /// a sixteenth off.
    pub fn percentile(&self, share: f64) -> Duration {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a rank"
        )]
        let rank = ((share * self.total as f64).ceil() as u64).clamp(1, self.total.max(1));
        let mut seen = 0;
        for (step, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return middle(step);
            }
        }
        Duration::ZERO
    }

    /// The mean, at most a sixteenth off.
    pub fn mean(&self) -> Duration {
        let steps = self.counts.iter().enumerate();
        let sum: u128 = steps.map(|(step, count)| middle(step).as_micros() * u128::from(*count)).sum();
        Duration::from_micros(u64::try_from(sum / u128::from(self.total.max(1))).unwrap_or(u64::MAX))
    }
}

/// Below eight, a step is a microsecond; from there on, the three bits after the first one of the number choose it.
fn step(micros: i64) -> usize {
    let micros = u64::try_from(micros).unwrap_or_default();
    if micros < STEPS as u64 {
        return usize::try_from(micros).unwrap_or_default();
    }
    let doubling = micros.ilog2() - STEPS_LOG2;
    let within = usize::try_from(micros >> doubling).unwrap_or_default() - STEPS;
    ((doubling as usize + 1) * STEPS + within).min(STEPS * DOUBLINGS - 1)
}

fn middle(step: usize) -> Duration {
    let (doubling, within) = (step / STEPS, (step % STEPS) as u64);
    if doubling == 0 {
        return Duration::from_micros(within);
    }
    let width = 1_u64 << (doubling - 1);
    Duration::from_micros((within + STEPS as u64) * width + width / 2)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn without_calls_there_is_nothing() {
        let none = Latencies::sum(std::iter::empty());
        assert_eq!((none.percentile(0.99), none.mean()), (Duration::ZERO, Duration::ZERO));
    }

    proptest! {
        #[test]
        fn a_percentile_is_that_of_the_sorted_list_but_for_a_sixteenth(
            mut times in prop::collection::vec(0_i64..100_000_000, 1..200),
            share in 0.0..=1.0_f64,
        ) {
            let histogram = Histogram::empty();
            for time in &times {
                histogram.record(*time);
            }
            let read = Latencies::sum([&histogram].into_iter()).percentile(share).as_micros();
            times.sort_unstable();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a rank")]
            let rank = ((share * times.len() as f64).ceil() as usize).max(1);
            let exact = u128::try_from(times[rank - 1]).unwrap();
            prop_assert!(read.abs_diff(exact) <= exact / 16 + 1, "{read} for {exact}");
        }
    }
}
