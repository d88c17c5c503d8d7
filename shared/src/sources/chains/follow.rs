//! Events as they come, for any chain that can be asked for the next ones: read until there are no more, then wait.
//!
//! What wakes it is no more than that: a message that is lost, doubled or late changes nothing, because what happened is
//! read behind the trail each time. So it does not matter when a socket dies, or whether there is one.

use std::time::Duration;

use futures_util::stream::{self, BoxStream, StreamExt};

use super::{ChainAdapter, ChainError};
use crate::domain::watch::{EventFilter, Scan, Trail};
use crate::platform::BoxFuture;

/// Blocks that a follower remembers.
const KEPT: usize = 64;
/// After being woken for nothing, it looks again so soon: who told is ahead of who is asked.
const SOON: Duration = Duration::from_millis(300);
/// So often.
const TIMES: u32 = 5;

/// Tells that it may be worth a look.
pub(super) trait Wake: Send {
    /// Waits for a message, for as long as it makes sense to wait without one. `true` if there was one.
    fn wait(&mut self) -> BoxFuture<'_, bool>;
}

struct Follower<'a, W> {
    adapter: &'a dyn ChainAdapter,
    filter: &'a EventFilter,
    trail: Trail,
    wake: W,
    /// How often more it looks again soon.
    eager: u32,
    ended: bool,
}

/// The events of `filter` behind `trail`, for ever; it ends after an error.
pub(super) fn follow<'a>(
    adapter: &'a dyn ChainAdapter,
    filter: &'a EventFilter,
    trail: Trail,
    wake: impl Wake + 'a,
) -> BoxStream<'a, Result<Scan, ChainError>> {
    let follower = Follower { adapter, filter, trail, wake, eager: 0, ended: false };
    stream::unfold(follower, |mut follower| async move {
        let scan = follower.next().await?;
        Some((scan, follower))
    })
    .boxed()
}

impl<W: Wake> Follower<'_, W> {
    async fn next(&mut self) -> Option<Result<Scan, ChainError>> {
        while !self.ended {
            match self.adapter.events_after(self.filter, &self.trail).await {
                Ok(scan) if scan.through.is_some() => {
                    advance(&mut self.trail, &scan);
                    self.eager = 0;
                    return Some(Ok(scan));
                }
                Ok(_) if self.eager > 0 => {
                    self.eager -= 1;
                    tokio::time::sleep(SOON).await;
                }
                Ok(_) => self.eager = if self.wake.wait().await { TIMES } else { 0 },
                Err(error) => {
                    self.ended = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }
}

/// The trail after `scan`.
fn advance(trail: &mut Trail, scan: &Scan) {
    trail.blocks.retain(|block| block.number < scan.from);
    for block in scan.events.iter().map(|event| &event.block).chain(&scan.through) {
        if trail.blocks.last().is_none_or(|last| last.number < block.number) {
            trail.blocks.push(block.clone());
        }
    }
    let surplus = trail.blocks.len().saturating_sub(KEPT);
    trail.blocks.drain(..surplus);
}
