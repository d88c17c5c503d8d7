//! Invoked by the deployment and by operators: migrations, topics, rebuilds.

use mcp_core::platform::config::Vars;
use mcp_core::{app, triggers};

#[tokio::main]
async fn main() -> Result<(), app::Failure> {
    triggers::invoke::run(app::admin(&Vars::from_env()).await?).await
}
