//! GraphQL over HTTP: the real router in this process, on a database in memory and a CoinGecko of the test's own.

mod answers;
mod browsers;
mod chains;
mod emotion;
mod entities;
mod flag;
mod guards;
mod hostile;
mod idempotency;
mod limits;
mod memories;
mod operations;
mod prices;
mod protocol;
pub(crate) mod server;

pub(crate) use server::{SECRET, token};
