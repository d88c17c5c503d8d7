//! The messages of JSON-RPC 2.0 (<https://www.jsonrpc.org/specification>), and what nodes mean by their errors.

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
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
    #[serde(borrow, default)]
    result: Option<&'a RawValue>,
    #[serde(default)]
    error: Option<ErrorObject>,
}

/// What came of one call.
pub(super) type Outcome = Result<Box<RawValue>, RpcError>;

/// The outcomes of `calls`, in their order.
///
/// # Errors
/// Where the whole body is unusable, or a part of it says that the node wants to be left alone.
pub(super) fn outcomes(calls: &[(&str, Value)], body: &[u8]) -> Result<Vec<Outcome>, RpcError> {
    let malformed = |error: serde_json::Error| SourceError::Malformed(error.to_string());
    let single = body.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'[');
    let responses: Vec<Response<'_>> = if single {
        let response: Response<'_> = serde_json::from_slice(body).map_err(malformed)?;
        if calls.len() > 1 {
            // The whole batch was refused.
            let error = response.error.map_or_else(not_a_batch, |error| meaning(calls[0].0, error));
            return Err(if let RpcError::Answer(error) = error { refused(&error) } else { error });
        }
        vec![response]
    } else {
        serde_json::from_slice(body).map_err(malformed)?
    };
    let mut outcomes: Vec<Option<Outcome>> = calls.iter().map(|_| None).collect();
    for response in responses {
        let place = response.id.as_u64().and_then(|id| usize::try_from(id).ok()).filter(|id| *id < calls.len());
        // Who cannot read a request does not know its id either.
        let place = place.or((single && response.id.is_null()).then_some(0));
        let Some(place) = place else { continue };
        outcomes[place] = Some(match (response.result, response.error) {
            (_, Some(error)) => Err(meaning(calls[place].0, error)),
            (Some(result), None) => Ok(result.to_owned()),
            // A `null` that serde takes for nothing is a result all the same.
            (None, None) => Ok(null()?),
        });
    }
    let outcomes: Option<Vec<_>> = outcomes.into_iter().collect();
    let outcomes = outcomes.ok_or_else(|| SourceError::Malformed("an answer is missing".to_owned()))?;
    match outcomes
        .iter()
        .find_map(|outcome| outcome.as_ref().err().filter(|error| matches!(error, RpcError::Source(_))))
    {
        Some(failure) => Err(failure.clone()),
        None => Ok(outcomes),
    }
}

fn null() -> Result<Box<RawValue>, RpcError> {
    RawValue::from_string("null".to_owned()).map_err(|error| SourceError::Malformed(error.to_string()).into())
}

fn not_a_batch() -> RpcError {
    SourceError::Malformed("one answer to several questions".to_owned()).into()
}

fn refused(error: &ErrorObject) -> RpcError {
    SourceError::Malformed(format!("the batch was refused: {}", excerpt(&error.message))).into()
}

/// What a node means by an error. Codes alone do not tell: -32005 is a rate limit for one provider, too many results for
/// another, and -32000 is anything.
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
    let text = error.message.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if error.code == 429 || error.code == -32029 || says(&LIMITED) {
        return SourceError::RateLimited { retry_after: None }.into();
    }
    if error.code == -32601 {
        return RpcError::Unsupported(method.to_owned());
    }
    // -32004, -32005, -32014: Solana's nodes that are behind, or have not got the block.
    if says(&BEHIND) || (error.code == -32005 && text.contains("behind")) {
        return SourceError::Unavailable(excerpt(&error.message)).into();
    }
    if matches!(error.code, -32603 | -32700) && !text.contains("revert") {
        return SourceError::Unavailable(format!("internal error: {}", excerpt(&error.message))).into();
    }
    error.message = excerpt(&error.message);
    RpcError::Answer(error)
}

/// The beginning of what somebody else wrote.
fn excerpt(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    line.chars().filter(|character| !character.is_control()).take(300).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn two() -> Vec<(&'static str, Value)> {
        vec![("eth_chainId", json!([])), ("eth_blockNumber", json!([]))]
    }

    #[test]
    fn a_batch_is_sorted_by_its_ids() {
        let body = br#" [{"jsonrpc":"2.0","id":1,"result":"0x10"},{"id":0,"result":null},{"id":7,"result":1}]"#;
        let outcomes = outcomes(&two(), body).unwrap();
        assert_eq!(outcomes[0].as_ref().unwrap().get(), "null");
        assert_eq!(outcomes[1].as_ref().unwrap().get(), "\"0x10\"");
    }

    #[test]
    fn one_call_is_no_batch() {
        let call = vec![("eth_chainId", json!([]))];
        let sent: Value = serde_json::from_slice(&encode(&call).unwrap()).unwrap();
        assert_eq!(sent, json!({"jsonrpc": "2.0", "id": 0, "method": "eth_chainId", "params": []}));
        assert_eq!(outcomes(&call, br#"{"id":0,"result":"0x1"}"#).unwrap()[0].as_ref().unwrap().get(), "\"0x1\"");
        assert!(serde_json::from_slice::<Value>(&encode(&two()).unwrap()).unwrap().is_array());
    }

    #[test]
    fn what_is_no_answer_is_malformed() {
        for body in ["", "nope", "<html>", "[]", "[{}]", r#"[{"id":0,"result":1}]"#, r#"{"id":0,"result":1}"#, "[1]"] {
            let error = outcomes(&two(), body.as_bytes()).unwrap_err();
            assert!(matches!(error, RpcError::Source(SourceError::Malformed(_))), "{body}: {error:?}");
        }
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
        ] {
            assert!(matches!(error(code, message), RpcError::Answer(_)), "{message}");
        }
        for (code, message) in [(-32000, "header not found"), (-32603, "boom"), (-32005, "Node is behind by 42 slots")]
        {
            assert!(matches!(error(code, message), RpcError::Source(SourceError::Unavailable(_))), "{message}");
        }
        assert!(matches!(error(-32601, "?"), RpcError::Unsupported(_)));
    }
}
