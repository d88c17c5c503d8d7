//! MSK: events become read models.

use mcp_core::app::{self, Renewed};
use mcp_core::platform::config::Vars;
use mcp_core::triggers;

#[tokio::main]
async fn main() -> Result<(), app::Failure> {
    triggers::kafka::run(Renewed::start(Vars::from_env(), app::event_projector).await?).await
}
