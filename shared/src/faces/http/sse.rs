//! Subscriptions as server-sent events, for clients without websockets: the "distinct connections mode" of
//! <https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md>. An operation that is refused is told so in an
//! event, as everything else is. In the local process alone: API Gateway's HTTP APIs hold no answer open.

use std::convert::Infallible;
use std::sync::Arc;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::{self, Stream};
use http::request::Parts;
use tokio::task::JoinSet;

use super::problem::Problem;
use super::request::call;
use super::websocket::Connected;
use super::{Http, Live, address};
use crate::faces::error::ApiError;
use crate::faces::parameters::Parameters;
use crate::platform::ids::new_id;
use crate::push::in_process::{Next, Outbox};
use crate::push::{Close, ConnectionId, ServerMessage};
use crate::services::Error;

/// Answers with a stream of events.
pub(super) async fn answer(http: &Arc<Http>, live: &Live, parts: &Parts, parameters: Parameters) -> Response {
    let call = match call(http, &parts.headers, &parts.extensions).await {
        Ok(call) => call,
        Err(error) => return Problem(error).into_response(),
    };
    let id = ConnectionId::new(&new_id().to_string());
    let outbox = live.poster.attach(&id);
    let connected = Connected { live: live.clone(), id };
    let sockets = &live.sockets;
    let mut rest = JoinSet::new();
    match sockets.serve_one(&connected.id, call.principal, address::of(&parts.extensions), parameters).await {
        Ok(Some(left)) => drop(rest.spawn(left)),
        Ok(None) => {}
        Err(Close { code: 4400, reason }) => return Problem(ApiError::bad_input(reason)).into_response(),
        Err(Close { reason, .. }) => {
            tracing::warn!(reason, "a stream of events cannot be opened");
            let error = Error::Unavailable { service: "subscriptions".to_owned(), retry_after: None };
            return Problem(ApiError::from(&error)).into_response();
        }
    }
    let stream = Told { outbox, connected, rest, state: State::Open };
    Sse::new(events(stream)).keep_alive(KeepAlive::default()).into_response()
}

/// A client that is told things, for as long as its answer is open.
struct Told {
    outbox: Outbox,
    #[expect(dead_code, reason = "it is held")]
    connected: Connected,
    #[expect(dead_code, reason = "it is held")]
    rest: JoinSet<()>,
    state: State,
}

enum State {
    Open,
    /// All is said but that it is complete.
    Last,
    Complete,
}

fn events(told: Told) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(told, |mut told| async move {
        loop {
            let event = match told.state {
                State::Complete => return None,
                State::Last => {
                    told.state = State::Complete;
                    Event::default().event("complete").data("")
                }
                State::Open => match told.outbox.next().await {
                    Next::Message(ServerMessage::Next(_, answer)) => next(&answer),
                    Next::Message(ServerMessage::Error(_, errors)) => {
                        told.state = State::Last;
                        next(&[br#"{"errors":"#, &errors[..], b"}"].concat().into())
                    }
                    Next::Message(ServerMessage::Complete(_)) => {
                        told.state = State::Last;
                        continue;
                    }
                    // Without a word of completion: the client knows that it may have missed something, and tries again.
                    Next::Close(_) => return None,
                    Next::Message(ServerMessage::Ack | ServerMessage::Pong(_)) => continue,
                },
            };
            return Some((Ok(event), told));
        }
    })
}

fn next(answer: &Bytes) -> Event {
    Event::default().event("next").data(String::from_utf8_lossy(answer))
}
