//! The Model Context Protocol, <https://modelcontextprotocol.io/specification>: the operations as tools, prices and memories as
//! resources, the personas as prompts. `rmcp` speaks it; each message stands for itself, as a function's sandbox needs.
//!
//! Who may call what, and how often, was judged before a message comes here: see [`judge`].

mod judge;
mod resources;

use std::borrow::Cow;
use std::sync::Arc;

use http::request::Parts;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, GetPromptRequestParams, GetPromptResponse,
    GetPromptResult, Implementation, JsonObject, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult,
    ListToolsResult, PaginatedRequestParams, Prompt, PromptArgument, PromptMessage, ReadResourceRequestParams,
    ReadResourceResponse, Role, ServerCapabilities, ServerConfig, Tool, ToolAnnotations,
};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::{Value, json};

use crate::domain::emotion::Emotion;
use crate::domain::tool;
use crate::faces::error::{ApiError, Code};
use crate::faces::graphql::{Graph, Services};
use crate::faces::operations::{all, find_tools};
use crate::services::catalogue::{self, PERSONAS};
use crate::services::{Call, Error};

pub(super) use judge::judge;

/// The largest message, in bytes.
pub(super) const MAX_MESSAGE: usize = 1024 * 1024;

/// What an agent is told about this server.
const INSTRUCTIONS: &str = "Live prices, swap quotes, balances and transactions of crypto markets, and the caller's own emotion and \
     memories. Amounts on chains are integers in base units; prices are decimals in US dollars, as text. A tool that changes something, or \
     is about the caller, needs a token.";

/// Speaks the protocol.
pub(super) type McpService = StreamableHttpService<McpServer, NeverSessionManager>;

/// The service over `graph`'s services.
pub(super) fn service(graph: Graph) -> McpService {
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_max_request_body_bytes(MAX_MESSAGE)
        // Behind API Gateway the host is anything; what a browser may ask is decided by its origin.
        .disable_allowed_hosts();
    StreamableHttpService::new(move || Ok(McpServer { graph: graph.clone() }), Arc::default(), config)
}

/// The server, for one message.
#[derive(Clone)]
pub(super) struct McpServer {
    graph: Graph,
}

impl McpServer {
    fn services(&self) -> Result<Arc<Services>, ErrorData> {
        self.graph.services().map_err(|error| refused(&error))
    }
}

