//! GraphQL: the schema over the services, and the one way to run an operation of it.
//!
//! An operation is first [`admitted`](Graph::admit), then run with [`Graph::run`] or, for a subscription, opened with
//! [`Graph::open`], which take nothing but an [`Operation`] that was: the schema itself is private to this module.

mod admission;
mod chain_events;
mod connection;
mod demands;
mod directives;
mod entities;
mod errors;
mod lexical;
mod live;
mod loader;
mod mcp;
mod mutation;
mod occasion;
mod proportion;
mod query;
mod rules;
mod subscription;
#[cfg(test)]
mod tests;
mod variables;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_graphql::parser::types::{ExecutableDocument, OperationType};
use async_graphql::{Context, Response, SDLExportOptions, Schema, ServerError, Variables};

use self::admission::{Admission, Refusal};
use self::entities::SubgraphSdl;
use self::loader::PriceLoader;
use self::mutation::Mutation;
use self::query::Query;
use self::rules::Rules;
use self::subscription::Subscription;
use crate::faces::error::ApiError;
use crate::limits::Charge;
use crate::platform::auth::Role;
use crate::services::chains::ChainReader;
use crate::services::context::Contexts;
use crate::services::emotion::Emotions;
use crate::services::memory::Memories;
use crate::services::prices::Prices;
use crate::services::quotes::Quotes;
use crate::services::remote_tools::RemoteTools;
use crate::services::transactions::Transactions;
use crate::services::{Call, Error};

/// What the schema's fields ask.
pub struct Services {
    /// Prices.
    pub prices: Arc<Prices>,
    /// Emotions.
    pub emotions: Emotions,
    /// Memories.
    pub memories: Memories,
    /// Contexts.
    pub context: Contexts,
    /// Chains.
    pub chains: ChainReader,
    /// Sending transactions.
    pub transactions: Transactions,
    /// Swap quotes.
    pub quotes: Quotes,
    /// The tools of other servers.
    pub remote_tools: RemoteTools,
}

/// The schema and its rules. Cheap to clone.
#[derive(Clone)]
pub struct Graph {
    schema: Schema<Query, Mutation, Subscription>,
    services: Option<Arc<Services>>,
    rules: Arc<Rules>,
    sdl: Arc<str>,
    introspection: bool,
}

/// An operation that may run, once.
pub struct Operation {
    request: async_graphql::Request,
    admission: Admission,
    incomplete: Incomplete,
}

/// Whether an answer lacks what it should have, or has it old, without that being an error: it is not kept then.
#[derive(Clone, Default)]
struct Incomplete(Arc<AtomicBool>);

/// An answer, and how long it may be kept.
pub struct Answered {
    /// The answer.
    pub response: Response,
    /// Its `Cache-Control`.
    pub cache_control: String,
}

impl Operation {
    /// What it takes from the quotas of its fields.
    pub fn charges(&self) -> &[Charge] {
        &self.admission.charges
    }

    /// Whether it only reads: a GET may carry it.
    pub fn is_query(&self) -> bool {
        self.admission.operation == OperationType::Query
    }

    /// Whether it is a subscription: answers that come one by one, for a socket.
    pub fn is_subscription(&self) -> bool {
        self.admission.operation == OperationType::Subscription
    }

    fn cache_control(&self, authenticated: bool) -> String {
        match self.admission.max_age {
            0 => NO_STORE.to_owned(),
            age if authenticated || self.admission.private => format!("private, max-age={age}"),
            age => format!("public, max-age={age}"),
        }
    }
}

/// The `Cache-Control` of what must not be kept.
pub const NO_STORE: &str = "no-store";

impl Graph {
    /// The schema over `services`. In production, introspection and suggestions are off.
    ///
    /// # Errors
    /// A sentence, if a directive of the schema cannot be read: a fault of this code, found at start.
    pub fn new(services: Services, production: bool) -> Result<Self, String> {
        Self::build(Some(Arc::new(services)), production)
    }

