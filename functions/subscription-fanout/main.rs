//! MSK: events are told to the clients that subscribed to them.

use mcp_core::app::{self, Renewed};
use mcp_core::platform::config::Vars;
use mcp_core::triggers;

#[tokio::main]
async fn main() -> Result<(), app::Failure> {
    triggers::kafka::run(Renewed::start(Vars::from_env(), app::subscription_fanout).await?).await
}
