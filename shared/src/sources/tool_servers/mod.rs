//! Other MCP servers, whose tools are offered beside our own.

#[cfg(feature = "mcp")]
mod mcp;

use serde_json::{Map, Value};

use super::SourceError;
use crate::domain::tool::Tool;
use crate::platform::BoxFuture;

#[cfg(feature = "mcp")]
pub use mcp::McpToolServer;

/// A server with tools.
pub trait ToolServer: Send + Sync + 'static {
    /// What its tools' names begin with here.
    fn name(&self) -> &str;

    /// Its tools, by their own names.
    fn tools(&self) -> BoxFuture<'_, Result<Vec<Tool>, SourceError>>;

    /// Calls one: a `CallToolResult` of the protocol, as JSON.
    fn call<'a>(&'a self, tool: &'a str, arguments: Map<String, Value>) -> BoxFuture<'a, Result<Value, SourceError>>;
}
