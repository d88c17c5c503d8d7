use super::*;
use crate::domain::chain::ChainId;
use crate::domain::testing::{given, replay};
use crate::domain::watch::model::{ModelChain, event};

mod branches;

fn block(number: u64, hash: &str) -> Block {
    Block { number, hash: hash.to_owned() }
}

fn scan(from: u64, through: Block, events: &[ChainEvent]) -> Scan {
    Scan { from, through: Some(through), events: events.to_vec(), caught_up: true }
}

fn record(behind: u64, scan: Scan) -> Record {
    Record { filter: ModelChain::filter(), scan, behind }
}

fn observed(event: &ChainEvent) -> WatchEvent {
    observe(&ModelChain::filter(), event)
}

fn retracted(event: &ChainEvent) -> WatchEvent {
    WatchEvent::Retracted(ChainEventRetracted {
        chain: ChainId::evm(1),
        filter: "transfers".to_owned(),
        block: event.block.clone(),
        transaction: event.transaction.clone(),
        index: event.index,
    })
}

fn scanned(block: Block, left_at: Option<u64>) -> WatchEvent {
    WatchEvent::Scanned(BlocksScanned { chain: ChainId::evm(1), filter: "transfers".to_owned(), block, left_at })
}

#[test]
fn events_are_observed_in_order_and_then_the_scan_ends() {
    let events = [event(&block(7, "a"), 3), event(&block(9, "b"), 0)];
    given::<WatchAggregate>(&[]).when(&record(0, scan(5, block(10, "c"), &events))).then(&[
        observed(&events[0]),
        observed(&events[1]),
        scanned(block(10, "c"), None),
    ]);
}

#[test]
fn what_is_recorded_is_not_recorded_again() {
    let events = [event(&block(7, "a"), 3), event(&block(9, "b"), 0)];
    let command = record(0, scan(5, block(10, "c"), &events));
    given::<WatchAggregate>(&[observed(&events[0])])
        .when(&command)
        .then(&[observed(&events[1]), scanned(block(10, "c"), None)]);
    let all = [observed(&events[0]), observed(&events[1]), scanned(block(10, "c"), None)];
    given::<WatchAggregate>(&all).when(&command).then(&[]);
}

#[test]
fn an_event_that_a_node_tells_twice_is_observed_once() {
    let twice = event(&block(7, "a"), 3);
    given::<WatchAggregate>(&[])
        .when(&record(0, scan(5, block(7, "a"), &[twice.clone(), twice.clone()])))
        .then(&[observed(&twice), scanned(block(7, "a"), None)]);
}

#[test]
fn no_more_follows_at_once_than_an_append_takes() {
    let events: Vec<_> = (0..200).map(|index| event(&block(7, "a"), index)).collect();
    let command = record(0, scan(7, block(7, "a"), &events));
    let (mut state, mut sizes) = (WatchAggregate::default(), vec![]);
    loop {
        let Ok(next) = state.decide(&command);
        if next.is_empty() {
            break;
        }
        replay(&mut state, &next);
        sizes.push(next.len());
    }
    assert_eq!(sizes, [90, 90, 21]);
    assert_eq!(state.trail().blocks, [block(7, "a")]);
}

#[test]
fn where_the_chain_has_left_the_trail_everything_above_is_retracted_newest_first() {
    let old = [event(&block(7, "a"), 3), event(&block(9, "b"), 0), event(&block(9, "b"), 1)];
    let new = event(&block(8, "x"), 5);
    let history = [observed(&old[0]), observed(&old[1]), observed(&old[2]), scanned(block(10, "c"), None)];
    let left = record(1, scan(8, block(8, "x"), std::slice::from_ref(&new)));
    given::<WatchAggregate>(&history).when(&left).then(&[
        retracted(&old[2]),
        retracted(&old[1]),
        observed(&new),
        scanned(block(8, "x"), Some(8)),
    ]);
}

#[test]
fn the_trail_ends_before_what_was_retracted_until_the_scan_ends() {
    let old = event(&block(9, "b"), 0);
    let mut state = WatchAggregate::default();
    let first = scanned(block(8, "a"), None);
    replay(&mut state, &[first, observed(&old), scanned(block(10, "c"), None)]);
    assert_eq!(state.trail().blocks, [block(8, "a"), block(9, "b"), block(10, "c")]);
    replay(&mut state, &[retracted(&old)]);
    assert_eq!(state.trail().blocks, [block(8, "a")]);
    // The chain came back to the old branch before the scan ended: what was retracted is observed again.
    let again = record(2, scan(9, block(10, "c"), std::slice::from_ref(&old)));
    let Ok(events) = state.decide(&again);
    assert_eq!(events, [observed(&old), scanned(block(10, "c"), Some(9))]);
}

#[test]
fn what_an_unfinished_scan_left_and_the_chain_no_longer_has_is_retracted() {
    let (old, new) = (event(&block(9, "b"), 0), event(&block(9, "x"), 0));
    let history = [scanned(block(8, "a"), None), observed(&old)];
    let command = record(1, scan(9, block(9, "x"), std::slice::from_ref(&new)));
    given::<WatchAggregate>(&history).when(&command).then(&[
        retracted(&old),
        observed(&new),
        scanned(block(9, "x"), None),
    ]);
    // A shorter scan says nothing of what is above it.
    given::<WatchAggregate>(&[scanned(block(7, "a"), None), observed(&old)])
        .when(&record(1, scan(8, block(8, "y"), &[])))
        .then(&[]);
}

