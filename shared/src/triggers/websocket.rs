//! API Gateway's WebSocket events
//! (<https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api.html>): `$connect`, `$default`
//! and `$disconnect`. And a schedule's: `{"task": "sweep"}`.
//!
//! A connection is refused before it exists, by the status of the answer to `$connect`. Afterwards it can only be deleted,
//! and the client is not told a code.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::Renewed;
use crate::faces::error::{ApiError, Code};
use crate::faces::websocket::{SUBPROTOCOL, Sockets};
use crate::push::ConnectionId;

#[derive(Deserialize)]
#[serde(untagged)]
enum Event {
    #[serde(rename_all = "camelCase")]
    Websocket {
        request_context: RequestContext,
        headers: Option<BTreeMap<String, String>>,
        body: Option<String>,
        #[serde(default)]
        is_base64_encoded: bool,
    },
    Scheduled {
        task: Task,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext {
    route_key: String,
    connection_id: String,
    identity: Option<Identity>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identity {
    source_ip: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Task {
    Sweep,
}

/// Speaks with clients until the sandbox ends.
///
/// # Errors
/// If the Lambda runtime cannot be reached.
pub async fn run(sockets: Renewed<Arc<Sockets>>) -> Result<(), Error> {
    let sockets = Arc::new(sockets);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Event>| {
        let sockets = sockets.clone();
        async move {
            let context = event.context.clone();
            super::invocation(&context, async { handle(&*sockets.current().await, event).await }).await
        }
    }))
    .await
}

async fn handle(sockets: &Arc<Sockets>, event: LambdaEvent<Event>) -> Result<Value, Error> {
    let deadline = super::deadline_of(&event.context);
    let (context, headers, body, is_base64_encoded) = match event.payload {
        Event::Scheduled { task: Task::Sweep } => {
            let swept = sockets.subscriptions.sweep(deadline).await?;
            tracing::info!(looked_at = swept.looked_at, ended = swept.ended, "connections were looked at");
            return Ok(serde_json::to_value(swept)?);
        }
        Event::Websocket { request_context, headers, body, is_base64_encoded } => {
            (request_context, headers.unwrap_or_default(), body.unwrap_or_default(), is_base64_encoded)
        }
    };
    let id = ConnectionId::new(&context.connection_id);
    match context.route_key.as_str() {
        "$connect" => return Ok(connect(sockets, &id, &headers, &context).await),
        "$disconnect" => sockets.disconnected(&id).await,
        _ if is_base64_encoded => sockets.received_binary(&id).await,
        _ => {
            if let Some(rest) = sockets.received(&id, &body).await {
                rest.await;
            }
        }
    }
    Ok(json!({ "statusCode": 200 }))
}

/// Lets a client in, or not.
async fn connect(
    sockets: &Sockets,
    id: &ConnectionId,
    headers: &BTreeMap<String, String>,
    context: &RequestContext,
) -> Value {
    let header =
        |name: &str| headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    let offered =
        header("sec-websocket-protocol").is_some_and(|names| names.split(',').any(|name| name.trim() == SUBPROTOCOL));
    if !offered {
        return refused(&ApiError::new(Code::BadUserInput, format!("ask for the subprotocol {SUBPROTOCOL}")));
    }
    let address = context.identity.as_ref().and_then(|identity| identity.source_ip.as_ref()?.parse().ok());
    let address = address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    match sockets.connect(id, header("authorization").map(String::as_bytes), address).await {
        Ok(()) => json!({ "statusCode": 200, "headers": { "Sec-WebSocket-Protocol": SUBPROTOCOL } }),
        Err(error) => refused(&error),
    }
}

fn refused(error: &ApiError) -> Value {
    json!({ "statusCode": error.code.status().as_u16(), "body": error.message })
}
