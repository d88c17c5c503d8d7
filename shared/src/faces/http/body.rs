//! GraphQL requests as they come over HTTP: a JSON object, an array of them, or the parameters of a URL.

use axum::body::{Body, to_bytes};
use http::StatusCode;
use serde_json::{Map, Value};

use super::query::pairs;
use crate::faces::error::ApiError;
use crate::faces::parameters::Parameters;

/// The most operations of a batch.
pub(super) const MAX_BATCH: usize = 10;

/// A request before its operations are looked at.
#[derive(Debug)]
pub(super) struct Parsed {
    /// At least one.
    pub(super) operations: Vec<Parameters>,
    /// Whether they came as an array, and the answer is one too.
    pub(super) batch: bool,
}

/// Why a request cannot be read, and its HTTP status.
#[derive(Debug)]
pub(super) struct Unreadable(pub(super) StatusCode, pub(super) ApiError);

impl Unreadable {
    fn new(message: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, ApiError::bad_input(message))
    }
}

/// Reads the body of a POST.
pub(super) async fn read(body: Body) -> Result<Parsed, Unreadable> {
    let bytes = to_bytes(body, super::MAX_BODY).await.map_err(|_| {
        let message = format!("the body has more than {} bytes, or did not arrive whole", super::MAX_BODY);
        Unreadable(StatusCode::PAYLOAD_TOO_LARGE, ApiError::bad_input(message))
    })?;
    parse(&bytes)
}

/// Understands the body of a POST.
pub(super) fn parse(bytes: &[u8]) -> Result<Parsed, Unreadable> {
    let value: Value =
        serde_json::from_slice(bytes).map_err(|error| Unreadable::new(format!("the body is not JSON: {error}")))?;
    match value {
        Value::Array(items) if items.is_empty() || items.len() > MAX_BATCH => {
            Err(Unreadable::new(format!("a batch has 1 to {MAX_BATCH} operations")))
        }
        Value::Array(items) => Ok(Parsed {
            operations: items
                .into_iter()
                .map(|item| Parameters::read(item).map_err(Unreadable::new))
                .collect::<Result<_, _>>()?,
            batch: true,
        }),
        single => Ok(Parsed { operations: vec![Parameters::read(single).map_err(Unreadable::new)?], batch: false }),
    }
}

/// Reads the parameters of a GET.
pub(super) fn from_url(query: Option<&str>) -> Result<Parsed, Unreadable> {
    let mut members = Map::new();
    for (name, value) in pairs(query.unwrap_or_default()) {
        let value = match name.as_str() {
            "variables" | "extensions" if !value.is_empty() => {
                serde_json::from_str(&value).map_err(|error| Unreadable::new(format!("{name} is not JSON: {error}")))?
            }
            _ => Value::String(value),
        };
        members.insert(name, value);
    }
    Ok(Parsed { operations: vec![Parameters::read(Value::Object(members)).map_err(Unreadable::new)?], batch: false })
}
