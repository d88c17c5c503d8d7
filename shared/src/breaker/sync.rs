//! The primitives of what several threads share here. The model checker (`tests/loom.rs`) puts its own in their place.

pub(super) use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU32, Ordering};
pub(super) use std::sync::{Mutex, MutexGuard};
