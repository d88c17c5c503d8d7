//! What a client says, by the protocol `graphql-transport-ws`.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::faces::parameters::Parameters;
use crate::services::subscriptions::Since;

/// The longest id of an operation, in bytes.
pub(super) const LONGEST_ID: usize = 128;

/// A message from a client.
#[derive(Debug)]
pub(super) enum ClientMessage {
    /// It introduces itself.
    Init(Option<Value>),
    /// Are you there?
    Ping(Option<Value>),
    /// I am.
    Pong,
    /// It opens an operation.
    Subscribe(Arc<str>, Parameters),
    /// It ends one.
    Complete(Arc<str>),
}

#[derive(Deserialize)]
struct Message {
    #[serde(rename = "type")]
    kind: String,
    id: Option<String>,
    payload: Option<Value>,
}

impl ClientMessage {
    /// Reads a message.
    ///
    /// # Errors
    /// What is wrong with it, without a word of it.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let Message { kind, id, payload } =
            serde_json::from_str(text).map_err(|_| "a message is a JSON object with a type".to_owned())?;
        let object = |payload: Option<Value>| match payload {
            Some(payload) if !payload.is_object() && !payload.is_null() => Err("payload must be an object".to_owned()),
            payload => Ok(payload),
        };
        let id = || match id {
            Some(id) if (1..=LONGEST_ID).contains(&id.len()) => Ok(Arc::from(id)),
            _ => Err(format!("id must be a string of 1 to {LONGEST_ID} bytes")),
        };
        match kind.as_str() {
            "connection_init" => object(payload).map(Self::Init),
            "ping" => object(payload).map(Self::Ping),
            "pong" => object(payload).map(|_| Self::Pong),
            "subscribe" => {
                let parameters = Parameters::read(payload.unwrap_or_default())?;
                if !parameters.name_a_document() {
                    return Err("query is missing".to_owned());
                }
                Ok(Self::Subscribe(id()?, parameters))
            }
            "complete" => Ok(Self::Complete(id()?)),
            _ => Err("a message of an unknown type".to_owned()),
        }
    }
}

/// What a subscriber knows, as the operation's extensions say: `{"since": {"version": 7}}`, or a `time`.
pub(super) fn since(extensions: &Map<String, Value>) -> Result<Option<Since>, String> {
    const EXPECTED: &str = "extensions.since is {version: ...} or {time: ...}";
    let members = match extensions.get("since") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Object(members)) if members.len() == 1 => members,
        Some(_) => return Err(EXPECTED.to_owned()),
    };
    let version = members.get("version").and_then(Value::as_i64).and_then(|version| i32::try_from(version).ok());
    let time = members.get("time").and_then(|time| time.as_str()?.parse().ok());
    match (version.filter(|version| *version >= 0), time) {
        (Some(version), None) => Ok(Some(Since::Version(version))),
        (None, Some(time)) => Ok(Some(Since::Time(time))),
        _ => Err(EXPECTED.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn problem(text: &str) -> String {
        ClientMessage::read(text).unwrap_err()
    }

    #[test]
    fn messages_of_the_protocol_are_read() {
        assert!(matches!(ClientMessage::read(r#"{"type":"connection_init"}"#), Ok(ClientMessage::Init(None))));
        let init = r#"{"type":"connection_init","payload":{"authorization":"Bearer x"},"more":1}"#;
        assert!(matches!(ClientMessage::read(init), Ok(ClientMessage::Init(Some(_)))));
        assert!(matches!(ClientMessage::read(r#"{"type":"ping","payload":null}"#), Ok(ClientMessage::Ping(_))));
        assert!(matches!(ClientMessage::read(r#"{"type":"pong"}"#), Ok(ClientMessage::Pong)));
        let subscribe = r#"{"type":"subscribe","id":"1","payload":{"query":"{ a }","variables":{"b":1}}}"#;
        let Ok(ClientMessage::Subscribe(id, parameters)) = ClientMessage::read(subscribe) else { panic!() };
        assert_eq!((&*id, parameters.query.as_deref()), ("1", Some("{ a }")));
        assert!(matches!(ClientMessage::read(r#"{"type":"complete","id":"1"}"#), Ok(ClientMessage::Complete(_))));
    }

    #[test]
    fn anything_else_is_refused_and_never_repeated() {
        for text in ["", "null", "[]", "1", "{}", r#"{"type":1}"#, r#"{"type":"secret"}"#, "\u{0}", r#"{"type":"ping""#]
        {
            assert!(!problem(text).contains("secret"), "{text}");
        }
        let deep = format!(r#"{{"type":"ping","payload":{}1{}}}"#, "[".repeat(5000), "]".repeat(5000));
        problem(&deep);
        let long = "x".repeat(129);
        for text in [
            r#"{"type":"connection_init","payload":[]}"#.to_owned(),
            r#"{"type":"subscribe","payload":{"query":"{a}"}}"#.to_owned(),
            r#"{"type":"subscribe","id":"","payload":{"query":"{a}"}}"#.to_owned(),
            format!(r#"{{"type":"subscribe","id":"{long}","payload":{{"query":"{{a}}"}}}}"#),
            r#"{"type":"subscribe","id":7,"payload":{"query":"{a}"}}"#.to_owned(),
            r#"{"type":"subscribe","id":"1"}"#.to_owned(),
            r#"{"type":"subscribe","id":"1","payload":{}}"#.to_owned(),
            r#"{"type":"subscribe","id":"1","payload":{"query":1}}"#.to_owned(),
            r#"{"type":"subscribe","id":"1","payload":{"query":"{a}","variables":[]}}"#.to_owned(),
            r#"{"type":"complete"}"#.to_owned(),
        ] {
            problem(&text);
        }
    }

    #[test]
    fn what_a_subscriber_knows_is_a_version_or_a_time() {
        let read = |extensions: Value| since(extensions.as_object().unwrap());
        assert_eq!(read(json!({})), Ok(None));
        assert_eq!(read(json!({ "since": null })), Ok(None));
        assert_eq!(read(json!({ "since": { "version": 7 } })), Ok(Some(Since::Version(7))));
        let time = "2026-11-24T12:00:00Z";
        assert_eq!(read(json!({ "since": { "time": time } })), Ok(Some(Since::Time(time.parse().unwrap()))));
        for wrong in [
            json!(7),
            json!({}),
            json!({ "version": -1 }),
            json!({ "version": 3_000_000_000_u32 }),
            json!({ "version": "7" }),
            json!({ "time": "yesterday" }),
            json!({ "version": 7, "time": time }),
        ] {
            assert!(read(json!({ "since": wrong })).is_err(), "{wrong}");
        }
    }
}
