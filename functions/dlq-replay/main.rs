//! Invoked or scheduled: dead letters go back to their topic, or are parked.

use mcp_core::platform::config::Vars;
use mcp_core::{app, triggers};

#[tokio::main]
async fn main() -> Result<(), app::Failure> {
    triggers::replay::run(app::dlq_replay(&Vars::from_env()).await?).await
}
