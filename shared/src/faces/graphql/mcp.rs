//! `MCPContext`: what every agent needs to know, and the caller's own parts beside it.

use async_graphql::{Context, Json, Object, SimpleObject};
use chrono::{DateTime, Utc};
use serde_json::Value;

use super::directives::cacheControl;
use super::types::{EmotionState, Memory, Price};
use super::{call, services};
use crate::domain::emotion::{Emotion, Modifiers};
use crate::services::Error;
use crate::services::catalogue;
use crate::services::context::McpContext;
use crate::services::memory::MemoryFilter;

/// How many of the caller's memories a context shows.
const RECENT: i32 = 20;

pub(super) struct MCPContext(pub(super) McpContext);

/// A thing that an agent can do through this backend.
#[derive(SimpleObject)]
struct Tool {
    /// Its name, as an agent calls it.
    name: &'static str,
    /// Its name for a person.
    title: &'static str,
    /// What it does.
    description: &'static str,
    /// The JSON Schema of its input.
    input_schema: Json<Value>,
}

impl From<catalogue::Tool> for Tool {
    fn from(tool: catalogue::Tool) -> Self {
        let catalogue::Tool { name, title, description, input_schema } = tool;
        Self { name, title, description, input_schema: Json(input_schema) }
    }
}

/// A way for an agent to speak, and the modifiers of who asks.
struct Persona {
    persona: &'static catalogue::Persona,
    modifiers: Modifiers,
}

/// A way for an agent to speak.
#[Object]
impl Persona {
    /// Its name.
    async fn name(&self) -> &str {
        self.persona.name
    }

    /// Its name for a person.
    async fn title(&self) -> &str {
        self.persona.title
    }

    /// How to speak, for the agent's prompt.
    async fn instructions(&self) -> &str {
        self.persona.instructions
    }

    /// The instructions, tuned to the caller's emotion.
    #[graphql(directive = cacheControl::apply(0))]
    async fn prompt(&self) -> String {
        self.persona.render(self.modifiers)
    }
}

/// What an agent needs to know. The caller's own parts are null for an anonymous caller, and keep an answer out of
/// every cache.
#[Object(name = "MCPContext")]
impl MCPContext {
    /// The version of this software.
    async fn version(&self) -> &str {
        self.0.version
    }

    /// When the context was put together.
    async fn timestamp(&self) -> DateTime<Utc> {
        self.0.timestamp
    }

    /// What an agent can do.
    async fn tools(&self) -> Vec<Tool> {
        self.0.tools.iter().cloned().map(Tool::from).collect()
    }

    /// How an agent can speak.
    async fn personas(&self, ctx: &Context<'_>) -> Result<Vec<Persona>, Error> {
        // The caller's emotion is only read where a prompt is asked for.
        let emotion = match call(ctx)?.user_id() {
            Ok(user_id) if ctx.look_ahead().field("prompt").exists() => {
                services(ctx)?.emotions.of(user_id).await?.emotion
            }
            _ => Emotion::Neutral,
        };
        let persona = |persona| Persona { persona, modifiers: emotion.modifiers() };
        Ok(self.0.personas.iter().map(persona).collect())
    }

    /// Prices of the best-known coins.
    async fn market(&self) -> Vec<Price> {
        self.0.market.iter().cloned().map(Price::from).collect()
    }

    /// The caller's emotion.
    #[graphql(directive = cacheControl::apply(0))]
    async fn emotion(&self, ctx: &Context<'_>) -> Result<Option<EmotionState>, Error> {
        let Ok(user_id) = call(ctx)?.user_id() else { return Ok(None) };
        Ok(Some(services(ctx)?.emotions.of(user_id).await?.into()))
    }

    /// The caller's newest memories, 20 at most.
    #[graphql(directive = cacheControl::apply(0))]
    async fn memories(&self, ctx: &Context<'_>) -> Result<Option<Vec<Memory>>, Error> {
        let Ok(user_id) = call(ctx)?.user_id() else { return Ok(None) };
        let filter = MemoryFilter { first: RECENT, ..MemoryFilter::default() };
        let page = services(ctx)?.memories.list(user_id, &filter).await?;
        Ok(Some(page.items.into_iter().map(|item| item.node.into()).collect()))
    }
}