impl ServerHandler for McpServer {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().enable_resources().enable_prompts().build();
        let name = Implementation::new("mcp-server", env!("CARGO_PKG_VERSION")).with_title("Crypto markets for agents");
        ServerConfig::new(capabilities).with_server_info(name).with_instructions(INSTRUCTIONS)
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let services = self.services()?;
        let tools = find_tools(&services, None).await.map_err(|error| refused(&error))?;
        Ok(ListToolsResult::with_all_items(tools.into_iter().map(shown).collect()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let services = self.services()?;
        let found = all().iter().find(|operation| operation.about.is_tool && operation.about.name == request.name);
        let Some(operation) = found else {
            if services.remote_tools.is_remote(&request.name) {
                return called(services.remote_tools.call(&request.name, request.arguments.unwrap_or_default()).await);
            }
            let name: String = request.name.chars().take(64).collect();
            return Err(ErrorData::invalid_params(format!("there is no tool {name:?}"), None));
        };
        let input = request.arguments.unwrap_or_default();
        let result = match operation.run(services, caller(&context), input).await {
            Ok(answer) => CallToolResult::structured(answer.value),
            Err(error) => failed(&ApiError::from(&error)),
        };
        Ok(result.into())
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let listed = resources::list(&*self.services()?, &caller(&context)).await.map_err(|error| refused(&error))?;
        Ok(ListResourcesResult::with_all_items(listed))
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(ListResourceTemplatesResult::with_all_items(resources::templates()))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let read = resources::read(&*self.services()?, &caller(&context), &request.uri).await;
        match read {
            Ok(read) => Ok(read.into()),
            Err(error @ (Error::NotFound(_) | Error::UnknownCoins(_) | Error::Invalid(_))) => {
                let ApiError { message, .. } = ApiError::from(&error);
                Err(ErrorData::resource_not_found(message, Some(json!({ "uri": request.uri }))))
            }
            Err(error) => Err(refused(&error)),
        }
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let prompt = |persona: &catalogue::Persona| {
            let question = PromptArgument::new("question").with_description("What to answer").with_required(false);
            let description = format!("Speak as: {}", persona.title);
            Prompt::new(persona.name, Some(description), Some(vec![question])).with_title(persona.title)
        };
        Ok(ListPromptsResult::with_all_items(PERSONAS.iter().map(prompt).collect()))
    }

    /// A persona, tuned to the caller's emotion.
    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let Some(persona) = PERSONAS.iter().find(|persona| persona.name == request.name) else {
            let name: String = request.name.chars().take(64).collect();
            return Err(ErrorData::invalid_params(format!("there is no prompt {name:?}"), None));
        };
        let emotion = match caller(&context).user_id() {
            Ok(user_id) => self.services()?.emotions.of(user_id).await.map_err(|error| refused(&error))?.emotion,
            Err(_) => Emotion::Neutral,
        };
        let mut messages = vec![PromptMessage::new_text(Role::User, persona.render(emotion.modifiers()))];
        let question =
            request.arguments.as_ref().and_then(|arguments| arguments.get("question")).and_then(Value::as_str);
        if let Some(question) = question {
            messages.push(PromptMessage::new_text(Role::User, question));
        }
        Ok(GetPromptResult::new(messages).with_description(persona.title).into())
    }
}

/// What another server's tool answered.
fn called(answer: Result<Value, Error>) -> Result<CallToolResponse, ErrorData> {
    match answer {
        Ok(answer) => {
            let result: Result<CallToolResult, _> = serde_json::from_value(answer);
            result.map(Into::into).map_err(|error| refused(&Error::Internal(error.to_string())))
        }
        Err(error) => Ok(failed(&ApiError::from(&error)).into()),
    }
}

/// Who calls: put beside the HTTP request when it was judged.
fn caller(context: &RequestContext<RoleServer>) -> Call {
    let call = context.extensions.get::<Parts>().and_then(|parts| parts.extensions.get::<Call>());
    call.cloned().unwrap_or_default()
}

fn shown(tool: tool::Tool) -> Tool {
    let tool::Tool { name, title, description, input_schema, output_schema, reads } = tool;
    let hints = ToolAnnotations::with_title(title.clone()).read_only(reads).destructive(!reads).open_world(true);
    let mut shown = Tool::new(Cow::Owned(name), Cow::Owned(description), object(input_schema))
        .with_title(title)
        .with_annotations(hints);
    if let Some(schema) = output_schema {
        shown = shown.with_raw_output_schema(Arc::new(object(schema)));
    }
    shown
}

fn object(schema: Value) -> JsonObject {
    match schema {
        Value::Object(members) => members,
        _ => JsonObject::new(),
    }
}

/// A tool that could not do its work: what its caller is told, as text, since what is structured must be as the tool says.
fn failed(error: &ApiError) -> CallToolResult {
    CallToolResult::error(vec![ContentBlock::text(told(error).to_string())])
}

fn told(error: &ApiError) -> Value {
    let mut told = json!({ "code": error.code.as_str(), "message": error.message });
    if let Some(members) = told.as_object_mut() {
        members.extend(error.details.clone());
    }
    told
}

/// A message that could not be answered.
fn refused(error: &Error) -> ErrorData {
    let error = ApiError::from(error);
    let data = Some(told(&error));
    match error.code {
        Code::BadUserInput => ErrorData::invalid_params(error.message, data),
        _ => ErrorData::internal_error(error.message, data),
    }
}
