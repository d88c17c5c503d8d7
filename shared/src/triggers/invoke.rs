//! What operators and the deployment ask of `admin`: `{"command": "migrate"}`, `topics` or `rebuild`.

use std::sync::Arc;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{deadline_of, invocation};
use crate::app::Renewed;
use crate::services::admin::Admin;

#[derive(Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
enum Command {
    Migrate,
    Topics,
    Rebuild,
}

/// Carries out commands until the sandbox ends.
///
/// # Errors
/// If the Lambda runtime cannot be reached.
pub async fn run(admin: Renewed<Admin>) -> Result<(), Error> {
    let admin = Arc::new(admin);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| {
        let admin = admin.clone();
        async move {
            let context = event.context.clone();
            invocation(&context, async { carry_out(&*admin.current().await, event).await }).await
        }
    }))
    .await
}

async fn carry_out(admin: &Admin, event: LambdaEvent<Value>) -> Result<Value, Error> {
    let command = serde_json::from_value(event.payload)
        .map_err(|error| format!("expected {{\"command\": \"migrate\" | \"topics\" | \"rebuild\"}}: {error}"))?;
    match command {
        Command::Migrate => Ok(json!({ "applied": admin.migrate().await? })),
        Command::Topics => Ok(json!({ "created": admin.create_topics().await? })),
        Command::Rebuild => {
            let tell = |progress| tracing::info!(?progress, "rebuilding");
            Ok(serde_json::to_value(admin.rebuild(deadline_of(&event.context), tell).await?)?)
        }
    }
}
