//! API Gateway HTTP API: GraphQL.

use mcp_core::app::{self, Renewed};
use mcp_core::platform::config::Vars;
use mcp_core::triggers;

#[tokio::main]
async fn main() -> Result<(), app::Failure> {
    triggers::http::run(Renewed::start(Vars::from_env(), app::graphql).await?).await
}
