//! The watcher of chains: the compiled `chain-watcher` on a real node and a real Postgres. Whatever becomes of it and of the
//! chain, what is observed and was not retracted is what the chain holds.

mod crashes;
mod function;
mod listening;
mod reorganisations;
mod scene;
mod solana;

use scene::Scene;
pub(crate) use scene::crash_at;
