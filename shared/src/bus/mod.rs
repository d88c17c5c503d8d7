//! The way of events out of the store. In process for now: what the local process's subscriptions listen to.

pub mod in_process;
