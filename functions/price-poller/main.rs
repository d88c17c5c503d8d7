//! EventBridge Scheduler: prices become events.

use mcp_core::app::{self, Renewed};
use mcp_core::platform::config::Vars;
use mcp_core::triggers;

#[tokio::main]
async fn main() -> Result<(), app::Failure> {
    triggers::schedule::run(Renewed::start(Vars::from_env(), app::price_poller).await?).await
}
