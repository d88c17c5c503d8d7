//! The watcher of chains: events that the filters let through become events of their streams, and transactions that
//! were handed in here are settled.
//!
//! Nothing is lost or doubled, whoever dies where: what is recorded is the difference between what a chain holds and
//! what the stream says, decided on the stream's newest version. The leases only keep watchers from doing the same work.

mod reader;
mod settle;

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use serde::Serialize;

use self::reader::Reader;
use super::Error;
use crate::domain::Metadata;
use crate::domain::chain::ChainId;
use crate::domain::watch::{EventFilter, WatchAggregate};
use crate::platform::clock::{Clock, Timestamp, delta};
use crate::platform::crash;
use crate::platform::ids::{jitter, new_id};
use crate::sources::chains::{ChainAdapter, ChainSet};
use crate::store::{EventStore, Store};

/// Filters that are read at once.
const FILTERS_AT_ONCE: usize = 4;
/// What reading a stretch and recording it may take.
const ROUND: Duration = Duration::from_secs(20);
/// How long a watcher that died keeps others out: longer than any round, shorter than a minute.
const LEASE: Duration = Duration::from_secs(40);
/// The first pause of a follower after a failure, and the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The watcher.
pub struct Watcher {
    /// Which chains there are.
    pub chains: Arc<dyn ChainSet>,
    /// What is watched. Two filters of one chain have different names.
    pub filters: Vec<EventFilter>,
    /// Where the leases are held, and pending transactions are found.
    pub store: Arc<dyn Store>,
    /// Where what happened is appended.
    pub events: Arc<dyn EventStore>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// What an invocation did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WatchSummary {
    /// Filters that there are.
    pub filters: usize,
    /// Blocks that were read, of all filters together.
    pub scanned_blocks: u64,
    /// Events that were observed.
    pub observed: usize,
    /// Of those observed before, events that are no longer on their chain.
    pub retracted: usize,
    /// Transactions of which it is known now what became.
    pub settled: usize,
    /// Filters that could not be read on, and transactions that could not be looked up.
    pub failed: usize,
}

/// What came of reading.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Progress {
    blocks: u64,
    observed: usize,
    retracted: usize,
}

impl Watcher {
    /// Reads every filter on until nothing is new, as `holder` (the invocation's id), then settles transactions. Begins
    /// nothing that could not end by `deadline`. A filter that fails stops no other.
    ///
    /// # Errors
    /// [`Error::TooShort`] where there is no time for anything; of the last filter, if all failed; of the store, where
    /// it does not tell which transactions are pending.
    pub async fn run(&self, holder: &str, deadline: Timestamp) -> Result<WatchSummary, Error> {
        if !self.fits(ROUND, deadline) {
            return Err(Error::TooShort(ROUND));
        }
        let work: Vec<_> = self.filters.iter().map(|filter| self.watch(filter, holder, deadline)).collect();
        let outcomes: Vec<_> = stream::iter(work).buffer_unordered(FILTERS_AT_ONCE).collect().await;
        let mut summary = WatchSummary { filters: outcomes.len(), ..WatchSummary::default() };
        let mut last_error = None;
        for (progress, outcome) in outcomes {
            summary.scanned_blocks += progress.blocks;
            summary.observed += progress.observed;
            summary.retracted += progress.retracted;
            if let Err(error) = outcome {
                summary.failed += 1;
                last_error = Some(error);
            }
        }
        let all_failed = summary.failed == summary.filters;
        // Of no concern to the transactions, which may be on other chains.
        let settled = self.settle(holder, deadline).await?;
        summary.settled = settled.settled;
        summary.failed += settled.failed;
        match last_error {
            Some(error) if all_failed => Err(error),
            _ => Ok(summary),
        }
    }

