//! Who follows a filter and keeps their own trail, as the watcher does.

use mcp_core::domain::chain::Block;
use mcp_core::domain::watch::{ChainEvent, EventFilter, Scan, Trail};
use mcp_core::sources::chains::{ChainAdapter, ChainError};

/// A reader of one filter's events.
pub(crate) struct Reader<'a> {
    pub(crate) adapter: &'a dyn ChainAdapter,
    pub(crate) filter: EventFilter,
    pub(crate) trail: Trail,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(adapter: &'a dyn ChainAdapter, filter: &EventFilter) -> Self {
        Self { adapter, filter: filter.clone(), trail: Trail::default() }
    }

    /// The next scan. The trail goes on behind it.
    pub(crate) async fn next(&mut self) -> Result<Scan, ChainError> {
        let scan = self.adapter.events_after(&self.filter, &self.trail).await?;
        follow(&mut self.trail, &scan);
        Ok(scan)
    }

    /// All that there is now.
    pub(crate) async fn rest(&mut self) -> Vec<ChainEvent> {
        let mut events = vec![];
        for _ in 0..1_000 {
            let scan = self.next().await.unwrap();
            events.extend(scan.events);
            if scan.caught_up {
                return events;
            }
        }
        panic!("never caught up: {:?}", self.trail.blocks.last());
    }
}

/// Goes on behind `scan`: what it left is forgotten.
pub(crate) fn follow(trail: &mut Trail, scan: &Scan) {
    let Some(through) = &scan.through else { return };
    trail.blocks.retain(|block| block.number < scan.from);
    let mut blocks: Vec<Block> = scan.events.iter().map(|event| event.block.clone()).collect();
    blocks.push(through.clone());
    blocks.dedup_by_key(|block| block.number);
    trail.blocks.extend(blocks);
}

/// The transactions of events.
pub(crate) fn transactions(events: &[ChainEvent]) -> Vec<String> {
    events.iter().map(|event| event.transaction.clone()).collect()
}
