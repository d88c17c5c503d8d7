//! Random chains that are cut and grow anew, read by readers that die after any append.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::domain::watch::Reading;

/// How deep below the highest head there ever was a chain is cut: what is kept must reach it.
const DEPTH: usize = 50;

#[derive(Debug, Clone)]
enum Step {
    Grow(Vec<usize>),
    Cut(usize),
    /// The branch before the last cut wins after all.
    Return,
    /// Reads on in steps of so many blocks, in pieces of so many events, and dies after so many appends.
    Read {
        step: u64,
        piece: usize,
        appends: usize,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let events = prop_oneof![3 => Just(0_usize), 3 => 1..6_usize, 1 => 60..110_usize];
    let step = prop_oneof![
        2 => prop::collection::vec(events, 1..9).prop_map(Step::Grow),
        1 => (1..300_usize).prop_map(|quiet| Step::Grow(vec![0; quiet])),
        3 => (1..DEPTH).prop_map(Step::Cut),
        2 => Just(Step::Return),
        5 => (1..40_u64, 1..60_usize, 0..7_usize).prop_map(|(step, piece, appends)| Step::Read { step, piece, appends }),
    ];
    prop::collection::vec(step, 1..40)
}

#[derive(Default)]
struct World {
    chain: ModelChain,
    highest: usize,
    before_cut: Option<ModelChain>,
    history: Vec<WatchEvent>,
}

impl World {
    fn run(&mut self, step: &Step) {
        match step {
            Step::Grow(events) => {
                self.chain.grow(events);
                self.highest = self.highest.max(self.chain.len());
            }
            Step::Cut(depth) => {
                let lowest = self.highest.saturating_sub(DEPTH).max(1);
                self.before_cut = Some(self.chain.clone());
                self.chain.cut((*depth).min(self.chain.len().saturating_sub(lowest)));
            }
            Step::Return => {
                let lowest = self.highest.saturating_sub(DEPTH);
                let near = |before: &mut ModelChain| before.common(&self.chain) >= lowest;
                if let Some(before) = self.before_cut.take_if(near) {
                    self.before_cut = Some(self.chain.clone());
                    self.chain.give_way_to(before);
                }
            }
            Step::Read { step, piece, appends } => self.read(*step, *piece, *appends),
        }
    }

    fn state(&self) -> WatchAggregate {
        let mut state = WatchAggregate::default();
        replay(&mut state, &self.history);
        state
    }

    /// As a watcher does it.
    fn read(&mut self, step: u64, piece: usize, mut appends: usize) {
        let filter = ModelChain::filter();
        let mut reading = Reading::of(self.state());
        loop {
            let scan = self.chain.scan(filter.from_block, reading.trail(), step);
            let caught_up = scan.caught_up;
            if let Some(scan) = reading.take(&filter, scan) {
                for piece in scan.pieces(piece) {
                    let command = record(self.state().ended(), piece);
                    loop {
                        let state = self.state();
                        let Ok(events) = state.decide(&command);
                        if events.is_empty() {
                            break;
                        }
                        if appends == 0 {
                            return;
                        }
                        appends -= 1;
                        assert!(events.len() <= MAX_EVENTS);
                        self.history.extend(events);
                    }
                }
                reading = Reading::of(self.state());
            }
            if caught_up {
                return;
            }
        }
    }

    /// What is observed and not retracted, after looking at every event's turn.
    fn live(&self) -> Vec<ChainEvent> {
        let mut live: Vec<ChainEvent> = vec![];
        let mut ids = HashSet::new();
        for event in &self.history {
            match event {
                WatchEvent::Observed(ChainEventObserved { event, .. }) => {
                    assert!(ids.insert((event.block.clone(), id_of(event))), "observed twice: {event:?}");
                    live.push(event.clone());
                }
                WatchEvent::Retracted(retracted) => {
                    let id = EventId(retracted.transaction.clone(), retracted.index);
                    assert!(ids.remove(&(retracted.block.clone(), id.clone())), "never observed: {retracted:?}");
                    live.retain(|event| event.block != retracted.block || id_of(event) != id);
                }
                WatchEvent::Scanned(_) => {}
            }
        }
        live.sort_by_key(|event| (event.block.number, event.index));
        live
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn what_is_observed_and_not_retracted_is_what_the_chain_holds(steps in steps()) {
        let mut world = World::default();
        world.run(&Step::Grow(vec![1, 0, 2]));
        for step in &steps {
            world.run(step);
            world.live();
        }
        // One block more: a shorter branch is not looked at until it is longer.
        let missing = world.highest.saturating_sub(world.chain.len()) + 1;
        world.run(&Step::Grow(vec![1; missing]));
        world.read(30, 50, usize::MAX);
        prop_assert!(world.live() == world.chain.events(), "what is live is not what the chain holds");
    }
}
