//! Reaching clients through API Gateway, before a [`WebsocketApi`] and before what answers as it never should.

mod api_gateway;
mod errors;

use aws_sdk_apigatewaymanagement::config::{BehaviorVersion, Builder, Credentials, Region};
use bytes::Bytes;
use mcp_core::push::api_gateway::ApiGatewayPoster;
use mcp_core::push::{Close, ConnectionId, Outgoing, ServerMessage};
use serde_json::json;
use support::eventually::DEADLINE;
use support::websocket_api::{Backend, WebsocketApi};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Calls the API at that endpoint with credentials that are nobody's.
fn poster(endpoint: &str) -> ApiGatewayPoster {
    let config = Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .region(Region::new("us-east-1"));
    ApiGatewayPoster::new(endpoint).configured(config)
}

/// An API that lets everyone in, with one client.
async fn connected() -> (WebsocketApi, ApiGatewayPoster, Socket, ConnectionId) {
    let api = WebsocketApi::start(Backend::closure(async |_| Ok(json!({ "statusCode": 200 })))).await;
    let (socket, _) = connect_async(api.url()).await.unwrap();
    let id = ConnectionId::new(&api.connected(1).await[0]);
    let poster = poster(&api.endpoint());
    (api, poster, socket, id)
}

async fn heard(socket: &mut Socket) -> Message {
    use futures_util::StreamExt;
    timeout(DEADLINE, socket.next()).await.expect("a message in time").expect("a message").unwrap()
}

fn numbered(n: usize) -> Outgoing {
    ServerMessage::Next("1".into(), Bytes::from(n.to_string())).into()
}

fn close() -> Close {
    Close { code: 4400, reason: "no".to_owned() }
}
