//! The use cases, each once, as data: REST serves this table as resources, MCP as tools, and GraphQL's `mcp` shows those tools. Who
//! may ask, and how often, is not said here: each operation names the field of the GraphQL schema whose directives hold for it.
//!
//! What goes in and what comes out are types, whose JSON Schemas the `OpenAPI` document and the tools show.

mod chains;
mod context;
pub(super) mod form;
mod input;
mod memory;
mod prices;
mod tools;

use std::future::Future;
use std::sync::{Arc, LazyLock};

use http::{Method, StatusCode};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::faces::graphql::Services;
use crate::platform::BoxFuture;
use crate::services::{Call, Error};

pub(super) use tools::find_tools;

/// A use case, as a resource and a tool.
pub(super) struct Operation {
    /// What it is and does.
    pub(super) about: About,
    /// The JSON Schema of what goes in: an object that refers to nothing else.
    pub(super) input: Value,
    /// The JSON Schema of what comes out: an object.
    pub(super) output: fn(&mut SchemaGenerator) -> Schema,
    run: Run,
}

type Run = Box<dyn Fn(Arc<Services>, Call, Value) -> BoxFuture<'static, Result<Answer<Value>, Error>> + Send + Sync>;

/// What an operation is and does.
#[derive(Clone)]
pub(super) struct About {
    /// Its name, as an agent and the `OpenAPI` document call it.
    pub(super) name: &'static str,
    /// Its name for a person.
    pub(super) title: &'static str,
    /// What it does.
    pub(super) description: &'static str,
    /// The field of the GraphQL schema whose rules hold for it: type and name.
    pub(super) field: (&'static str, &'static str),
    /// Its method and path under REST; what stands in braces is a member of its input.
    pub(super) route: (Method, &'static str),
    /// The status of a success.
    pub(super) success: StatusCode,
    /// Whether agents can call it.
    pub(super) is_tool: bool,
}

impl About {
    /// Whether it only reads.
    pub(super) fn reads(&self) -> bool {
        self.field.0 == "Query"
    }
}

/// What came of an operation.
pub(super) struct Answer<T> {
    /// What is shown.
    pub(super) value: T,
    /// Whether it has all that it should have: only then may it be kept.
    pub(super) complete: bool,
}

impl<T> From<T> for Answer<T> {
    fn from(value: T) -> Self {
        Self { value, complete: true }
    }
}

impl Operation {
    fn new<I, O, F>(about: About, run: fn(Arc<Services>, Call, I) -> F) -> Self
    where
        I: DeserializeOwned + JsonSchema + Send + 'static,
        O: Serialize + JsonSchema,
        F: Future<Output = Result<Answer<O>, Error>> + Send + 'static,
    {
        let run: Run = Box::new(move |services, call, input| {
            let input = serde_json::from_value(input);
            Box::pin(async move {
                let input = input.map_err(|error| Error::Invalid(error.to_string()))?;
                let Answer { value, complete } = run(services, call, input).await?;
                let value = serde_json::to_value(value).map_err(|error| Error::Internal(error.to_string()))?;
                Ok(Answer { value, complete })
            })
        });
        let input = tools::alone(SchemaSettings::draft2020_12(), SchemaGenerator::subschema_for::<I>);
        Self { about, input, output: SchemaGenerator::subschema_for::<O>, run }
    }

    /// Carries it out. `input` is a JSON object.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an input that is not as its schema says; the service's.
    pub(super) async fn run(
        &self,
        services: Arc<Services>,
        call: Call,
        input: Map<String, Value>,
    ) -> Result<Answer<Value>, Error> {
        (self.run)(services, call, Value::Object(input)).await
    }

    /// Its place in a request, for an `Idempotency-Key`: the same as that of GraphQL's field, so that one key means one use,
    /// over whatever face it is tried again.
    fn place(field: &str) -> String {
        format!("0/{field}")
    }
}

/// Every operation.
pub(super) fn all() -> &'static [Operation] {
    static ALL: LazyLock<Vec<Operation>> = LazyLock::new(|| {
        let mut all = prices::operations();
        all.extend(memory::operations());
        all.extend(chains::operations());
        all.extend(context::operations());
        all
    });
    &ALL
}

/// An operation that reads, by its field of `Query`.
fn query(
    field: &'static str,
    name: &'static str,
    path: &'static str,
    title: &'static str,
    description: &'static str,
) -> About {
    About {
        name,
        title,
        description,
        field: ("Query", field),
        route: (Method::GET, path),
        success: StatusCode::OK,
        is_tool: true,
    }
}

/// One that changes something, by its field of `Mutation`.
fn mutation(
    field: &'static str,
    name: &'static str,
    path: &'static str,
    title: &'static str,
    description: &'static str,
) -> About {
    About { field: ("Mutation", field), route: (Method::POST, path), ..query(field, name, path, title, description) }
}
