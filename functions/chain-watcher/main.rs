//! EventBridge Scheduler: what happens on chains becomes events, and transactions that were sent are settled.

use mcp_core::app::{self, Renewed};
use mcp_core::platform::config::Vars;
use mcp_core::triggers;

#[tokio::main]
async fn main() -> Result<(), app::Failure> {
    triggers::schedule::run(Renewed::start(Vars::from_env(), app::chain_watcher).await?).await
}
