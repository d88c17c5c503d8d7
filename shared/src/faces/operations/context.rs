//! What every agent needs to know.

use std::sync::Arc;

use super::input::ToolName;
use super::{About, Answer, Operation, find_tools, query};
use crate::domain::emotion::Emotion;
use crate::faces::graphql::Services;
use crate::faces::views::context::{Context, Persona, RECENT};
use crate::services::memory::MemoryFilter;
use crate::services::{Call, Error};

pub(super) fn operations() -> Vec<Operation> {
    vec![Operation::new(
        About {
            is_tool: false,
            ..query(
                "mcp",
                "context",
                "/v1/context",
                "Context",
                "What an agent needs to know: tools, personas, the market, and the caller's own emotion and memories.",
            )
        },
        context,
    )]
}

async fn context(services: Arc<Services>, call: Call, input: ToolName) -> Result<Answer<Context>, Error> {
    let tools = find_tools(&services, input.tool.as_deref()).await?;
    let context = services.context.get().await;
    let (emotion, memories) = match call.user_id() {
        Ok(user_id) => {
            let filter = MemoryFilter { first: RECENT, ..MemoryFilter::default() };
            let memories = services.memories.list(user_id, &filter).await?.items;
            (Some(services.emotions.of(user_id).await?), Some(memories))
        }
        Err(_) => (None, None),
    };
    let modifiers = emotion.as_ref().map_or(Emotion::Neutral, |state| state.emotion).modifiers();
    let value = Context {
        version: context.version,
        timestamp: context.timestamp,
        tools: tools.into_iter().map(Into::into).collect(),
        personas: context.personas.iter().map(|persona| Persona::new(persona, modifiers)).collect(),
        market: context.market.into_iter().map(Into::into).collect(),
        emotion: emotion.map(Into::into),
        memories: memories.map(|memories| memories.into_iter().map(|item| item.node.into()).collect()),
    };
    Ok(Answer { value, complete: context.complete })
}
