//! Invoked after a commit, and scheduled: committed events go to Kafka. The only publisher.

use mcp_core::app::{self, Renewed};
use mcp_core::platform::config::Vars;
use mcp_core::triggers;

#[tokio::main]
async fn main() -> Result<(), app::Failure> {
    triggers::relay::run(Renewed::start(Vars::from_env(), app::outbox_relay).await?).await
}
