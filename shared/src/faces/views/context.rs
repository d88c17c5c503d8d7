//! What every agent needs to know, and the caller's own parts beside it: as REST shows it. GraphQL's `MCPContext` has the same fields,
//! and resolves those that are asked for.

use async_graphql::{Json, SimpleObject};
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::{EmotionState, Memory, Price, time};
use crate::domain::emotion::Modifiers;
use crate::domain::tool;
use crate::services::catalogue;

/// How many of the caller's memories a context shows.
pub(in crate::faces) const RECENT: i32 = 20;

/// A thing that an agent can do through this backend.
#[derive(Serialize, SimpleObject, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::faces) struct Tool {
    /// Its name, as an agent calls it.
    name: String,
    /// Its name for a person.
    title: String,
    /// What it does.
    description: String,
    /// The JSON Schema of its input.
    #[schemars(with = "Value")]
    input_schema: Json<Value>,
}

impl From<tool::Tool> for Tool {
    fn from(tool: tool::Tool) -> Self {
        let tool::Tool { name, title, description, input_schema, .. } = tool;
        Self { name, title, description, input_schema: Json(input_schema) }
    }
}

/// A way for an agent to speak.
#[derive(Serialize, JsonSchema)]
pub(in crate::faces) struct Persona {
    /// Its name.
    name: &'static str,
    /// Its name for a person.
    title: &'static str,
    /// How to speak, for the agent's prompt.
    instructions: &'static str,
    /// The instructions, tuned to the caller's emotion.
    prompt: String,
}

impl Persona {
    pub(in crate::faces) fn new(persona: &catalogue::Persona, modifiers: Modifiers) -> Self {
        Self {
            name: persona.name,
            title: persona.title,
            instructions: persona.instructions,
            prompt: persona.render(modifiers),
        }
    }
}

/// What an agent needs to know. The caller's own parts are null for an anonymous caller.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "MCPContext")]
pub(in crate::faces) struct Context {
    /// The version of this software.
    pub(in crate::faces) version: &'static str,
    /// When the context was put together.
    #[serde(serialize_with = "time")]
    pub(in crate::faces) timestamp: DateTime<Utc>,
    /// What an agent can do.
    pub(in crate::faces) tools: Vec<Tool>,
    /// How an agent can speak.
    pub(in crate::faces) personas: Vec<Persona>,
    /// Prices of the best-known coins.
    pub(in crate::faces) market: Vec<Price>,
    /// The caller's emotion.
    pub(in crate::faces) emotion: Option<EmotionState>,
    /// The caller's newest memories, 20 at most.
    pub(in crate::faces) memories: Option<Vec<Memory>>,
}
