//! Invoked or scheduled: dead letters go back to their topic, or are parked.

use mcp_core::app::{self, Renewed};
use mcp_core::platform::config::Vars;
use mcp_core::triggers;

#[tokio::main]
async fn main() -> Result<(), app::Failure> {
    triggers::replay::run(Renewed::start(Vars::from_env(), app::dlq_replay).await?).await
}
