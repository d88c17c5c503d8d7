//! One reader of one filter: what it has read, and what is recorded of that.

use std::borrow::Cow;

use super::{Progress, Watcher};
use crate::domain::watch::aggregate::PIECE;
use crate::domain::watch::{EventFilter, Reading, Record, Scan, Trail, WatchAggregate, WatchEvent};
use crate::platform::crash;
use crate::services::Error;
use crate::store::Repository;

pub(super) struct Reader<'a> {
    watcher: &'a Watcher,
    filter: &'a EventFilter,
    correlation_id: &'a str,
    subject: String,
    repository: Repository<WatchAggregate>,
    reading: Reading,
}

impl<'a> Reader<'a> {
    /// A reader that goes on from what is recorded.
    pub(super) async fn load(
        watcher: &'a Watcher,
        filter: &'a EventFilter,
        correlation_id: &'a str,
    ) -> Result<Self, Error> {
        let subject = WatchAggregate::subject(filter);
        let repository = Repository::new(watcher.events.clone());
        let reading = Reading::of(repository.load(&subject).await?.state);
        Ok(Self { watcher, filter, correlation_id, subject, repository, reading })
    }

    pub(super) fn trail(&self) -> &Trail {
        self.reading.trail()
    }

    /// The filter to ask with: one that began at the newest block begins where it did, should its trail be lost.
    pub(super) fn filter(&self) -> Cow<'a, EventFilter> {
        match self.reading.state().begins_at() {
            begun @ Some(_) if self.trail().blocks.is_empty() && self.filter.from_block.is_none() => {
                Cow::Owned(EventFilter { from_block: begun, ..self.filter.clone() })
            }
            _ => Cow::Borrowed(self.filter),
        }
    }

    /// Records what follows from a scan. `false` where another watcher has recorded something meanwhile: what comes
    /// next must be read behind the trail as it is now.
    pub(super) async fn record(&mut self, scan: Scan, progress: &mut Progress) -> Result<bool, Error> {
        let (chain, filter) = (&self.filter.chain, &self.filter.name);
        if self.reading.leaves_everything(&scan) {
            let from = scan.from;
            tracing::error!(%chain, filter, from, "the chain agrees with no known block; what was below may be missed");
        }
        if let Some(through) = &scan.through {
            progress.blocks += (through.number + 1).saturating_sub(scan.from);
        }
        let Some(scan) = self.reading.take(self.filter, scan) else { return Ok(true) };
        for piece in scan.pieces(PIECE) {
            let behind = self.reading.state().ended();
            let ended = self.execute(Record { filter: self.filter.clone(), scan: piece, behind }, progress).await?;
            self.reading = Reading::of(self.repository.load(&self.subject).await?.state);
            if !ended || self.reading.state().ended() != behind + 1 {
                tracing::info!(%chain, filter, "another watcher was faster");
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Repeats a command until nothing follows; whether the scan's end was recorded.
    async fn execute(&self, command: Record, progress: &mut Progress) -> Result<bool, Error> {
        loop {
            let metadata = self.watcher.metadata(self.correlation_id);
            let events = self.repository.execute(&self.subject, &command, &metadata, None).await?;
            if events.is_empty() {
                return Ok(false);
            }
            crash::point("watch.recorded");
            for event in &events {
                match event.decode()? {
                    WatchEvent::Observed(_) => progress.observed += 1,
                    WatchEvent::Retracted(_) => progress.retracted += 1,
                    WatchEvent::Scanned(_) => return Ok(true),
                }
            }
        }
    }
}
