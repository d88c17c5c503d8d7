//! The messages of JSON-RPC 2.0 (<https://www.jsonrpc.org/specification>), and what nodes mean by their errors.

use std::fmt;

use bytes::Bytes;
use serde::de::{DeserializeOwned, DeserializeSeed, Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::sources::SourceError;

/// Why a method was not answered.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum RpcError {
    /// The node did what it was asked, and this is what came of it: another one would say the same.
    #[error("{0}")]
    Answer(ErrorObject),
    /// The node does not know the method; another one may.
    #[error("the node does not know {0}")]
    Unsupported(String),
    /// The node gave no usable answer.
    #[error(transparent)]
    Source(#[from] SourceError),
}

/// An error, as a node words it.
#[derive(Debug, Clone, PartialEq, thiserror::Error, Deserialize)]
#[error("{message}")]
pub(crate) struct ErrorObject {
    pub(crate) code: i64,
    #[serde(default)]
    pub(crate) message: String,
    #[serde(default)]
    pub(crate) data: Option<Value>,
}

/// A result, read as what it should be.
///
/// # Errors
/// [`SourceError::Malformed`] where it is something else.
pub(crate) fn decode<T: DeserializeOwned>(result: &RawValue) -> Result<T, RpcError> {
    serde_json::from_str(result.get()).map_err(|error| SourceError::Malformed(error.to_string()).into())
}

#[derive(Serialize)]
struct Request<'a> {
    jsonrpc: &'static str,
    id: usize,
    method: &'a str,
    params: &'a Value,
}

/// The bytes of one call, or of several as a batch. Ids are places.
pub(super) fn encode(calls: &[(&str, Value)]) -> Result<Bytes, SourceError> {
    let request = |(id, (method, params))| Request { jsonrpc: "2.0", id, method, params };
    let mut requests = calls.iter().map(|(method, params)| (*method, params)).enumerate().map(request);
    let bytes = match (calls.len(), requests.next()) {
        (1, Some(request)) => serde_json::to_vec(&request),
        (_, first) => serde_json::to_vec(&first.into_iter().chain(requests).collect::<Vec<_>>()),
    };
    Ok(bytes.map_err(|error| SourceError::Malformed(error.to_string()))?.into())
}

#[derive(Deserialize)]
struct Response<'a> {
    #[serde(default)]
    id: Value,
    /// `null` is a result, too.
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(default)]
    error: Option<ErrorObject>,
}

fn present<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// At most as many as were asked for: what a node sends beyond that is not even read.
struct Responses<'a>(Vec<Response<'a>>);

struct AtMost(usize);

impl<'de> DeserializeSeed<'de> for AtMost {
    type Value = Responses<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for AtMost {
    type Value = Responses<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {} answers", self.0)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut answers: A) -> Result<Self::Value, A::Error> {
        let mut responses = vec![];
        while let Some(response) = answers.next_element()? {
            if responses.len() == self.0 {
                return Err(A::Error::invalid_length(self.0 + 1, &self));
            }
            responses.push(response);
        }
        Ok(Responses(responses))
    }
}

/// What came of one call.
pub(super) type Outcome = Result<Box<RawValue>, RpcError>;

/// What came of a request.
pub(super) enum Outcomes {
    /// Those of its calls, in their order.
    Each(Vec<Outcome>),
    /// The node does not take so many calls at once, or none.
    BatchRefused,
}

