//! One client at a socket: what it says and what it hears.

use futures_util::{SinkExt, StreamExt};
use mcp_core::push::ConnectionId;
use serde_json::{Value, json};
use support::eventually::{DEADLINE, eventually};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::Error;
use tokio_tungstenite::tungstenite::handshake::client::Response;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::Live;
use crate::graphql::token;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

pub(crate) const PROTOCOL: (&str, &str) = ("sec-websocket-protocol", "graphql-transport-ws");

/// A client that is connected.
pub(crate) struct Client {
    pub(crate) id: ConnectionId,
    socket: Socket,
}

/// A handshake with these headers.
pub(crate) async fn handshake(live: &Live, headers: &[(&'static str, &str)]) -> Result<(Socket, Response), Error> {
    let mut request = live.front.url().into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    connect_async(request).await
}

impl Client {
    /// One that has said nothing yet. They connect one after the other.
    pub(crate) async fn silent(live: &Live) -> Self {
        Self::with(live, &[PROTOCOL]).await
    }

    /// The same with these headers.
    pub(crate) async fn with(live: &Live, headers: &[(&'static str, &str)]) -> Self {
        let known = live.front.connections();
        let (socket, _) = handshake(live, headers).await.unwrap_or_else(|error| panic!("{error}: {}", live.output()));
        let id = eventually("the client is connected", || async {
            live.front.connections().into_iter().find(|id| !known.contains(id))
        });
        Self { id: ConnectionId::new(&id.await), socket }
    }

    /// A user that was let in.
    pub(crate) async fn user(live: &Live) -> Self {
        Self::bearing(live, &token("ada", "USER")).await
    }

    /// An administrator that was let in.
    pub(crate) async fn admin(live: &Live) -> Self {
        Self::bearing(live, &token("root", "ADMIN")).await
    }

    /// Somebody with this token that was let in.
    pub(crate) async fn bearing(live: &Live, token: &str) -> Self {
        let mut client = Self::silent(live).await;
        client.introduces(json!({ "authorization": format!("Bearer {token}") })).await;
        client
    }

    /// Introduces itself, and is let in.
    pub(crate) async fn introduces(&mut self, payload: Value) {
        self.says(json!({ "type": "connection_init", "payload": payload })).await;
        assert_eq!(self.hears().await, json!({ "type": "connection_ack" }));
    }

    pub(crate) async fn says(&mut self, message: Value) {
        self.sends(Message::text(message.to_string())).await;
    }

    pub(crate) async fn sends(&mut self, message: Message) {
        self.socket.send(message).await.unwrap();
    }

    /// Asks for an operation.
    pub(crate) async fn asks(&mut self, id: &str, query: &str) {
        self.says(json!({ "id": id, "type": "subscribe", "payload": { "query": query } })).await;
    }

    /// Subscribes, and waits until it listens.
    pub(crate) async fn listens(&mut self, live: &Live, id: &str, query: &str) {
        self.asks(id, query).await;
        self.has_open(live, id).await;
    }

    /// Until the registry knows the operation.
    pub(crate) async fn has_open(&self, live: &Live, id: &str) {
        eventually("the operation is open", || async {
            let open = live.registry.open(&self.id).await.unwrap();
            if open.iter().any(|other| **other == *id) { Ok(()) } else { Err((open, live.output())) }
        })
        .await;
    }

    /// Until the registry knows nothing that it has open.
    pub(crate) async fn has_nothing_open(&self, live: &Live) {
        eventually("nothing is open", || async {
            let open = live.registry.open(&self.id).await.unwrap();
            if open.is_empty() { Ok(()) } else { Err(open) }
        })
        .await;
    }

    /// The next message. The end is `{"closed": CODE}`.
    pub(crate) async fn hears(&mut self) -> Value {
        let message = timeout(DEADLINE, self.socket.next()).await.expect("a message in time");
        match message {
            Some(Ok(Message::Text(text))) => serde_json::from_str(&text).expect("JSON"),
            Some(Ok(Message::Close(frame))) => json!({ "closed": frame.map(|frame| u16::from(frame.code)) }),
            Some(Ok(other)) => panic!("{other:?}"),
            Some(Err(_)) | None => json!({ "closed": null }),
        }
    }

    /// The data of the next message, which is an answer to that operation.
    #[track_caller]
    pub(crate) fn hears_next(&mut self, id: &str) -> impl Future<Output = Value> {
        let (id, place) = (id.to_owned(), std::panic::Location::caller());
        async move {
            let mut message = self.hears().await;
            assert_eq!((&message["type"], &message["id"]), (&json!("next"), &json!(id)), "{place}: {message}");
            assert!(message["payload"].get("errors").is_none(), "{place}: {message}");
            message["payload"]["data"].take()
        }
    }

    /// The code of the next message, which is the error that ends that operation.
    pub(crate) async fn hears_error(&mut self, id: &str) -> String {
        let message = self.hears().await;
        assert_eq!((&message["type"], &message["id"]), (&json!("error"), &json!(id)), "{message}");
        message["payload"][0]["extensions"]["code"].as_str().unwrap_or_else(|| panic!("{message}")).to_owned()
    }

    /// It is there, and nothing was sent to it that it has not heard: what is sent comes in order.
    pub(crate) async fn hears_nothing(&mut self) {
        self.says(json!({ "type": "ping", "payload": { "still": "there" } })).await;
        assert_eq!(self.hears().await, json!({ "type": "pong", "payload": { "still": "there" } }));
    }

    /// It is disconnected by the other side, and forgotten.
    pub(crate) async fn is_cut_off(&mut self, live: &Live) {
        let heard = self.hears().await;
        assert!(heard.get("closed").is_some(), "{heard}");
        self.is_forgotten(live).await;
    }

    /// Until the registry does not know it.
    pub(crate) async fn is_forgotten(&self, live: &Live) {
        eventually("the registry has forgotten it", || async {
            let known = live.registry.connection(&self.id).await.unwrap();
            if known.is_none() { Ok(()) } else { Err(known) }
        })
        .await;
        self.has_nothing_open(live).await;
    }
}
