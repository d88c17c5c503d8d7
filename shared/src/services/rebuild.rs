//! Rebuilding the read models from the first event on, beside the live ones, and swapping them in. In slices: an
//! invocation does what its time allows, the next goes on where it ended.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::Error;
use crate::domain::RecordedEvent;
use crate::domain::projection::Changes;
use crate::platform::clock::{Clock, Timestamp, delta};
use crate::platform::crash;
use crate::store::{Page, Rebuild, Store, StoreError};

/// Events of one step, at most.
const EVENTS: u32 = 1000;
/// Rows a table that are deleted at once.
const SWEEP: u32 = 10_000;
/// What a step may take.
const STEP: Duration = Duration::from_secs(10);
/// The pause before another look, while transactions are in flight that began before the rebuild.
const SETTLING: Duration = Duration::from_millis(50);

/// Rebuilds the read models.
pub struct Rebuilder {
    /// The events, and the read models.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// How far a rebuild has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RebuildProgress {
    /// Events that were read.
    pub done: u64,
    /// Events that there were at the beginning, where that is known.
    pub total: Option<u64>,
    /// Whether the rebuilt read models are live, and the old ones gone.
    pub finished: bool,
}

impl Rebuilder {
    /// Begins a rebuild, or goes on with the one that was begun, until it is done or no further step could end by
    /// `deadline`. `tell` is told of each step.
    ///
    /// # Errors
    /// [`Error::Busy`] where another process goes on with it; [`Error::TooShort`] where not even one step fits; the store's.
    pub async fn run(&self, deadline: Timestamp, tell: impl Fn(RebuildProgress)) -> Result<RebuildProgress, Error> {
        if !self.fits(deadline) {
            return Err(Error::TooShort(STEP));
        }
        let mut rebuild = self.store.begin_rebuild().await?;
        let mut size = EVENTS;
        while self.fits(deadline) {
            // Asked before the page: one that is not full is then the last.
            let settled = self.store.rebuild_has_settled(&rebuild).await?;
            let page = self.store.read_all(rebuild.cursor.as_ref(), size).await?;
            let (read, at_the_end) = (page.events.len(), page.events.len() < size as usize);
            let written = self.step(&mut rebuild, page, &mut size).await?;
            crash::point("rebuild.stepped");
            if written && read > 0 {
                tell(RebuildProgress { done: rebuild.done, total: rebuild.total, finished: false });
            }
            if written && at_the_end && settled {
                return self.finish(&rebuild, deadline, tell).await;
            }
            if written && at_the_end {
                tokio::time::sleep(SETTLING).await;
            }
        }
        Ok(RebuildProgress { done: rebuild.done, total: rebuild.total, finished: false })
    }

    fn fits(&self, deadline: Timestamp) -> bool {
        self.clock.now() + delta(STEP) <= deadline
    }

    /// Writes a page to the shadow. `false` for one with a value that the store cannot take: it is to be read again, half
    /// as long, down to the event that holds it, which is passed over. `size` is that of the next page.
    async fn step(&self, rebuild: &mut Rebuild, page: Page, size: &mut u32) -> Result<bool, Error> {
        let Some(next) = page.next.filter(|_| !page.events.is_empty()) else { return Ok(true) };
        let events = page.events.len() as u64;
        let written = match self.store.rebuild_step(rebuild, &changes(&page.events), &next, events).await {
            Err(StoreError::Invalid(_)) if page.events.len() > 1 => {
                *size = (*size / 2).max(1);
                return Ok(false);
            }
            Err(StoreError::Invalid(problem)) => {
                tracing::warn!(problem, "an event cannot be projected and is passed over");
                self.store.rebuild_step(rebuild, &passed(&page.events), &next, events).await?
            }
            written => written?,
        };
        if !written {
            return Err(Error::Busy("another process goes on with this rebuild".to_owned()));
        }
        rebuild.cursor = Some(next);
        rebuild.done += events;
        *size = (*size * 2).min(EVENTS);
        Ok(true)
    }

    async fn finish(
        &self,
        rebuild: &Rebuild,
        deadline: Timestamp,
        tell: impl Fn(RebuildProgress),
    ) -> Result<RebuildProgress, Error> {
        if !self.store.finish_rebuild(rebuild).await? {
            return Err(Error::Busy("another process goes on with this rebuild".to_owned()));
        }
        crash::point("rebuild.swapped");
        tracing::info!(events = rebuild.done, generation = rebuild.generation, "the rebuilt read models are live");
        if let Err(error) = self.sweep(deadline).await {
            tracing::warn!(%error, "the old read models are left for the next rebuild to delete");
        }
        let progress = RebuildProgress { done: rebuild.done, total: Some(rebuild.done), finished: true };
        tell(progress);
        Ok(progress)
    }

    /// Deletes what is neither live nor being rebuilt. What time does not allow, the next rebuild does.
    async fn sweep(&self, deadline: Timestamp) -> Result<(), Error> {
        while self.fits(deadline) && !self.store.sweep_generations(SWEEP).await?.over {}
        Ok(())
    }
}

fn changes(events: &[RecordedEvent]) -> Changes {
    let mut changes = Changes::default();
    for event in events {
        if let Err(error) = changes.add(event) {
            tracing::warn!(%error, event_id = %event.id, "a stored event cannot be read and is passed over");
            changes.pass(event);
        }
    }
    changes
}

fn passed(events: &[RecordedEvent]) -> Changes {
    let mut changes = Changes::default();
    for event in events {
        changes.pass(event);
    }
    changes
}