    /// Reads one filter on, if no one else does.
    async fn watch(&self, filter: &EventFilter, holder: &str, deadline: Timestamp) -> (Progress, Result<(), Error>) {
        let lease = format!("chain-watch:{}", WatchAggregate::subject(filter));
        let mut progress = Progress::default();
        let outcome = self.catch_up(filter, &lease, holder, deadline, &mut progress).await;
        if let Err(error) = &outcome {
            tracing::warn!(chain = %filter.chain, filter = filter.name, %error, "a filter could not be read on");
        }
        if let Err(error) = self.store.release(&lease, holder).await {
            tracing::warn!(lease, %error, "a watcher's lease is left to run out");
        }
        (progress, outcome)
    }

    async fn catch_up(
        &self,
        filter: &EventFilter,
        lease: &str,
        holder: &str,
        deadline: Timestamp,
        progress: &mut Progress,
    ) -> Result<(), Error> {
        let adapter = self.adapter(&filter.chain)?;
        let mut reader: Option<Reader<'_>> = None;
        while self.fits(ROUND, deadline) {
            if !self.store.acquire(lease, holder, self.clock.now(), LEASE).await? {
                tracing::info!(lease, "another watcher reads this filter");
                break;
            }
            let reader = match &mut reader {
                Some(reader) => reader,
                none => none.insert(Reader::load(self, filter, holder).await?),
            };
            let scan = adapter.events_after(&reader.filter(), reader.trail()).await?;
            crash::point("watch.read");
            let caught_up = scan.caught_up;
            let alone = reader.record(scan, progress).await?;
            if caught_up && alone {
                break;
            }
        }
        Ok(())
    }

    /// Records what happens from now on, and what was missed, for ever. After a failure it goes on from what is
    /// recorded. It ends only where the filter's chain is not configured.
    pub async fn follow(&self, filter: &EventFilter) {
        let Ok(adapter) = self.adapter(&filter.chain) else {
            tracing::error!(chain = %filter.chain, filter = filter.name, "the chain of a filter is not configured");
            return;
        };
        let mut failures = 0;
        loop {
            match self.follow_once(filter, adapter.as_ref(), &mut failures).await {
                Ok(()) => tokio::time::sleep(jitter(FIRST_PAUSE)).await,
                Err(error) => {
                    let pause = pause(failures);
                    failures += 1;
                    let pause_ms = pause.as_millis();
                    tracing::warn!(chain = %filter.chain, filter = filter.name, %error, pause_ms, "following stopped");
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    /// Follows until something fails, or another watcher was faster.
    async fn follow_once(
        &self,
        filter: &EventFilter,
        adapter: &dyn ChainAdapter,
        failures: &mut u32,
    ) -> Result<(), Error> {
        let correlation_id = new_id().to_string();
        let mut reader = Reader::load(self, filter, &correlation_id).await?;
        let wanted = reader.filter().into_owned();
        let mut scans = adapter.subscribe_to_events(&wanted, reader.trail().clone());
        while let Some(scan) = scans.next().await {
            let scan = scan?;
            crash::point("watch.read");
            if !reader.record(scan, &mut Progress::default()).await? {
                return Ok(());
            }
            *failures = 0;
        }
        Err(Error::Unavailable { service: adapter.chain().name.clone(), retry_after: None })
    }

    fn adapter(&self, chain: &ChainId) -> Result<Arc<dyn ChainAdapter>, Error> {
        let unknown = || Error::Invalid(format!("chain {chain} is not configured"));
        self.chains.adapter(chain).ok_or_else(unknown)
    }

    fn fits(&self, work: Duration, deadline: Timestamp) -> bool {
        self.clock.now() + delta(work) <= deadline
    }

    fn metadata(&self, correlation_id: &str) -> Metadata {
        Metadata::of_schedule(correlation_id, self.clock.now())
    }
}

/// Twice as long after each failure, and half of it by chance.
fn pause(failures: u32) -> Duration {
    let whole = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(failures)).min(LONGEST_PAUSE);
    whole / 2 + jitter(whole / 2)
}

#[cfg(test)]
mod tests;
