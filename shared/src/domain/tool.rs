//! What an agent can use.

use serde_json::Value;

/// A tool: a thing that an agent can do through this backend.
#[derive(Debug, Clone, PartialEq)]
pub struct Tool {
    /// Its name, as an agent calls it.
    pub name: String,
    /// Its name for a person.
    pub title: String,
    /// What it does.
    pub description: String,
    /// The JSON Schema of its input.
    pub input_schema: Value,
    /// The JSON Schema of what it answers with, where that is known.
    pub output_schema: Option<Value>,
    /// Whether it only reads.
    pub reads: bool,
}
