//! API Gateway HTTP API: GraphQL.

use mcp_core::platform::config::Vars;
use mcp_core::{app, triggers};

#[tokio::main]
async fn main() -> Result<(), app::Failure> {
    triggers::http::run(app::graphql(&Vars::from_env()).await?).await
}
