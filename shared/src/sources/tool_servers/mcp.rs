//! One over streamable HTTP. A connection serves one question and is closed: a sandbox that was frozen meanwhile would find
//! it dead.

use std::time::Duration;

use futures_util::FutureExt;
use rmcp::model::{CallToolRequestParams, ClientCapabilities, ClientConfig, Implementation, Tool as ServerTool};
use rmcp::service::{RoleClient, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ServiceError, ServiceExt};
use serde_json::{Map, Value};

use super::ToolServer;
use crate::domain::tool::Tool;
use crate::platform::BoxFuture;
use crate::platform::config::ToolServerConfig;
use crate::sources::SourceError;

/// The largest answer that is read, in bytes.
const LONGEST: usize = 1024 * 1024;
/// For a connection, and for an answer.
const CONNECT: Duration = Duration::from_secs(2);
const ANSWER: Duration = Duration::from_secs(8);
/// For the farewell: a server that does not answer it forgets by itself.
const FAREWELL: Duration = Duration::from_millis(500);
/// The most tools of one server, and the longest name and description, in characters.
const MOST_TOOLS: usize = 200;
const LONGEST_NAME: usize = 64;
const LONGEST_TEXT: usize = 4096;

/// Another MCP server.
pub struct McpToolServer {
    config: ToolServerConfig,
    client: reqwest::Client,
}

impl McpToolServer {
    /// The server; it is not asked yet.
    ///
    /// # Errors
    /// [`SourceError::Unavailable`] where TLS cannot be set up.
    pub fn new(config: ToolServerConfig) -> Result<Self, SourceError> {
        let client = reqwest::Client::builder()
            .user_agent(concat!("mcp-server/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            // A redirect could carry the token to another host.
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(0)
            .build()
            .map_err(|_| SourceError::Unavailable("no HTTP client".to_owned()))?;
        Ok(Self { config, client })
    }

    async fn connect(&self) -> Result<RunningService<RoleClient, ClientConfig>, SourceError> {
        let mut config = StreamableHttpClientTransportConfig::with_uri(self.config.url.as_str())
            .control_request_timeout(FAREWELL)
            .max_json_response_size(LONGEST)
            .max_sse_event_size(LONGEST);
        if let Some(token) = &self.config.token {
            config = config.auth_header(token.expose());
        }
        let name = Implementation::new("mcp-server", env!("CARGO_PKG_VERSION"));
        let transport = StreamableHttpClientTransport::with_client(self.client.clone(), config);
        // What it says may hold the URL, or what the server says of the token: for nobody to read.
        ClientConfig::new(ClientCapabilities::default(), name)
            .serve(transport)
            .await
            .map_err(|_| SourceError::Unavailable("it cannot be spoken to".to_owned()))
    }

    async fn list(&self) -> Result<Vec<Tool>, SourceError> {
        let connection = self.connect().await?;
        let listed = connection.list_all_tools().await;
        close(connection).await;
        let tools = listed.map_err(|error| failed(&error))?;
        Ok(tools.into_iter().filter(|tool| is_name(&tool.name)).take(MOST_TOOLS).map(told).collect())
    }

    async fn ask(&self, tool: &str, arguments: Map<String, Value>) -> Result<Value, SourceError> {
        let connection = self.connect().await?;
        let answered =
            connection.call_tool(CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments)).await;
        close(connection).await;
        let answer = answered.map_err(|error| failed(&error))?;
        serde_json::to_value(answer).map_err(|error| SourceError::Malformed(error.to_string()))
    }
}

impl ToolServer for McpToolServer {
    fn name(&self) -> &str {
        &self.config.name
    }

    fn tools(&self) -> BoxFuture<'_, Result<Vec<Tool>, SourceError>> {
        self.list().boxed()
    }

    fn call<'a>(&'a self, tool: &'a str, arguments: Map<String, Value>) -> BoxFuture<'a, Result<Value, SourceError>> {
        self.ask(tool, arguments).boxed()
    }
}

async fn close(mut connection: RunningService<RoleClient, ClientConfig>) {
    let _ = connection.close_with_timeout(FAREWELL).await;
}

fn failed(error: &ServiceError) -> SourceError {
    match error {
        // What the server says is its own: its callers are told that it refused, and its words are not passed on unseen.
        ServiceError::McpError(_) => SourceError::Malformed("it refused".to_owned()),
        ServiceError::Timeout { timeout } => SourceError::TimedOut(*timeout),
        _ => SourceError::Unavailable("the exchange failed".to_owned()),
    }
}

fn is_name(name: &str) -> bool {
    (1..=LONGEST_NAME).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

fn told(tool: ServerTool) -> Tool {
    let short = |text: &str| text.chars().take(LONGEST_TEXT).collect::<String>();
    Tool {
        title: short(tool.title.as_deref().unwrap_or(&tool.name)),
        description: short(tool.description.as_deref().unwrap_or_default()),
        input_schema: Value::Object(tool.input_schema.as_ref().clone()),
        output_schema: tool.output_schema.map(|schema| Value::Object(schema.as_ref().clone())),
        reads: tool.annotations.and_then(|annotations| annotations.read_only_hint).unwrap_or(false),
        name: tool.name.into_owned(),
    }
}
