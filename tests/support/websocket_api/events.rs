//! What the function is sent: a proxy integration's events
//! (<https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-mapping-template-reference.html>).

use std::net::SocketAddr;

use axum::http::HeaderMap;
use axum::http::header::USER_AGENT;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::STAGE;

const API_ID: &str = "a1b2c3d4e5";
/// What clients of the real one connect to. Nothing is there in a test.
const DOMAIN: &str = "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com";

/// Who is connected.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) id: String,
    pub(super) connected_at: DateTime<Utc>,
    pub(super) identity: Value,
}

/// A name as API Gateway gives them: `L0SM9cOFvHcCIhw=`.
pub(super) fn unique_id() -> String {
    URL_SAFE.encode(&Uuid::now_v7().as_bytes()[5..])
}

impl Client {
    /// Someone who has just come.
    pub(super) fn new(address: SocketAddr, headers: &HeaderMap) -> Self {
        let mut identity = json!({ "sourceIp": address.ip().to_string() });
        if let Some(agent) = headers.get(USER_AGENT) {
            identity["userAgent"] = json!(String::from_utf8_lossy(agent.as_bytes()));
        }
        Self { id: unique_id(), connected_at: Utc::now(), identity }
    }

    /// `$connect`.
    pub(super) fn connects(&self, headers: &HeaderMap, query: &[(String, String)]) -> Value {
        let mut event = self.event("$connect", "CONNECT");
        let forwarded = [
            ("Host", DOMAIN),
            ("X-Amzn-Trace-Id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700"),
            ("X-Forwarded-For", self.identity["sourceIp"].as_str().unwrap_or_default()),
            ("X-Forwarded-Port", "443"),
            ("X-Forwarded-Proto", "https"),
        ];
        let sent = headers.iter().map(|(name, value)| (title_case(name.as_str()), value.as_bytes()));
        let sent = sent.map(|(name, value)| (name, String::from_utf8_lossy(value).into_owned()));
        let forwarded = forwarded.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let headers: Vec<_> = sent.filter(|(name, _)| name != "Host").chain(forwarded).collect();
        (event["headers"], event["multiValueHeaders"]) = both(&headers);
        if !query.is_empty() {
            (event["queryStringParameters"], event["multiValueQueryStringParameters"]) = both(query);
        }
        event
    }

    /// `$default` for a text frame.
    pub(super) fn says(&self, text: &str) -> Value {
        self.message(text, false)
    }

    /// The same for a binary frame.
    pub(super) fn says_bytes(&self, bytes: &[u8]) -> Value {
        self.message(&STANDARD.encode(bytes), true)
    }

    fn message(&self, body: &str, is_base64: bool) -> Value {
        let mut event = self.event("$default", "MESSAGE");
        event["requestContext"]["messageId"] = json!(unique_id());
        event["body"] = json!(body);
        event["isBase64Encoded"] = json!(is_base64);
        event
    }

    /// `$disconnect`.
    pub(super) fn disconnects(&self, code: u16, reason: &str) -> Value {
        let mut event = self.event("$disconnect", "DISCONNECT");
        event["requestContext"]["disconnectStatusCode"] = json!(code);
        event["requestContext"]["disconnectReason"] = json!(reason);
        let headers = [("Host", DOMAIN), ("x-api-key", ""), ("X-Forwarded-For", ""), ("x-restapi", "")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
        (event["headers"], event["multiValueHeaders"]) = both(&headers);
        event
    }

    fn event(&self, route: &str, kind: &str) -> Value {
        let (now, request) = (Utc::now(), unique_id());
        json!({
            "requestContext": {
                "routeKey": route,
                "eventType": kind,
                "extendedRequestId": request,
                "requestTime": now.format("%d/%b/%Y:%H:%M:%S %z").to_string(),
                "messageDirection": "IN",
                "stage": STAGE,
                "connectedAt": self.connected_at.timestamp_millis(),
                "requestTimeEpoch": now.timestamp_millis(),
                "identity": self.identity,
                "requestId": request,
                "domainName": DOMAIN,
                "connectionId": self.id,
                "apiId": API_ID,
            },
            "isBase64Encoded": false,
        })
    }
}

/// The last value of each name, and all of them.
fn both(pairs: &[(String, String)]) -> (Value, Value) {
    let (mut one, mut all) = (Map::new(), Map::new());
    for (name, value) in pairs {
        one.insert(name.clone(), json!(value));
        if let Some(values) = all.entry(name).or_insert_with(|| json!([])).as_array_mut() {
            values.push(json!(value));
        }
    }
    (one.into(), all.into())
}

/// A header's name as clients write it: the HTTP library here has them in small letters.
fn title_case(name: &str) -> String {
    let part = |part: &str| match part {
        "websocket" => "WebSocket".to_owned(),
        _ => part[..1].to_ascii_uppercase() + &part[1..],
    };
    name.split('-').filter(|part| !part.is_empty()).map(part).collect::<Vec<_>>().join("-")
}
