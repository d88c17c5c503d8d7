//! The API itself, before closures and before a function of a few lines.

mod clients;
mod ends;
mod management;
mod sandboxes;

use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::*;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

fn route(event: &Value) -> &str {
    event["requestContext"]["routeKey"].as_str().unwrap()
}

/// A function that lets everyone in and does nothing.
fn willing() -> Backend {
    Backend::closure(async |_| Ok(json!({ "statusCode": 200 })))
}

/// One that answers `$connect` with `answer`.
fn answering(answer: Answer) -> Backend {
    Backend::closure(move |_| std::future::ready(answer.clone()))
}

/// One that takes a permit for each event on `$default` before it answers.
fn permitted() -> (Backend, Arc<Semaphore>) {
    let permits = Arc::new(Semaphore::new(0));
    let taken = permits.clone();
    let backend = Backend::closure(move |event| {
        let taken = taken.clone();
        async move {
            if route(&event) == "$default" {
                taken.acquire().await.unwrap().forget();
            }
            Ok(json!({ "statusCode": 200 }))
        }
    });
    (backend, permits)
}

async fn connect(api: &WebsocketApi) -> Socket {
    connect_async(api.url()).await.unwrap().0
}

/// The only client of an API, and its id.
async fn connected(api: &WebsocketApi) -> (Socket, String) {
    let socket = connect(api).await;
    (socket, api.connected(1).await.remove(0))
}

/// The status of a handshake that fails.
async fn refused(api: &WebsocketApi) -> u16 {
    match connect_async(api.url()).await.unwrap_err() {
        Error::Http(response) => response.status().as_u16(),
        other => panic!("{other}"),
    }
}

async fn say(socket: &mut Socket, text: &str) {
    socket.send(Message::text(text)).await.unwrap();
}

async fn next(socket: &mut Socket) -> Message {
    timeout(DEADLINE, socket.next()).await.expect("a message in time").expect("a message").unwrap()
}

/// The code and the reason with which a connection is closed.
async fn closed(socket: &mut Socket) -> (u16, String) {
    loop {
        if let Message::Close(frame) = next(socket).await {
            let CloseFrame { code, reason } = frame.unwrap();
            return (code.into(), reason.to_string());
        }
    }
}

/// A call of the management API: the status, the error's name, and the body.
async fn call(api: &WebsocketApi, method: Method, id: &str, body: impl Into<String>) -> (u16, String, Value) {
    let url = format!("{}/@connections/{}", api.endpoint(), id.replace('=', "%3D"));
    let request = reqwest::Client::new().request(method, url).body(body.into());
    let answer = request.header("authorization", "AWS4-HMAC-SHA256 Credential=test").send().await.unwrap();
    let error = answer.headers().get("x-amzn-errortype").map(|name| name.to_str().unwrap().to_owned());
    let status = answer.status().as_u16();
    (status, error.unwrap_or_default(), serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default())
}

async fn post(api: &WebsocketApi, id: &str, body: impl Into<String>) -> u16 {
    call(api, Method::POST, id, body).await.0
}

/// The events on a route, once there are so many.
async fn events(api: &WebsocketApi, name: &str, count: usize) -> Vec<Value> {
    crate::eventually::eventually(&format!("{count} events on {name}"), || async {
        let events: Vec<_> = api.events().into_iter().filter(|event| route(event) == name).collect();
        if events.len() == count { Ok(events) } else { Err(events) }
    })
    .await
}
