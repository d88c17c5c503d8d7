//! The same history, told to the limiter in memory and the one in Redis, gets the same answers: their arithmetic is
//! written in two languages.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use super::build::{Caller, memory, redis};
use super::never_over_quota::{charges, history};

#[test]
fn memory_and_redis_agree_on_every_decision() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _guard = runtime.enter();
    let (memory, redis) = (memory(), redis());
    let config = Config { cases: 100, failure_persistence: None, ..Config::default() };
    // Some pauses lead back in time.
    let history = history().prop_flat_map(|history| {
        let back = prop::collection::vec(prop::bool::weighted(0.1), history.len());
        (Just(history), back)
    });
    let outcome = TestRunner::new(config).run(&history, |(history, back)| {
        let (mut one, mut other) = (Caller::of(memory.clone()), Caller::of(redis.clone()));
        for (step, back) in history.iter().zip(back) {
            let pause = if back { -step.pause } else { step.pause };
            one.advance(pause);
            other.advance(pause);
            let charges = charges(step);
            let decisions = runtime.block_on(async { (one.check(&charges).await, other.check(&charges).await) });
            prop_assert_eq!(&decisions.0, &decisions.1);
        }
        Ok::<(), TestCaseError>(())
    });
    outcome.unwrap();
}
