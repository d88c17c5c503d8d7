//! What a client is told, by the protocol `graphql-transport-ws`
//! (<https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md>).

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

/// A message to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerMessage {
    /// `connection_ack`: it may ask.
    Ack,
    /// `pong`, with what came with the ping.
    Pong(Option<Value>),
    /// `next`: an answer to the operation of that id, as JSON.
    Next(Arc<str>, Bytes),
    /// `error`: the operation of that id ends with these errors, an array in JSON.
    Error(Arc<str>, Bytes),
    /// `complete`: the operation of that id ends.
    Complete(Arc<str>),
}

impl ServerMessage {
    /// The message as it is sent.
    pub fn to_text(&self) -> String {
        let with = |id: &str, kind: &str, payload: &Bytes| {
            let id = Value::from(id).to_string();
            let mut text = String::with_capacity(id.len() + payload.len() + 40);
            text.push_str("{\"id\":");
            text.push_str(&id);
            text.push_str(",\"type\":\"");
            text.push_str(kind);
            text.push_str("\",\"payload\":");
            // It was written as JSON by this process.
            text.push_str(std::str::from_utf8(payload).unwrap_or("null"));
            text.push('}');
            text
        };
        match self {
            Self::Ack => r#"{"type":"connection_ack"}"#.to_owned(),
            Self::Pong(None) => r#"{"type":"pong"}"#.to_owned(),
            Self::Pong(Some(payload)) => format!(r#"{{"type":"pong","payload":{payload}}}"#),
            Self::Next(id, payload) => with(id, "next", payload),
            Self::Error(id, errors) => with(id, "error", errors),
            Self::Complete(id) => format!(r#"{{"id":{},"type":"complete"}}"#, Value::from(&**id)),
        }
    }

    /// Whether it has more than [`MAX_MESSAGE`](super::MAX_MESSAGE) bytes.
    pub fn is_too_long(&self) -> bool {
        self.len_bound() > super::MAX_MESSAGE && self.to_text().len() > super::MAX_MESSAGE
    }

    /// How long that is, in bytes, at most.
    pub fn len_bound(&self) -> usize {
        match self {
            Self::Ack | Self::Pong(None) => 32,
            Self::Pong(Some(payload)) => 40 + payload.to_string().len(),
            Self::Complete(id) => 40 + escaped(id),
            Self::Next(id, payload) | Self::Error(id, payload) => 40 + escaped(id) + payload.len(),
        }
    }
}

/// The longest that text can get in JSON.
fn escaped(text: &str) -> usize {
    text.len() * 6 + 2
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn messages_are_those_of_the_protocol() {
        let id: Arc<str> = "a\"b".into();
        let read = |message: &ServerMessage| {
            let text = message.to_text();
            assert!(text.len() <= message.len_bound(), "{text}");
            serde_json::from_str::<Value>(&text).unwrap()
        };
        assert_eq!(read(&ServerMessage::Ack), json!({"type": "connection_ack"}));
        assert_eq!(read(&ServerMessage::Pong(None)), json!({"type": "pong"}));
        assert_eq!(read(&ServerMessage::Pong(Some(json!({"a": 1})))), json!({"type": "pong", "payload": {"a": 1}}));
        let payload = Bytes::from_static(br#"{"data":{"x":1}}"#);
        let next = ServerMessage::Next(id.clone(), payload.clone());
        assert_eq!(read(&next), json!({"id": "a\"b", "type": "next", "payload": {"data": {"x": 1}}}));
        let error = ServerMessage::Error(id.clone(), Bytes::from_static(b"[]"));
        assert_eq!(read(&error), json!({"id": "a\"b", "type": "error", "payload": []}));
        assert_eq!(read(&ServerMessage::Complete(id)), json!({"id": "a\"b", "type": "complete"}));
    }
}
