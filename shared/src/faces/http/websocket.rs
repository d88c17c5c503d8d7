//! `/graphql/ws`: the graphql-transport-ws protocol, in the local process. Each operation is admitted and counted as
//! one over HTTP is.

use std::future::pending;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::http::{WebSocket as Protocol, WebSocketProtocols, WsMessage};
use async_graphql::{Data, Executor, Request as Asked, Response as Answer};
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, BoxStream};
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::sync::{Notify, Semaphore};
use tokio::time::timeout;

use super::problem::Problem;
use super::request::{IDEMPOTENCY_KEY, call, verify};
use super::{DEADLINE, Http, address, limits};
use crate::faces::error::ApiError;
use crate::faces::graphql::refusal;
use crate::services::{Call, Error};

/// The largest message of a client, in bytes.
const MAX_MESSAGE: usize = 128 * 1024;
/// How long a client may take to say who it is.
const INIT_TIMEOUT: Duration = Duration::from_secs(10);
/// The most operations that one socket may have open.
const MAX_OPEN: usize = 100;

pub(super) async fn handle(State(http): State<Arc<Http>>, request: Request) -> Response {
    use axum::extract::FromRequestParts;

    let (mut parts, _) = request.into_parts();
    // A key names one request, and a socket carries many.
    parts.headers.remove(IDEMPOTENCY_KEY);
    let call = match call(&http, &parts.headers, &parts.extensions).await {
        Ok(call) => call,
        Err(error) => return Problem(error).into_response(),
    };
    let address = address::of(&parts.extensions);
    match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
        Ok(upgrade) => upgrade
            .protocols(["graphql-transport-ws"])
            .max_message_size(MAX_MESSAGE)
            .on_upgrade(move |socket| serve(http, call, address, socket)),
        Err(rejection) => rejection.into_response(),
    }
}

async fn serve(http: Arc<Http>, call: Call, address: IpAddr, socket: WebSocket) {
    let (mut sink, messages) = socket.split();
    let texts = messages.filter_map(|message| async {
        match message {
            Ok(Message::Text(text)) => Some(text.to_string()),
            Ok(Message::Binary(bytes)) => String::from_utf8(bytes.into()).ok(),
            _ => None,
        }
    });
    let mut data = Data::default();
    data.insert(call.clone());
    let initialised = Arc::new(Notify::new());
    let executor = Socket { http: http.clone(), address, open: Arc::new(Semaphore::new(MAX_OPEN)) };
    let mut answers = Protocol::new(executor, Box::pin(texts), WebSocketProtocols::GraphQLWS)
        .connection_data(data)
        .on_connection_init({
            let initialised = initialised.clone();
            move |payload| {
                initialised.notify_one();
                initialise(http, call, payload)
            }
        });
    let late = async {
        if timeout(INIT_TIMEOUT, initialised.notified()).await.is_ok() {
            pending::<()>().await;
        }
    };
    tokio::pin!(late);
    loop {
        let message = tokio::select! {
            answer = answers.next() => match answer {
                Some(WsMessage::Text(text)) => Message::text(text),
                Some(WsMessage::Close(code, reason)) => close(code, reason),
                None => return,
            },
            () = &mut late => close(4408, "Connection initialisation timeout".to_owned()),
        };
        let last = matches!(message, Message::Close(_));
        if sink.send(message).await.is_err() || last {
            return;
        }
    }
}

fn close(code: u16, reason: String) -> Message {
    Message::Close(Some(CloseFrame { code, reason: reason.into() }))
}

/// The token may come with the first message: `{"authorization": "Bearer ..."}`.
async fn initialise(http: Arc<Http>, mut call: Call, payload: Value) -> async_graphql::Result<Data> {
    let authorization = ["authorization", "Authorization"].into_iter().find_map(|name| payload.get(name)?.as_str());
    if let Some(authorization) = authorization {
        call.principal = Some(verify(&http, authorization.as_bytes()).await.map_err(|error| error.to_string())?);
    }
    let mut data = Data::default();
    data.insert(call);
    Ok(data)
}

/// Runs the operations of one socket.
#[derive(Clone)]
struct Socket {
    http: Arc<Http>,
    address: IpAddr,
    open: Arc<Semaphore>,
}

impl Executor for Socket {
    async fn execute(&self, request: Asked) -> Answer {
        let mut answers = self.execute_stream(request, None);
        answers.next().await.unwrap_or_default()
    }

    fn execute_stream(&self, request: Asked, data: Option<Arc<Data>>) -> BoxStream<'static, Answer> {
        let Self { http, address, open } = self.clone();
        let call = data
            .as_ref()
            .and_then(|data| data.get(&std::any::TypeId::of::<Call>())?.downcast_ref::<Call>().cloned())
            .unwrap_or_default();
        stream::once(async move {
            let Ok(permit) = open.try_acquire_owned() else {
                return one(refusal(&ApiError::bad_input(format!("a socket has at most {MAX_OPEN} open operations"))));
            };
            let user = call.principal.clone();
            let operation = match http.graph.admit(request, call) {
                Ok(operation) => operation,
                Err(errors) => return one(Answer::from_errors(errors)),
            };
            let standing = limits::count(&http, user.as_ref(), address, 1, operation.charges().iter()).await;
            if let Some(error) = standing.refused() {
                return one(refusal(&error));
            }
            if operation.is_subscription() {
                // The permit lives as long as the stream.
                return http.graph.stream(operation).map(move |answer| (answer, &permit).0).boxed();
            }
            match timeout(DEADLINE, http.graph.run(operation, user.is_some())).await {
                Ok(answered) => one(answered.response),
                Err(_) => one(refusal(&ApiError::from(&Error::Timeout))),
            }
        })
        .flatten()
        .boxed()
    }
}

fn one(answer: Answer) -> BoxStream<'static, Answer> {
    stream::once(async { answer }).boxed()
}
