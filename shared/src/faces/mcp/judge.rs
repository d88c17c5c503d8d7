//! What a message demands, decided before it is answered: who may send it, and what it takes from which quota. The rules are
//! those of the GraphQL field that does the same.

use std::sync::Arc;

use serde_json::Value;

use super::resources::{MEMORY, PRICE};
use crate::faces::error::ApiError;
use crate::faces::graphql::{Graph, Services, denial};
use crate::faces::operations::all;
use crate::limits::Charge;
use crate::platform::auth::Role;

/// What a message that may be answered takes.
#[derive(Debug)]
pub(in crate::faces) struct Demand {
    /// From the quotas of fields.
    pub(in crate::faces) charge: Option<Charge>,
}

/// Judges a message by a caller of `role`. One that is not understood demands nothing: the protocol will refuse it.
///
/// # Errors
/// `UNAUTHENTICATED` or `FORBIDDEN`.
pub(in crate::faces) fn judge(graph: &Graph, message: &Value, role: Option<Role>) -> Result<Demand, ApiError> {
    let named = |member: &str| message["params"][member].as_str().unwrap_or_default();
    let is_remote = |services: Arc<Services>| services.remote_tools.is_remote(named("name"));
    if message["method"] == "tools/call" && graph.services().is_ok_and(is_remote) {
        // Another server's tool may cost us something, whatever it is.
        return denial(Role::User, role).map_or(Ok(Demand { charge: None }), Err);
    }
    let field = match message["method"].as_str() {
        Some("tools/call") => {
            let name = named("name");
            let operation = all().iter().find(|operation| operation.about.is_tool && operation.about.name == name);
            operation.map(|operation| operation.about.field)
        }
        Some("resources/read") if named("uri").starts_with(PRICE) => Some(("Query", "cryptoPrices")),
        Some("resources/read") if named("uri").starts_with(MEMORY) => Some(("Query", "memories")),
        _ => None,
    };
    let charge = field.map(|field| graph.demands(field, role)).transpose()?.and_then(|demands| demands.charge);
    Ok(Demand { charge })
}
