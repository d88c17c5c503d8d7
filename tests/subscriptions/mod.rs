//! Subscriptions as they are deployed: the compiled functions `subscriptions` and `subscription-fanout` on a real Postgres
//! and DynamoDB, behind an API Gateway WebSocket API, with clients at real sockets. Kafka is left out: a test hands the
//! fan-out its batches, in any order and as often as it likes.

mod client;
mod delivering;
mod failing;
mod live;
mod missing;
mod node;
mod protocol;
mod reaching;
mod refusing;
mod sweeping;

use client::Client;
use live::Live;

const PRICES: &str = r#"subscription { priceUpdates(coins: ["bitcoin"]) { coin usd version } }"#;
const EMOTIONS: &str = r#"subscription { emotionChanges(userId: "ada") { points version } }"#;
