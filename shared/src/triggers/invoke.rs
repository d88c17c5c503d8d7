//! What operators and the deployment ask of `admin`: `{"command": "migrate"}`.

use std::sync::Arc;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::store::Maintenance;

#[derive(Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
enum Command {
    Migrate,
}

/// Carries out commands until the sandbox ends.
///
/// # Errors
/// If the Lambda runtime cannot be reached.
pub async fn run(store: Arc<dyn Maintenance>) -> Result<(), Error> {
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| {
        let store = store.clone();
        async move { carry_out(store.as_ref(), event.payload).await }
    }))
    .await
}

async fn carry_out(store: &dyn Maintenance, payload: Value) -> Result<Value, Error> {
    let command =
        serde_json::from_value(payload).map_err(|error| format!("expected {{\"command\": \"migrate\"}}: {error}"))?;
    match command {
        Command::Migrate => {
            let applied = store.migrate().await?;
            tracing::info!(applied = applied.len(), "the schema is up to date");
            Ok(json!({ "applied": applied }))
        }
    }
}
