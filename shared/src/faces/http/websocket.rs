//! `/graphql/ws`: sockets of this process, for the protocol in [`crate::faces::websocket`].

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{FromRequestParts, Request, State};
use axum::response::{IntoResponse, Response};
use futures_util::stream::SplitSink;
use futures_util::{SinkExt, StreamExt};
use http::header::{AUTHORIZATION, HeaderValue};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::problem::Problem;
use super::{Http, Live, address};
use crate::faces::websocket::{SUBPROTOCOL, Sockets};
use crate::platform::ids::new_id;
use crate::push::in_process::{Next, Outbox};
use crate::push::{Close, ConnectionId, MAX_MESSAGE, Poster};

/// What is set aside to read into, for each connection: clients say little. The default would be 128 KiB, and cleared each
/// time that something is read.
const READ_BUFFER: usize = 2 * 1024;
/// How long a client may take nothing of what it is sent, once what the system holds for it is full.
const STALLED: Duration = Duration::from_secs(10);
/// How long a client may take to answer a farewell.
const FAREWELL: Duration = Duration::from_secs(2);
/// How long the socket stands after a farewell where what the client sends cannot be read any more.
const LINGER: Duration = Duration::from_millis(100);

pub(super) async fn handle(State(http): State<Arc<Http>>, request: Request) -> Response {
    let Some(live) = http.live.clone() else { return super::problem::no_such_path(request.uri().clone()).await };
    let (mut parts, _) = request.into_parts();
    if http.graphql_flag.is_off() {
        return super::problem::no_graphql();
    }
    let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
        Ok(upgrade) => upgrade
            .protocols([SUBPROTOCOL])
            .max_message_size(MAX_MESSAGE)
            .max_frame_size(MAX_MESSAGE)
            .read_buffer_size(READ_BUFFER),
        Err(rejection) => return rejection.into_response(),
    };
    if upgrade.selected_protocol().is_none() {
        return upgrade.on_upgrade(async |mut socket| {
            let close = Close { code: 4406, reason: "Subprotocol not acceptable".to_owned() };
            // Whoever does not listen is gone.
            let _ = socket.send(closing(close)).await;
        });
    }
    let id = ConnectionId::new(&new_id().to_string());
    let authorization = parts.headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
    // Before it is listed: from then on it may be sent something.
    let outbox = live.poster.attach(&id);
    if let Err(error) = live.sockets.connect(&id, authorization, address::of(&parts.extensions)).await {
        return Problem(error).into_response();
    }
    let connected = Connected { live, id };
    upgrade.on_upgrade(move |socket| serve(connected, outbox, socket))
}

/// A connection that is listed, until this is dropped.
pub(super) struct Connected {
    pub(super) live: Live,
    pub(super) id: ConnectionId,
}

impl Drop for Connected {
    fn drop(&mut self) {
        let (sockets, id) = (self.live.sockets.clone(), self.id.clone());
        tokio::spawn(async move { sockets.disconnected(&id).await });
    }
}

async fn serve(connected: Connected, outbox: Outbox, socket: WebSocket) {
    let (sink, mut frames) = socket.split();
    let sockets = &connected.live.sockets;
    let mut rest = JoinSet::new();
    // A task of its own: what is to be sent does not wake who reads. What a client never reads waits in its outbox, for a
    // while.
    let mut sending = JoinSet::new();
    sending.spawn(send(outbox, sink));
    let reading = async {
        // A client's farewell is answered by reading on, to the end.
        while let Some(frame) = frames.next().await {
            match frame {
                Ok(frame) => received(sockets, &connected.id, frame, &mut rest).await,
                Err(error) => return Some(unreadable(&error)),
            }
        }
        None
    };
    tokio::select! {
        unreadable = reading => {
            let Some(close) = unreadable else { return };
            // A client that is gone does not hear it.
            let _ = connected.live.poster.close(&connected.id, close).await;
            let _ = timeout(FAREWELL, sending.join_next()).await;
            return sleep(LINGER).await;
        }
        _ = sending.join_next() => {}
    }
    // The client is given time to read why: what it sent meanwhile, unread, would make the system throw that away.
    let _ = timeout(FAREWELL, async { while let Some(Ok(_)) = frames.next().await {} }).await;
}

/// Handles a frame.
async fn received(sockets: &Arc<Sockets>, id: &ConnectionId, frame: Message, rest: &mut JoinSet<()>) {
    match frame {
        Message::Text(text) => {
            if let Some(left) = sockets.received(id, &text).await {
                rest.spawn(left);
            }
            // What has ended is let go.
            while rest.try_join_next().is_some() {}
        }
        Message::Binary(_) => sockets.received_binary(id).await,
        Message::Close(_) | Message::Ping(_) | Message::Pong(_) => {}
    }
}

/// Sends what is to be sent, to the end of the connection.
async fn send(outbox: Outbox, mut sink: SplitSink<WebSocket, Message>) {
    loop {
        let (message, last) = match outbox.next().await {
            Next::Message(message) => (Message::text(message.to_text()), false),
            Next::Close(close) => (closing(close), true),
        };
        // A client that reads nothing for so long is let go, with its socket and what waits for it.
        let sent = timeout(STALLED, sink.send(message)).await;
        if !matches!(sent, Ok(Ok(()))) || last {
            return;
        }
    }
}

/// Why nothing more that a client sends can be read. The codes are those of RFC 6455.
fn unreadable(error: &axum::Error) -> Close {
    // The error's type belongs to a dependency of axum's.
    if error.to_string().contains("too long") {
        Close { code: 1009, reason: format!("a message has at most {MAX_MESSAGE} bytes") }
    } else {
        Close { code: 1002, reason: "what was sent is not of the protocol".to_owned() }
    }
}

fn closing(Close { code, reason }: Close) -> Message {
    Message::Close(Some(CloseFrame { code, reason: reason.into() }))
}
