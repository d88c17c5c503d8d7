//! MSK: events are told to the clients that subscribed to them.

use mcp_core::platform::config::Vars;
use mcp_core::{app, triggers};

#[tokio::main]
async fn main() -> Result<(), app::Failure> {
    triggers::kafka::run(app::subscription_fanout(&Vars::from_env()).await?).await
}
