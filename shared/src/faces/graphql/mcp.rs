//! `MCPContext`: what every agent needs to know, and the caller's own parts beside it.

use async_graphql::{Context, Object};
use chrono::{DateTime, Utc};

use super::directives::cacheControl;
use super::{call, services};
use crate::domain::emotion::{Emotion, Modifiers};
use crate::domain::tool;
use crate::faces::views::context::{RECENT, Tool};
use crate::faces::views::{EmotionState, Memory, Price};
use crate::services::Error;
use crate::services::catalogue;
use crate::services::context::McpContext;
use crate::services::memory::MemoryFilter;

pub(super) struct MCPContext {
    pub(super) tools: Vec<tool::Tool>,
    pub(super) context: McpContext,
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
        self.context.version
    }

    /// When the context was put together.
    async fn timestamp(&self) -> DateTime<Utc> {
        self.context.timestamp
    }

    /// What an agent can do.
    async fn tools(&self) -> Vec<Tool> {
        self.tools.iter().cloned().map(Tool::from).collect()
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
        Ok(self.context.personas.iter().map(persona).collect())
    }

    /// Prices of the best-known coins.
    async fn market(&self) -> Vec<Price> {
        self.context.market.iter().cloned().map(Price::from).collect()
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
