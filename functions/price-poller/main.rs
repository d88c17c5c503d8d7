//! EventBridge Scheduler: prices become events.

use mcp_core::platform::config::Vars;
use mcp_core::{app, triggers};

#[tokio::main]
async fn main() -> Result<(), app::Failure> {
    triggers::schedule::run(app::price_poller(&Vars::from_env()).await?).await
}
