//! Errors as GraphQL shows them: each with its code in `extensions.code`, its path and its locations.

use async_graphql::{ErrorExtensionValues, PathSegment, ServerError, Value};

use super::admission::Refusal;
use crate::faces::error::ApiError;
use crate::services::Error;

/// Gives an error of the executor its code. What a service said is looked up in the one table; everything else is
/// the executor's own opinion of the document or its variables, and so the caller's to mend.
pub(super) fn coded(mut error: ServerError) -> ServerError {
    let api = match error.source::<Error>() {
        Some(source) => ApiError::from(source),
        None => ApiError::bad_input(std::mem::take(&mut error.message)),
    };
    ServerError { locations: error.locations, path: error.path, ..from_api(&api) }
}

/// An error without a place.
pub(super) fn from_api(error: &ApiError) -> ServerError {
    let mut extensions = ErrorExtensionValues::default();
    extensions.set("code", error.code.as_str());
    for (name, value) in &error.details {
        // What was JSON before is JSON again.
        extensions.set(name, Value::from_json(value.clone()).unwrap_or_default());
    }
    let mut shown = ServerError::new(error.message.clone(), None);
    shown.extensions = Some(extensions);
    shown
}

impl From<Refusal> for ServerError {
    fn from(refusal: Refusal) -> Self {
        let mut error = from_api(&refusal.error);
        error.locations = refusal.at.into_iter().collect();
        error.path = refusal.path.into_iter().map(PathSegment::Field).collect();
        error
    }
}
