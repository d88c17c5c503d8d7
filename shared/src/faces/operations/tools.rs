//! The catalogue of tools: the operations that agents can call, and the tools of other servers.

use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};
use serde_json::Value;

use super::all;
use crate::domain::tool::Tool;
use crate::faces::graphql::Services;
use crate::services::Error;

/// The tools of this server itself.
fn own_tools() -> &'static [Tool] {
    static TOOLS: LazyLock<Vec<Tool>> = LazyLock::new(|| {
        let tools = all().iter().filter(|operation| operation.about.is_tool);
        tools
            .map(|operation| Tool {
                name: operation.about.name.to_owned(),
                title: operation.about.title.to_owned(),
                description: operation.about.description.to_owned(),
                input_schema: operation.input.clone(),
                output_schema: Some(alone(SchemaSettings::draft2020_12().for_serialize(), operation.output)),
                reads: operation.about.reads(),
            })
            .collect()
    });
    &TOOLS
}

/// Every tool, or the one that is named.
///
/// # Errors
/// [`Error::NotFound`] for one that does not exist.
pub(in crate::faces) async fn find_tools(services: &Services, name: Option<&str>) -> Result<Vec<Tool>, Error> {
    let mut tools = own_tools().to_vec();
    // One that is ours needs no other server.
    if name.is_none_or(|name| services.remote_tools.is_remote(name)) {
        tools.extend(services.remote_tools.all().await);
    }
    if let Some(name) = name {
        tools.retain(|tool| tool.name == name);
        if tools.is_empty() {
            let name: String = name.chars().take(64).collect();
            return Err(Error::NotFound(format!("there is no tool {name:?}")));
        }
    }
    Ok(tools)
}

/// A schema that refers to nothing else.
pub(super) fn alone(settings: SchemaSettings, schema: fn(&mut SchemaGenerator) -> Schema) -> Value {
    let mut generator = settings.with(|settings| settings.inline_subschemas = true).into_generator();
    schema(&mut generator).to_value()
}
