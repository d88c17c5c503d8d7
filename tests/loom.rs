//! The breaker's concurrent core under every interleaving that there is, by the model checker `loom`: the very files of the
//! core crate, with the model checker's primitives in place of the standard library's.

#![expect(dead_code, unreachable_pub, reason = "the core is used in part, and is no crate here")]

#[path = "../shared/src/breaker/circuit.rs"]
mod circuit;
#[path = "../shared/src/breaker/rolling.rs"]
mod rolling;
/// What `shared/src/breaker/sync.rs` takes from the standard library.
mod sync {
    pub(super) use loom::sync::atomic::{AtomicI64, AtomicU8, AtomicU32, Ordering};
    pub(super) use loom::sync::{Mutex, MutexGuard};
}

use circuit::{Admission, Circuit, Count, Rules, State, Transition, exceeds};
use loom::sync::Arc;
use loom::thread;

/// A circuit that opens at the first failure, for 10, with a window of 100 in two buckets.
fn circuit(rules: impl FnOnce(&mut Rules)) -> Arc<Circuit> {
    let mut all = Rules {
        error_threshold: 0,
        slow_threshold: None,
        volume_threshold: 1,
        half_open_permits: 1,
        capacity: None,
        warm_until: 0,
        exceeds,
    };
    rules(&mut all);
    Arc::new(Circuit::new(all, 0, 100, 2))
}

/// Runs `work` in two threads at once: what each gave.
fn both<T: 'static>(circuit: &Arc<Circuit>, work: fn(&Circuit) -> T) -> [T; 2] {
    let other = circuit.clone();
    let other = thread::spawn(move || work(&other));
    [work(circuit), other.join().unwrap()]
}

fn half_open(circuit: &Circuit) {
    circuit.count(Count::Fire, 0);
    assert_eq!(circuit.failed(false, 0, |_| 10), Some(Transition::Opened));
    assert_eq!(circuit.wake(10), Some(Transition::HalfOpened));
}

#[test]
fn of_two_callers_one_tries() {
    loom::model(|| {
        let circuit = circuit(|_| {});
        half_open(&circuit);
        let passed = both(&circuit, |circuit| matches!(circuit.admit(10), Admission::Pass { .. }));
        assert_eq!(passed.iter().filter(|passed| **passed).count(), 1);
    });
}

#[test]
fn the_time_open_ends_once() {
    loom::model(|| {
        let circuit = circuit(|_| {});
        circuit.open(0, |_| 10);
        let woken = both(&circuit, |circuit| circuit.wake(10));
        assert_eq!(woken.iter().flatten().count(), 1);
        assert_eq!(circuit.state(), State::HalfOpen);
    });
}

#[test]
fn a_permit_that_is_given_back_is_there_for_the_next() {
    loom::model(|| {
        let circuit = circuit(|_| {});
        half_open(&circuit);
        both(&circuit, |circuit| {
            if let Admission::Pass { trial: Some(trial) } = circuit.admit(10) {
                circuit.give_back(trial, None);
            }
        });
        assert!(matches!(circuit.admit(10), Admission::Pass { trial: Some(_) }));
        assert!(matches!(circuit.admit(10), Admission::Refused { .. }));
    });
}

#[test]
fn a_permit_of_an_earlier_time_takes_none_from_the_next() {
    loom::model(|| {
        let circuit = circuit(|_| {});
        half_open(&circuit);
        let Admission::Pass { trial: Some(late) } = circuit.admit(10) else { panic!("refused") };
        let other = circuit.clone();
        let other = thread::spawn(move || other.give_back(late, None));
        circuit.failed(false, 10, |_| 10);
        circuit.wake(20);
        let first = circuit.admit(20);
        other.join().unwrap();
        assert!(matches!(first, Admission::Pass { trial: Some(_) }));
        assert!(matches!(circuit.admit(20), Admission::Refused { .. }));
    });
}

#[test]
fn two_failures_open_it_once() {
    loom::model(|| {
        let circuit = circuit(|rules| rules.volume_threshold = 2);
        let told = both(&circuit, |circuit| {
            circuit.count(Count::Fire, 5);
            circuit.failed(false, 5, |_| 10)
        });
        assert_eq!(told.iter().flatten().count(), 1);
        assert_eq!((circuit.state(), circuit.is_closed()), (State::Open, false));
    });
}

#[test]
fn whatever_two_outcomes_decide_is_told_and_holds() {
    loom::model(|| {
        let circuit = circuit(|_| {});
        half_open(&circuit);
        let other = circuit.clone();
        let failure = thread::spawn(move || other.failed(false, 10, |_| 10));
        let closed = circuit.succeeded(false, 10, |_| 10);
        let opened = failure.join().unwrap();
        match (closed, opened) {
            (Some(Transition::Closed), None) => assert!(circuit.is_closed()),
            (None | Some(Transition::Closed), Some(Transition::Opened)) => assert_eq!(circuit.state(), State::Open),
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn there_is_never_more_under_way_than_there_is_room() {
    loom::model(|| {
        let circuit = circuit(|rules| rules.capacity = Some(1));
        let inside = Arc::new(loom::sync::atomic::AtomicU32::new(0));
        let enter = |circuit: Arc<Circuit>, inside: Arc<loom::sync::atomic::AtomicU32>| {
            if circuit.acquire() {
                assert_eq!(inside.fetch_add(1, sync::Ordering::SeqCst), 0);
                inside.fetch_sub(1, sync::Ordering::SeqCst);
                circuit.release();
            }
        };
        let (other, also) = (circuit.clone(), inside.clone());
        let other = thread::spawn(move || enter(other, also));
        enter(circuit.clone(), inside);
        other.join().unwrap();
        assert!(circuit.acquire());
        assert!(!circuit.acquire());
    });
}

#[test]
fn no_count_is_lost_where_a_bucket_is_turned() {
    loom::model(|| {
        let circuit = circuit(|_| {});
        circuit.count(Count::Fire, 0);
        // The second bucket begins at 50; the first leaves the window at 100.
        both(&circuit, |circuit| circuit.count(Count::Fire, 60));
        assert_eq!(circuit.totals(60)[Count::Fire as usize], 3);
        assert_eq!(circuit.totals(110)[Count::Fire as usize], 2);
        assert_eq!(circuit.totals(1_000)[Count::Fire as usize], 0);
    });
}
