//! Who is to be looked at.

use mcp_core::push::Due;

use super::build::named;
use super::{Fixture, contract};
use crate::contracts::build::at;

contract!(
    those_that_wait_longest_come_first,
    no_more_come_than_are_asked_for,
    what_is_struck_off_does_not_come_again,
    what_is_not_struck_off_comes_again,
    nobody_comes_before_their_time,
    what_was_due_hours_ago_still_comes,
    what_is_due_when_it_is_written_comes,
    what_is_written_behind_the_reader_comes,
    a_connection_may_be_due_more_than_once,
);

fn due(seconds: i64, name: &str) -> Due {
    Due { at: at(seconds), connection: named(name) }
}

impl Fixture {
    async fn look_at(&self, all: &[Due]) {
        for due in all {
            self.registry.look_at(due).await.unwrap();
        }
    }

    /// Lets the time come, and asks who is due.
    async fn due_at(&self, seconds: i64, limit: usize) -> Vec<Due> {
        self.clock.advance(at(seconds) - mcp_core::platform::clock::Clock::now(&self.clock));
        self.registry.due(at(seconds), limit).await.unwrap()
    }
}

pub(super) async fn those_that_wait_longest_come_first(fixture: Fixture) {
    let all = [due(61, "d"), due(5, "b"), due(5, "a"), due(59, "c#d"), due(300, "e")];
    fixture.look_at(&all).await;
    let expected = [due(5, "a"), due(5, "b"), due(59, "c#d"), due(61, "d"), due(300, "e")];
    assert_eq!(fixture.due_at(300, 10).await, expected);
}

pub(super) async fn no_more_come_than_are_asked_for(fixture: Fixture) {
    let all: Vec<_> = (0..30).map(|n| due(n, &n.to_string())).collect();
    fixture.look_at(&all).await;
    assert_eq!(fixture.due_at(100, 7).await, all[..7]);
}

pub(super) async fn what_is_struck_off_does_not_come_again(fixture: Fixture) {
    let all: Vec<_> = (0..10).map(|n| due(n * 30, &n.to_string())).collect();
    fixture.look_at(&all).await;
    for (n, due) in all.iter().enumerate() {
        assert_eq!(fixture.due_at(400 + 60 * i64::try_from(n).unwrap(), 3).await, all[n..all.len().min(n + 3)]);
        fixture.registry.looked_at(due).await.unwrap();
        fixture.registry.looked_at(due).await.unwrap();
    }
    assert_eq!(fixture.due_at(2_000, 3).await, []);
}

async fn what_is_not_struck_off_comes_again(fixture: Fixture) {
    fixture.look_at(&[due(5, "a")]).await;
    for seconds in [5, 65, 600] {
        assert_eq!(fixture.due_at(seconds, 3).await, [due(5, "a")]);
    }
}

pub(super) async fn nobody_comes_before_their_time(fixture: Fixture) {
    let soon = Due { at: at(5) + chrono::TimeDelta::milliseconds(1), ..due(5, "b") };
    fixture.look_at(&[due(5, "a"), soon.clone(), due(6, "c"), due(200, "d")]).await;
    assert_eq!(fixture.due_at(4, 10).await, []);
    assert_eq!(fixture.due_at(5, 10).await, [due(5, "a")]);
    assert_eq!(fixture.due_at(6, 10).await, [due(5, "a"), soon, due(6, "c")]);
}

async fn what_was_due_hours_ago_still_comes(fixture: Fixture) {
    fixture.look_at(&[due(5, "a"), due(4_000, "b")]).await;
    assert_eq!(fixture.due_at(10_000, 10).await, [due(5, "a"), due(4_000, "b")]);
}

async fn what_is_due_when_it_is_written_comes(fixture: Fixture) {
    fixture.look_at(&[due(0, "now"), due(-3_000, "before")]).await;
    assert_eq!(fixture.due_at(0, 10).await, [due(-3_000, "before"), due(0, "now")]);
}

pub(super) async fn what_is_written_behind_the_reader_comes(fixture: Fixture) {
    fixture.look_at(&[due(10, "a")]).await;
    assert_eq!(fixture.due_at(1_000, 10).await, [due(10, "a")]);
    fixture.registry.looked_at(&due(10, "a")).await.unwrap();
    assert_eq!(fixture.due_at(1_001, 10).await, []);
    fixture.look_at(&[due(20, "b"), due(1_001, "c")]).await;
    assert_eq!(fixture.due_at(1_200, 10).await, [due(20, "b"), due(1_001, "c")]);
}

async fn a_connection_may_be_due_more_than_once(fixture: Fixture) {
    fixture.look_at(&[due(5, "a"), due(5, "a"), due(70, "a")]).await;
    assert_eq!(fixture.due_at(100, 10).await, [due(5, "a"), due(70, "a")]);
    fixture.registry.looked_at(&due(5, "a")).await.unwrap();
    assert_eq!(fixture.due_at(100, 10).await, [due(70, "a")]);
}