/// The outcomes of `calls`.
///
/// # Errors
/// Where the whole body is unusable, or a part of it says that the node wants to be left alone.
pub(super) fn outcomes(calls: &[(&str, Value)], body: &[u8]) -> Result<Outcomes, RpcError> {
    let malformed = |error: serde_json::Error| SourceError::Malformed(error.to_string());
    let missing = || RpcError::from(SourceError::Malformed("an answer is missing".to_owned()));
    let single = body.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'[');
    let responses = if single {
        let response: Response<'_> = serde_json::from_slice(body).map_err(malformed)?;
        if calls.len() > 1 {
            return match response.error.map(|error| meaning(calls[0].0, error)) {
                Some(error @ RpcError::Source(_)) => Err(error),
                Some(_) => Ok(Outcomes::BatchRefused),
                None => Err(missing()),
            };
        }
        vec![response]
    } else {
        let mut reader = serde_json::Deserializer::from_slice(body);
        let responses = AtMost(calls.len()).deserialize(&mut reader).map_err(malformed)?;
        reader.end().map_err(malformed)?;
        responses.0
    };
    let mut outcomes: Vec<Option<Outcome>> = calls.iter().map(|_| None).collect();
    for response in responses {
        let place = response.id.as_u64().and_then(|id| usize::try_from(id).ok()).filter(|id| *id < calls.len());
        // Who cannot read a request does not know its id either.
        let place = place.or((single && response.id.is_null() && response.error.is_some()).then_some(0));
        let Some(place) = place else { continue };
        outcomes[place] = match (response.result, response.error) {
            (_, Some(error)) => Some(Err(meaning(calls[place].0, error))),
            (result, None) => result.map(|result| Ok(result.to_owned())),
        };
    }
    let outcomes = outcomes.into_iter().collect::<Option<Vec<_>>>().ok_or_else(missing)?;
    let trouble =
        |outcome: &Outcome| outcome.as_ref().err().filter(|error| matches!(error, RpcError::Source(_))).cloned();
    match outcomes.iter().find_map(trouble) {
        Some(failure) => Err(failure),
        None => Ok(Outcomes::Each(outcomes)),
    }
}

/// What a node means by an error. Codes alone do not tell: -32005 is a rate limit for one provider, too many results for
/// another, and -32000 is anything. What a contract says is an answer, whatever its words.
fn meaning(method: &str, mut error: ErrorObject) -> RpcError {
    const LIMITED: [&str; 9] = [
        "rate limit",
        "too many requests",
        "request limit",
        "requests per second",
        "throughput",
        "throttl",
        "compute units",
        "credits",
        "quota",
    ];
    const BEHIND: [&str; 7] = [
        "header not found",
        "missing trie node",
        "block not found",
        "unknown block",
        "node is behind",
        "unhealthy",
        "no state available",
    ];
    const BARRED: [&str; 6] =
        ["forbidden", "unauthorized", "unauthenticated", "api key", "project id", "access denied"];
    let text = error.message.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let executed = error.code == 3 || says(&["revert", "evm error"]);
    error.message = excerpt(&error.message);
    if executed {
        return RpcError::Answer(error);
    }
    if error.code == 429 || error.code == -32029 || says(&LIMITED) {
        return SourceError::RateLimited { retry_after: None }.into();
    }
    if matches!(error.code, 401..=403) || says(&BARRED) {
        return SourceError::Malformed(error.message).into();
    }
    if error.code == -32601 {
        return RpcError::Unsupported(method.to_owned());
    }
    // -32004, -32005, -32014: Solana's nodes that are behind, or have not got the block.
    if says(&BEHIND) || (error.code == -32005 && text.contains("behind")) {
        return SourceError::Unavailable(error.message).into();
    }
    if matches!(error.code, -32603 | -32700) {
        return SourceError::Unavailable(format!("internal error: {}", error.message)).into();
    }
    RpcError::Answer(error)
}

