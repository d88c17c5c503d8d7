//! The rules, and nothing else: what each aggregate decides and how its state follows from its events. Pure: no I/O,
//! no async, no clock; the time a thing happened is handed in. Anything above may call it; it calls nothing.

pub mod aggregate;
pub mod chain;
pub mod coin;
pub mod emotion;
pub mod envelope;
pub mod event;
pub mod memory;
pub mod money;
pub mod price;
pub mod projection;
pub mod swap;
#[cfg(test)]
mod testing;
pub mod tool;
pub mod transaction;
pub mod watch;

pub use aggregate::{Aggregate, DecodeError, DomainEvent};
pub use event::{Metadata, NewEvent, RecordedEvent, StreamId};
