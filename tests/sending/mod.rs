//! Sending signed transactions: through GraphQL to a real node, with a real Postgres and Kafka behind, until it is known what
//! became of them.

mod crashes;
mod envelopes;
mod refusals;
mod scene;
mod settling;
mod solana;
mod submitting;

use scene::{Answer, Scene};
