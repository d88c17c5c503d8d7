//! A tier outside this process, and what lies beside it: behind breakers, measured.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::meter::TierMeter;
use super::{CacheError, CacheTier, Entry, RefreshLeases, StampStore};
use crate::breaker::{self, BreakerError, Breakers, CircuitBreaker};
use crate::platform::clock::{Timestamp, after};
use crate::platform::outage::Outage;

/// A tier outside this process.
pub(super) struct Far {
    pub(super) tier: Arc<dyn CacheTier>,
    pub(super) options: TierOptions,
    breaker: Arc<CircuitBreaker>,
    reader: Arc<CircuitBreaker>,
    pub(super) meter: TierMeter,
    outage: Outage,
    reader_outage: Outage,
}

/// How a tier outside this process is used.
#[derive(Debug, Clone)]
pub struct TierOptions {
    /// The longest that it keeps an entry.
    pub max_life: Duration,
    /// Whether it is for entries alone that are worth keeping long.
    pub cold: bool,
    /// How patient to be with it: what takes longer, or is not tried, is a miss.
    pub breaker: breaker::Options,
    /// The same for reads that may be a moment behind, where they go elsewhere.
    pub reader: Option<breaker::Options>,
}

impl TierOptions {
    /// The tier that all processes share: an hour, behind the breaker of the Redis.
    pub fn redis() -> Self {
        Self { max_life: Duration::from_secs(3600), cold: false, breaker: breaker::Options::redis(), reader: None }
    }

    /// The same with a reader of its own: that it fails says nothing about the primary.
    pub fn redis_with_reader() -> Self {
        let reader =
            breaker::Options { name: "redis.reader".into(), group: Some("redis".into()), ..breaker::Options::redis() };
        Self { reader: Some(reader), ..Self::redis() }
    }

    /// The cold tier: 30 days, a second.
    pub fn s3() -> Self {
        let breaker = breaker::Options {
            timeout: Duration::from_secs(1),
            volume_threshold: 2,
            reset_timeout: Duration::from_secs(5),
            group: Some("cache".into()),
            ..breaker::Options::new("cache.s3")
        };
        Self { max_life: Duration::from_secs(30 * 24 * 3600), cold: true, breaker, reader: None }
    }

    /// The breakers of calls, and of reads that may be a moment behind.
    fn breakers(&self, breakers: &Breakers) -> (Arc<CircuitBreaker>, Arc<CircuitBreaker>) {
        (breakers.get(&self.breaker), breakers.get(self.reader.as_ref().unwrap_or(&self.breaker)))
    }
}

/// What lies beside the entries of the tier that all processes share.
#[derive(Clone)]
pub struct Companion {
    /// What was invalidated.
    pub stamps: Arc<dyn StampStore>,
    /// Who asks the source.
    pub leases: Arc<dyn RefreshLeases>,
    breaker: Arc<CircuitBreaker>,
    reader: Arc<CircuitBreaker>,
}

impl Companion {
    /// Beside a tier with these options, behind the same breakers.
    pub fn new(
        stamps: Arc<dyn StampStore>,
        leases: Arc<dyn RefreshLeases>,
        options: &TierOptions,
        breakers: &Breakers,
    ) -> Self {
        let (breaker, reader) = options.breakers(breakers);
        Self { stamps, leases, breaker, reader }
    }
}

impl Far {
    pub(super) fn new(tier: Arc<dyn CacheTier>, options: TierOptions, breakers: &Breakers) -> Self {
        let (breaker, reader) = options.breakers(breakers);
        Self {
            tier,
            options,
            breaker,
            reader,
            meter: TierMeter::default(),
            outage: Outage::default(),
            reader_outage: Outage::default(),
        }
    }

    pub(super) async fn ask<T>(&self, question: impl Future<Output = Result<T, CacheError>>) -> Option<T> {
        self.through(&self.breaker, &self.outage, question).await
    }

    pub(super) async fn ask_reader<T>(&self, question: impl Future<Output = Result<T, CacheError>>) -> Option<T> {
        self.through(&self.reader, &self.reader_outage, question).await
    }

    /// The answer, if there is one; a change between failing and answering is logged.
    async fn through<T>(
        &self,
        breaker: &CircuitBreaker,
        outage: &Outage,
        question: impl Future<Output = Result<T, CacheError>>,
    ) -> Option<T> {
        let started = Instant::now();
        let answer = guarded(breaker, question).await;
        if !matches!(answer, Err(BreakerError::Open { .. } | BreakerError::Busy)) {
            self.meter.called(started.elapsed(), answer.is_err());
        }
        let tier = &*breaker.options().name;
        if outage.changed(answer.is_err()) {
            match &answer {
                Ok(_) => tracing::info!(tier, "the cache tier answers again"),
                Err(error) => tracing::warn!(tier, %error, "the cache goes on without a tier"),
            }
        }
        answer.ok()
    }
}

impl Companion {
    pub(super) async fn ask<T>(&self, question: impl Future<Output = Result<T, CacheError>>) -> Result<T, CacheError> {
        guarded(&self.breaker, question).await.map_err(told)
    }

    pub(super) async fn ask_reader<T>(
        &self,
        question: impl Future<Output = Result<T, CacheError>>,
    ) -> Result<T, CacheError> {
        guarded(&self.reader, question).await.map_err(told)
    }
}

/// All tiers at once.
pub(super) async fn put_far(far: &[Far], entries: &[(String, Entry)], now: Timestamp, cold: bool) {
    if entries.is_empty() {
        return;
    }
    let puts = far.iter().filter(|far| cold || !far.options.cold).map(|far| async move {
        let limited = |(key, entry): &(String, Entry)| (key.clone(), limited(entry, now, far.options.max_life));
        let entries: Vec<_> = entries.iter().map(limited).collect();
        if far.ask(far.tier.put_many(&entries)).await.is_some() {
            far.meter.written(entries.iter().map(|(_, entry)| entry.value.len()).sum());
        }
    });
    join_all(puts).await;
}

/// As a tier keeps it.
pub(super) fn limited(entry: &Entry, now: Timestamp, life: Duration) -> Entry {
    let limit = after(now, life);
    Entry { fresh_until: entry.fresh_until.min(limit), expires_at: entry.expires_at.min(limit), ..entry.clone() }
}

/// A tier that refused something is there.
async fn guarded<T>(
    breaker: &CircuitBreaker,
    question: impl Future<Output = Result<T, CacheError>>,
) -> Result<T, BreakerError<CacheError>> {
    let refused = |error: &BreakerError<CacheError>| matches!(error, BreakerError::Failed(error) if error.answered);
    breaker.call_filtered(question, refused).await
}

fn told(error: BreakerError<CacheError>) -> CacheError {
    match error {
        BreakerError::Failed(error) => error,
        other => CacheError::unanswered("redis", other.to_string()),
    }
}
