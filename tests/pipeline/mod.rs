//! The way of events, from the commit to the read models: the compiled functions on a real Postgres and a real Kafka,
//! and the services behind them on every backend.

mod crashes;
mod dead_letters;
mod deployment;
mod functions;
mod projecting;
mod rebuilding;
mod relaying;
mod replaying;

pub(crate) use deployment::{Deployment, Mapping, emotion_events, event};
