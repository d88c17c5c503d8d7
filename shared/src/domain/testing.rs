//! Tests of an aggregate that read as sentences: given these events, when this command comes, then this follows.

use std::fmt::Debug;

use chrono::DateTime;

use super::aggregate::{Aggregate, DomainEvent};

/// Folds `events` into `state`, all at one time, each through its stored form.
pub(crate) fn replay<A: Aggregate>(state: &mut A, events: &[A::Event]) {
    for event in events {
        let (name, data) = (event.event_type(), event.to_value().unwrap());
        let version = A::Event::schema_version_of(name).unwrap();
        state.apply(&A::Event::decode(name, version, &data).unwrap(), DateTime::UNIX_EPOCH);
    }
}

/// An aggregate with a history.
pub(crate) fn given<A: Aggregate>(history: &[A::Event]) -> Given<A> {
    let mut state = A::default();
    replay(&mut state, history);
    Given(state)
}

pub(crate) struct Given<A>(A);

impl<A: Aggregate> Given<A> {
    pub(crate) fn when(self, command: &A::Command) -> When<A> {
        When(self.0.decide(command))
    }
}

pub(crate) struct When<A: Aggregate>(Result<Vec<A::Event>, A::Error>);

impl<A: Aggregate> When<A>
where
    A::Event: Debug + PartialEq,
    A::Error: Debug + PartialEq,
{
    #[track_caller]
    pub(crate) fn then(self, expected: &[A::Event]) {
        assert_eq!(self.0.as_deref(), Ok(expected));
    }

    #[track_caller]
    pub(crate) fn then_refused(self, expected: &A::Error) {
        assert_eq!(self.0.as_ref().err(), Some(expected));
    }
}
