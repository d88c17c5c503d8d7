//! Invoked by the deployment and by operators: migrations, topics, rebuilds.

use mcp_core::app::{self, Renewed};
use mcp_core::platform::config::Vars;
use mcp_core::triggers;

#[tokio::main]
async fn main() -> Result<(), app::Failure> {
    triggers::invoke::run(Renewed::start(Vars::from_env(), app::admin).await?).await
}