#[test]
fn a_quiet_stretch_is_recorded_only_once_it_is_long() {
    let history = [scanned(block(1000, "a"), None)];
    let quiet = |number| record(1, scan(1001, block(number, "b"), &[]));
    given::<WatchAggregate>(&history).when(&quiet(1000 + QUIET_BLOCKS - 1)).then(&[]);
    let long = 1000 + QUIET_BLOCKS;
    given::<WatchAggregate>(&history).when(&quiet(long)).then(&[scanned(block(long, "b"), None)]);
    given::<WatchAggregate>(&[]).when(&record(0, scan(5, block(5, "a"), &[]))).then(&[scanned(block(5, "a"), None)]);
    // Where the chain has left the trail, the trail must not stay as it is.
    given::<WatchAggregate>(&history)
        .when(&record(1, scan(1000, block(1000, "x"), &[])))
        .then(&[scanned(block(1000, "x"), Some(1000))]);
}

#[test]
fn nothing_follows_from_a_scan_that_another_has_overtaken() {
    let history = [scanned(block(10, "a"), None), scanned(block(300, "b"), None)];
    let late = event(&block(11, "c"), 0);
    given::<WatchAggregate>(&history).when(&record(1, scan(11, block(20, "d"), &[late]))).then(&[]);
}

#[test]
fn nothing_follows_from_nothing_new() {
    let nothing = Scan { from: 11, through: None, events: vec![], caught_up: true };
    given::<WatchAggregate>(&[scanned(block(10, "a"), None)]).when(&record(1, nothing)).then(&[]);
}

#[test]
fn a_memo_is_kept_in_a_form_that_every_store_takes() {
    let memo = |data: String| ChainEvent { data, ..event(&block(7, "a"), 0) };
    let WatchEvent::Observed(kept) = observed(&memo("a\0b".to_owned())) else { panic!() };
    assert_eq!((kept.event.data.as_str(), kept.truncated), ("a\u{fffd}b", false));
    let WatchEvent::Observed(kept) = observed(&memo("é".repeat(MAX_DATA))) else { panic!() };
    assert_eq!((kept.event.data.len(), kept.truncated), (MAX_DATA, true));
}

#[test]
fn what_is_too_far_down_is_left_alone_and_one_block_of_it_stays_known() {
    let old = [event(&block(10, "a"), 0), event(&block(20, "b"), 0), event(&block(90, "c"), 0)];
    let mut history: Vec<_> = old.iter().map(observed).collect();
    history.push(scanned(block(100, "d"), None));
    let mut state = WatchAggregate::default();
    replay(&mut state, &history);
    assert_eq!(state.trail().blocks, [block(20, "b"), block(90, "c"), block(100, "d")]);
    // The chain agrees with no known block: what is above the floor is exact, what is below stays as it is.
    let everything = [event(&block(20, "x"), 0), event(&block(40, "y"), 0)];
    let Ok(events) = state.decide(&record(1, scan(5, block(50, "z"), &everything)));
    assert_eq!(events, [retracted(&old[2]), observed(&everything[1]), scanned(block(50, "z"), Some(5))]);
}

/// The worst that scans in pieces come to; the numbers are in the module's documentation.
#[test]
fn the_state_of_a_busy_filter_stays_small() {
    let signature = |number: u64| format!("{number:x>88}");
    let on_solana = |number: u64, index: u64| ChainEvent {
        transaction: signature(number * 1000 + index),
        index: 0,
        block: block(300_000_000 + number, &signature(number)),
        ..event(&block(0, ""), 0)
    };
    let mut state = WatchAggregate::default();
    for number in 0..100 {
        let events: Vec<_> = (0..40).map(|index| observed(&on_solana(number, index))).collect();
        replay(&mut state, &events);
        replay(&mut state, &[scanned(on_solana(number, 0).block, None)]);
    }
    assert!(state.recorded().count() <= KEPT_EVENTS && state.recorded().count() > KEPT_EVENTS - 40);
    let piece: Vec<_> = (0..PIECE as u64).map(|number| observed(&on_solana(100 + number, 0))).collect();
    replay(&mut state, &piece);
    let size = serde_json::to_string(&state).unwrap().len();
    assert!((250_000..330_000).contains(&size), "{size} bytes");
}

#[test]
fn a_scan_is_cut_between_blocks() {
    let mut chain = ModelChain::default();
    chain.grow(&[0, 5, 1, 0, 9, 3, 0]);
    let whole = chain.scan(Some(0), &Trail::default(), 100);
    let pieces = whole.clone().pieces(4);
    let parts: Vec<_> = pieces
        .iter()
        .map(|piece| (piece.from, piece.through.as_ref().unwrap().number, piece.events.len(), piece.caught_up))
        .collect();
    assert_eq!(parts, [(0, 1, 5, false), (2, 4, 10, false), (5, 6, 3, true)]);
    assert_eq!(pieces.concat_events(), whole.events);
    assert_eq!(whole.clone().pieces(100), [whole]);
}

trait ConcatEvents {
    fn concat_events(&self) -> Vec<ChainEvent>;
}

impl ConcatEvents for Vec<Scan> {
    fn concat_events(&self) -> Vec<ChainEvent> {
        self.iter().flat_map(|piece| piece.events.clone()).collect()
    }
}
