//! API Gateway WebSocket API: clients connect, ask, subscribe and leave.

use mcp_core::platform::config::Vars;
use mcp_core::{app, triggers};

#[tokio::main]
async fn main() -> Result<(), app::Failure> {
    triggers::websocket::run(app::subscriptions(&Vars::from_env()).await?).await
}
