//! API Gateway WebSocket API: clients connect, ask, subscribe and leave.

use mcp_core::app::{self, Renewed};
use mcp_core::platform::config::Vars;
use mcp_core::triggers;

#[tokio::main]
async fn main() -> Result<(), app::Failure> {
    triggers::websocket::run(Renewed::start(Vars::from_env(), app::subscriptions).await?).await
}