/// The beginning of what somebody else wrote, without the addresses in it, which may hold keys.
fn excerpt(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let words = line.split(' ').map(|word| if word.contains("://") { "…" } else { word });
    let text = words.collect::<Vec<_>>().join(" ");
    text.chars().filter(|character| !character.is_control()).take(300).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn two() -> Vec<(&'static str, Value)> {
        vec![("eth_chainId", json!([])), ("eth_blockNumber", json!([]))]
    }

    fn each(calls: &[(&str, Value)], body: &str) -> Result<Vec<Outcome>, RpcError> {
        match outcomes(calls, body.as_bytes())? {
            Outcomes::Each(outcomes) => Ok(outcomes),
            Outcomes::BatchRefused => panic!("refused: {body}"),
        }
    }

    #[test]
    fn a_batch_is_sorted_by_its_ids() {
        let body = r#" [{"jsonrpc":"2.0","id":1,"result":"0x10"},{"id":0,"result":null}]"#;
        let outcomes = each(&two(), body).unwrap();
        assert_eq!(outcomes[0].as_ref().unwrap().get(), "null");
        assert_eq!(outcomes[1].as_ref().unwrap().get(), "\"0x10\"");
    }

    #[test]
    fn one_call_is_no_batch() {
        let call = vec![("eth_chainId", json!([]))];
        let sent: Value = serde_json::from_slice(&encode(&call).unwrap()).unwrap();
        assert_eq!(sent, json!({"jsonrpc": "2.0", "id": 0, "method": "eth_chainId", "params": []}));
        assert_eq!(each(&call, r#"{"id":0,"result":"0x1"}"#).unwrap()[0].as_ref().unwrap().get(), "\"0x1\"");
        assert!(serde_json::from_slice::<Value>(&encode(&two()).unwrap()).unwrap().is_array());
    }

    #[test]
    fn what_is_no_answer_is_malformed() {
        let one = r#"{"id":0,"result":1}"#;
        let three = format!("[{one},{},{one}]", one.replace('0', "1"));
        for body in ["", "nope", "<html>", "[]", "[{}]", &format!("[{one}]"), one, "[1]", "[{},{}]", &three] {
            let error = each(&two(), body).unwrap_err();
            assert!(matches!(error, RpcError::Source(SourceError::Malformed(_))), "{body}: {error:?}");
        }
        for body in ["{}", r#"{"result":1}"#, r#"{"id":0}"#, r#"{"message":"Forbidden"}"#, r#"{"id":1,"result":1}"#] {
            assert!(each(&[("eth_chainId", json!([]))], body).is_err(), "{body}");
        }
    }

    #[test]
    fn a_batch_may_be_refused_as_such() {
        let body = br#"{"id":null,"error":{"code":-32600,"message":"batches of at most 1"}}"#;
        assert!(matches!(outcomes(&two(), body), Ok(Outcomes::BatchRefused)));
    }

    #[test]
    fn what_a_node_writes_shows_no_address() {
        assert_eq!(excerpt("see https://node.example/KEY for\nmore"), "see … for");
    }

    #[test]
    fn errors_are_told_apart() {
        let error = |code, message: &str| meaning("m", ErrorObject { code, message: message.to_owned(), data: None });
        for (code, message) in [
            (-32005, "daily request limit reached"),
            (429, "anything"),
            (-32000, "Your app has exceeded its compute units per second capacity"),
        ] {
            assert!(matches!(error(code, message), RpcError::Source(SourceError::RateLimited { .. })), "{message}");
        }
        for (code, message) in [
            (3, "execution reverted: STF"),
            (-32000, "nonce too low"),
            (-32602, "block range too large"),
            (-32005, "query returned more than 10000 results"),
            (-32603, "execution reverted"),
            (3, "execution reverted: rate limit"),
            (-32603, "EVM error InvalidFEOpcode"),
        ] {
            assert!(matches!(error(code, message), RpcError::Answer(_)), "{message}");
        }
        for (code, message) in [(-32000, "header not found"), (-32603, "boom"), (-32005, "Node is behind by 42 slots")]
        {
            assert!(matches!(error(code, message), RpcError::Source(SourceError::Unavailable(_))), "{message}");
        }
        assert!(matches!(error(-32601, "?"), RpcError::Unsupported(_)));
        for (code, message) in [(403, "no"), (-32000, "invalid API key")] {
            assert!(matches!(error(code, message), RpcError::Source(SourceError::Malformed(_))), "{message}");
        }
    }
}
