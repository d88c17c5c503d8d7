//! What clients say at sockets, as any bytes.

use super::message::{ClientMessage, LONGEST_ID, since};

/// Ids are short, operations have a document, and what is refused is told without its own words.
pub(crate) fn message(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    match ClientMessage::read(text) {
        Ok(ClientMessage::Subscribe(id, parameters)) => {
            assert!((1..=LONGEST_ID).contains(&id.len()) && parameters.query.is_some());
            let told = since(&parameters.extensions);
            assert!(told.is_ok() || told.is_err_and(|problem| problem.len() < 200));
        }
        Ok(ClientMessage::Complete(id)) => assert!((1..=LONGEST_ID).contains(&id.len())),
        Ok(ClientMessage::Init(payload) | ClientMessage::Ping(payload)) => {
            assert!(payload.is_none_or(|payload| payload.is_object() || payload.is_null()));
        }
        Ok(ClientMessage::Pong) => {}
        Err(problem) => {
            assert!(problem.len() < 200, "{problem}");
            return false;
        }
    }
    true
}
