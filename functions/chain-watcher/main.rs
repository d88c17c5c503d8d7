//! EventBridge Scheduler: what happens on chains becomes events, and transactions that were sent are settled.

use mcp_core::platform::config::Vars;
use mcp_core::{app, triggers};

#[tokio::main]
async fn main() -> Result<(), app::Failure> {
    triggers::schedule::run(app::chain_watcher(&Vars::from_env()).await?).await
}
