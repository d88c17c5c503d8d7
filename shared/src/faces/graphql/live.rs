//! Subscriptions, opened and rendered.

use std::sync::Arc;

use async_graphql::parser::types::{BaseType, ExecutableDocument, OperationDefinition, Selection, SelectionSet};
use async_graphql::{Name, Request, Response, ServerError, Value, Variables};
use bytes::Bytes;
use chrono::DateTime;
use futures_util::StreamExt;

use super::occasion::Occasion;
use super::{Graph, Operation, admission, errors, refusal, with_codes};
use crate::domain::RecordedEvent;
use crate::faces::error::ApiError;
use crate::platform::BoxFuture;
use crate::platform::auth::Role;
use crate::push;
use crate::services::fan_out::{Rendered, Renderer};
use crate::services::subscriptions::Topics;
use crate::services::{Call, Error};

impl Graph {
    /// What a subscription listens to, and the operation that is to be rendered when that has something to say.
    ///
    /// # Errors
    /// What its field refuses.
    pub async fn open(&self, operation: Operation) -> Result<(push::Operation, Topics), Vec<ServerError>> {
        let occasion = Occasion::opening();
        let mut request = operation.request.data(occasion.clone());
        let kept = kept(&mut request);
        let answer = self.schema.execute_stream(request).map(with_codes).next().await;
        match (answer, occasion.topics()) {
            (Some(Response { errors, .. }), _) if !errors.is_empty() => Err(errors),
            (None, Some(topics)) => kept.map(|kept| (kept, topics)).map_err(|error| vec![errors::from_api(&error)]),
            // Its field was left out by a directive.
            _ => Err(vec![errors::from_api(&ApiError::bad_input("the subscription selects nothing"))]),
        }
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
        let request = operation.request.data(Arc::new(Occasion::Event(event.clone())));
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

/// The operation without what a client knows already, which matters once: else each of many that come back would have an
/// operation of its own.
fn kept(request: &mut Request) -> Result<push::Operation, ApiError> {
    let (query, operation_name) = (request.query.clone(), request.operation_name.clone());
    let mut variables = request.variables.clone();
    if let Ok(document) = request.parsed_query()
        && let Ok(operation) = admission::select(document, operation_name.as_deref())
    {
        forget_since(document, operation, &mut variables);
    }
    match serde_json::to_value(&variables) {
        Ok(serde_json::Value::Object(variables)) => Ok(push::Operation { query, operation_name, variables }),
        _ => Err(ApiError::bad_input("the variables are no object")),
    }
}

/// Gives every variable that `since` is made of a value that is the same for all.
fn forget_since(document: &ExecutableDocument, operation: &OperationDefinition, variables: &mut Variables) {
    let mut names = vec![];
    since_variables(document, &operation.selection_set.node, &mut names);
    for definition in &operation.variable_definitions {
        let name = &definition.node.name.node;
        if let (true, Some(value)) = (names.contains(name), variables.get_mut(name))
            && *value != Value::Null
        {
            *value = match &definition.node.var_type.node.base {
                BaseType::Named(name) if name == "Since" => Value::Object([(Name::new("version"), 0.into())].into()),
                BaseType::Named(name) if name == "Int" => 0.into(),
                _ => DateTime::UNIX_EPOCH.to_rfc3339().into(),
            };
        }
    }
}

/// The variables that `since` is made of, in a selection and what is spread into it.
fn since_variables(document: &ExecutableDocument, set: &SelectionSet, names: &mut Vec<Name>) {
    for selection in &set.items {
        match &selection.node {
            Selection::Field(field) => {
                if let Some(since) = field.node.get_argument("since") {
                    // Asked of each variable; what comes of it does not matter.
                    let _ = since.node.clone().into_const_with(|name| {
                        names.push(name);
                        Ok::<_, ()>(Value::Null)
                    });
                }
            }
            Selection::FragmentSpread(spread) => {
                if let Some(fragment) = document.fragments.get(&spread.node.fragment_name.node) {
                    since_variables(document, &fragment.node.selection_set.node, names);
                }
            }
            Selection::InlineFragment(fragment) => since_variables(document, &fragment.node.selection_set.node, names),
        }
    }
}