    /// The schema over nothing: it can only render what subscriptions say of events.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn for_events() -> Result<Self, String> {
        Self::build(None, true)
    }

    fn build(services: Option<Arc<Services>>, production: bool) -> Result<Self, String> {
        let mut schema = Schema::build(Query, Mutation, Subscription);
        if let Some(services) = &services {
            schema = schema.data(services.clone());
        }
        if production {
            schema = schema.disable_introspection().disable_suggestions();
        }
        let subgraph = SubgraphSdl::default();
        let schema = schema.data(subgraph.clone()).finish();
        subgraph.set(schema.sdl_with_options(SDLExportOptions::new().federation().compose_directive()));
        let sdl = schema.sdl();
        Ok(Self {
            rules: Arc::new(Rules::from_sdl(&sdl)?),
            sdl: sdl.into(),
            schema,
            services,
            introspection: !production,
        })
    }

    /// The schema in the schema definition language.
    pub fn sdl(&self) -> &str {
        &self.sdl
    }

    /// Decides whether an operation may run for `call`.
    ///
    /// # Errors
    /// Why it may not, with codes: syntax, limits, missing roles.
    pub fn admit(&self, request: async_graphql::Request, call: Call) -> Result<Operation, Vec<ServerError>> {
        let role = call.principal.as_ref().map(|principal| principal.role);
        self.prepare(request, role, call)
    }

    fn prepare(
        &self,
        mut request: async_graphql::Request,
        role: Option<Role>,
        call: Call,
    ) -> Result<Operation, Vec<ServerError>> {
        lexical::check(&request.query).map_err(|error| vec![errors::from_api(&error)])?;
        let mut variables = std::mem::take(&mut request.variables);
        let name = request.operation_name.clone();
        let document = request.parsed_query().map_err(|error| vec![errors::coded(error)])?;
        let admission = self.judge(document, name.as_deref(), &mut variables, role).map_err(shown)?;
        let incomplete = Incomplete::default();
        let mut request = request.variables(variables).data(call).data(incomplete.clone());
        if let Some(services) = &self.services {
            request = request.data(PriceLoader::new(services.prices.clone()));
        }
        Ok(Operation { request, admission, incomplete })
    }

    fn judge(
        &self,
        document: &ExecutableDocument,
        operation_name: Option<&str>,
        variables: &mut Variables,
        role: Option<Role>,
    ) -> Result<Admission, Vec<Refusal>> {
        let one = |refusal| vec![refusal];
        proportion::check(document).map_err(one)?;
        variables::check_types(&self.rules, document).map_err(one)?;
        let operation = admission::select(document, operation_name).map_err(one)?;
        variables::complete(operation, variables).map_err(one)?;
        admission::judge(&self.rules, document, operation, variables, role, self.introspection)
    }

    /// Runs a query or a mutation. What a caller with a token is told is never for a shared cache.
    pub async fn run(&self, operation: Operation, authenticated: bool) -> Answered {
        let cache_control = operation.cache_control(authenticated);
        let response = with_codes(self.schema.execute(operation.request).await);
        let keep = response.errors.is_empty() && !operation.incomplete.0.load(Ordering::Relaxed);
        Answered { response, cache_control: if keep { cache_control } else { NO_STORE.to_owned() } }
    }
}

pub(in crate::faces) use admission::denial;
pub(in crate::faces) use directives::key;
pub(super) use live::json;

/// An answer that says `error`, and nothing else.
pub fn refusal(error: &ApiError) -> Response {
    Response::from_errors(vec![errors::from_api(error)])
}

fn shown(refusals: Vec<Refusal>) -> Vec<ServerError> {
    refusals.into_iter().map(ServerError::from).collect()
}

fn with_codes(mut response: Response) -> Response {
    response.errors = response.errors.into_iter().map(errors::coded).collect();
    response
}

fn services<'a>(ctx: &Context<'a>) -> Result<&'a Services, Error> {
    let services = ctx.data::<Arc<Services>>().map_err(|error| Error::Internal(error.message))?;
    Ok(services)
}

fn call<'a>(ctx: &Context<'a>) -> Result<&'a Call, Error> {
    ctx.data::<Call>().map_err(|error| Error::Internal(error.message))
}
