//! Invoked after a commit, and scheduled: committed events go to Kafka. The only publisher.

use mcp_core::platform::config::Vars;
use mcp_core::{app, triggers};

#[tokio::main]
async fn main() -> Result<(), app::Failure> {
    triggers::relay::run(app::outbox_relay(&Vars::from_env()).await?).await
}
