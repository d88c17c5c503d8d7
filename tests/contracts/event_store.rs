//! What every event store promises.

mod append;
mod concurrency;
mod idempotency;
mod model;
mod out_of_order;
mod reading;
mod snapshots;

pub(crate) use append::{a_stale_writer_gets_a_conflict, an_append_is_atomic_over_its_streams};
pub(crate) use idempotency::the_same_key_gives_the_first_result_even_where_the_version_is_stale;
pub(crate) use out_of_order::a_reader_misses_nothing_that_commits_late;
pub(crate) use reading::a_reader_sees_every_event_exactly_once;
