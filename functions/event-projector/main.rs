//! MSK: events become read models.

use mcp_core::platform::config::Vars;
use mcp_core::{app, triggers};

#[tokio::main]
async fn main() -> Result<(), app::Failure> {
    triggers::kafka::run(app::event_projector(&Vars::from_env()).await?).await
}
