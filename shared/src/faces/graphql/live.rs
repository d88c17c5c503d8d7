//! Subscriptions, opened and rendered.

use std::sync::Arc;

use async_graphql::{Request, Response, ServerError, Variables};
use bytes::Bytes;
use futures_util::StreamExt;

use super::occasion::Occasion;
use super::usage::Outcome;
use super::{Graph, Operation, errors, refusal, with_codes};
use crate::domain::{RecordedEvent, StreamId};
use crate::faces::error::ApiError;
use crate::platform::BoxFuture;
use crate::platform::auth::Role;
use crate::push;
use crate::services::fan_out::{Rendered, Renderer};
use crate::services::{Call, Error};

impl Graph {
    /// The operation of a subscription, to be rendered for each event of the streams that it listens to.
    ///
    /// # Errors
    /// What its field refuses.
    pub async fn open(&self, operation: Operation) -> Result<(push::Operation, Vec<StreamId>), Vec<ServerError>> {
        let occasion = Occasion::opening();
        let kept = kept(&operation.request);
        let (request, admission, _) = operation.into_request();
        let request = request.data(occasion.clone());
        let answer = self.schema.execute_stream(request).map(with_codes).next().await;
        let opened = match (answer, occasion.topics()) {
            (Some(Response { errors, .. }), _) if !errors.is_empty() => Err(errors),
            (None, Some(topics)) => kept.map(|kept| (kept, topics)).map_err(|error| vec![errors::from_api(&error)]),
            // Its field was left out by a directive.
            _ => Err(vec![errors::from_api(&ApiError::bad_input("the subscription selects nothing"))]),
        };
        let outcome = if opened.is_ok() { Outcome::Ok } else { Outcome::Errors };
        self.usage.count(Some(admission.operation), outcome, &admission.fields);
        opened
    }

    async fn rendered(&self, operation: &push::Operation, role: Option<Role>, event: &Arc<RecordedEvent>) -> Rendered {
        let mut request = Request::new(&operation.query)
            .variables(Variables::from_json(serde_json::Value::Object(operation.variables.clone())));
        request.operation_name.clone_from(&operation.operation_name);
        let call = Call {
            correlation_id: event.metadata.correlation_id.clone(),
            traceparent: event.metadata.traceparent.clone(),
            ..Call::default()
        };
        // Judged again, by the rules of today.
        let operation = match self.prepare(request, role, call) {
            Ok(operation) => operation,
            Err(errors) => return Rendered::Refused(json(&errors)),
        };
        let request = operation.into_request().0.data(Arc::new(Occasion::Event(event.clone())));
        match self.schema.execute_stream(request).map(with_codes).next().await {
            None => Rendered::Nothing,
            Some(answer) => Rendered::Answer(json(&answer)),
        }
    }
}

impl Renderer for Graph {
    fn render<'a>(
        &'a self,
        operation: &'a push::Operation,
        role: Option<Role>,
        event: &'a Arc<RecordedEvent>,
    ) -> BoxFuture<'a, Rendered> {
        Box::pin(self.rendered(operation, role, event))
    }

    fn errors(&self, error: &Error) -> Bytes {
        json(&refusal(&ApiError::from(error)).errors)
    }
}

/// JSON of what can always be written so.
pub(in crate::faces) fn json(value: &impl serde::Serialize) -> Bytes {
    serde_json::to_vec(value).unwrap_or_else(|_| b"null".to_vec()).into()
}

/// The operation, to be kept.
fn kept(request: &Request) -> Result<push::Operation, ApiError> {
    match serde_json::to_value(&request.variables) {
        Ok(serde_json::Value::Object(variables)) => Ok(push::Operation {
            query: request.query.clone(),
            operation_name: request.operation_name.clone(),
            variables,
        }),
        _ => Err(ApiError::bad_input("the variables are no object")),
    }
}
