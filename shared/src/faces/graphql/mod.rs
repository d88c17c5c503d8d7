//! GraphQL: the schema over the services, and the one way to run an operation of it.
//!
//! An operation is first [`admitted`](Graph::admit), then run with [`Graph::run`] or, for a subscription, opened with
//! [`Graph::open`], which take nothing but an [`Operation`] that was: the schema itself is private to this module.

mod admission;
mod chain_events;
mod connection;
mod demands;
mod directives;
mod documents;
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
mod safelist;
mod subscription;
#[cfg(test)]
mod tests;
mod usage;
mod variables;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_graphql::parser::types::{ExecutableDocument, OperationType};
use async_graphql::{Context, Request, Response, SDLExportOptions, Schema, ServerError};
use sha2::{Digest, Sha256};

use self::admission::{Admission, Court, Refusal};
use self::documents::Documents;
use self::entities::SubgraphSdl;
use self::loader::PriceLoader;
use self::mutation::Mutation;
use self::query::Query;
use self::rules::Rules;
use self::subscription::Subscription;
use self::usage::{Outcome, Usage};
use crate::faces::error::{ApiError, Code};
use crate::faces::parameters::Parameters;
use crate::limits::Charge;
use crate::platform::auth::Role;
use crate::platform::metrics::Measured;
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
    documents: Arc<Documents>,
    usage: Arc<Usage>,
    safelist: Option<Arc<Safelist>>,
    sdl: Arc<str>,
    /// Of the schema and of this software: what answers depend on beside their operation.
    version: [u8; 32],
    introspection: bool,
    max_cost: u64,
}

/// An operation that may run, once.
pub struct Operation {
    request: Request,
    document: Arc<ExecutableDocument>,
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
    /// Whether it has all that it should have, and no errors.
    pub complete: bool,
}

impl Operation {
    /// What it takes from the quotas of its fields.
    pub fn charges(&self) -> &[Charge] {
        &self.admission.charges
    }

    /// What it costs.
    pub fn cost(&self) -> u64 {
        self.admission.cost
    }

    /// Whether it only reads: a GET may carry it.
    pub fn is_query(&self) -> bool {
        self.admission.operation == OperationType::Query
    }

    /// Whether it is a subscription: answers that come one by one, for a socket.
    pub fn is_subscription(&self) -> bool {
        self.admission.operation == OperationType::Subscription
    }

    /// For how long a complete answer may be given to whoever asks the same: nothing in it depends on who asks. `None`
    /// where it does, or changes all the time.
    pub fn repeatable(&self) -> Option<Duration> {
        (self.admission.repeatable > 0).then(|| Duration::from_secs(self.admission.repeatable.into()))
    }

    /// What a client may do with its answer.
    pub fn cache_control(&self, authenticated: bool) -> String {
        match self.admission.max_age {
            0 => NO_STORE.to_owned(),
            age if authenticated || self.admission.private => format!("private, max-age={age}"),
            age => format!("public, max-age={age}"),
        }
    }

    /// As the executor takes it.
    fn into_request(self) -> (Request, Admission, Incomplete) {
        let mut request = self.request.data(self.incomplete.clone());
        // It is parsed for each run by itself: a run takes it.
        request.set_parsed_query(ExecutableDocument::clone(&self.document));
        (request, self.admission, self.incomplete)
    }
}

/// The `Cache-Control` of what must not be kept.
pub const NO_STORE: &str = "no-store";

/// The most that an operation may cost, where nothing else is said.
const MAX_COST: u64 = 20_000;

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
        // What was let in may cost what it did there.
        Ok(Self { max_cost: u64::MAX, ..Self::build(None, true)? })
    }

    /// The same, where an operation may cost so much.
    #[must_use]
    pub fn bounded(self, max_cost: u64) -> Self {
        Self { max_cost, ..self }
    }

    /// The same, where only the operations of a list may run.
    #[must_use]
    pub fn listed(self, safelist: Option<Safelist>) -> Self {
        Self { safelist: safelist.map(Arc::new), ..self }
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
        let rules = Rules::from_sdl(&sdl)?;
        let version = Sha256::new().chain_update(env!("CARGO_PKG_VERSION")).chain_update(&sdl);
        Ok(Self {
            usage: Arc::new(Usage::new(rules.names())),
            rules: Arc::new(rules),
            documents: Arc::default(),
            safelist: None,
            version: version.finalize().into(),
            sdl: sdl.into(),
            schema,
            services,
            introspection: !production,
            max_cost: MAX_COST,
        })
    }

    /// The schema in the schema definition language.
    pub fn sdl(&self) -> &str {
        &self.sdl
    }

    /// The most that an operation may cost.
    pub fn max_cost(&self) -> u64 {
        self.max_cost
    }

    /// What is asked for.
    pub fn usage(&self) -> Arc<dyn Measured> {
        self.usage.clone()
    }

    /// The text of the operation that the parameters name or carry, if only listed ones may run; `None` if any may.
    ///
    /// # Errors
    /// For one that is not on the list.
    pub(super) fn find_listed(&self, parameters: &mut Parameters) -> Result<Option<String>, ApiError> {
        let found = self.safelist.as_ref().map(|list| list.find(parameters)).transpose();
        found.inspect_err(|_| self.usage.count(None, Outcome::Refused, &[]))
    }

    /// Decides whether an operation may run for `call`.
    ///
    /// # Errors
    /// Why it may not, with codes: not listed, syntax, limits, missing roles.
    pub fn admit(&self, request: Request, call: Call) -> Result<Operation, Vec<ServerError>> {
        let role = call.principal.as_ref().map(|principal| principal.role);
        let admitted = match &self.safelist {
            Some(list) if !list.has(&request.query) => {
                let error = ApiError::new(Code::PersistedQueryNotInList, "the operation is not on the list here");
                Err(vec![errors::from_api(&error)])
            }
            _ => self.prepare(request, role, call),
        };
        admitted.inspect_err(|_| self.usage.count(None, Outcome::Refused, &[]))
    }

    fn prepare(&self, mut request: Request, role: Option<Role>, call: Call) -> Result<Operation, Vec<ServerError>> {
        let document = self.documents.get(&self.rules, &request.query)?;
        let Self { rules, introspection, max_cost, .. } = self;
        let court = Court { rules, introspection: *introspection, max_cost: *max_cost };
        let one = |refusal| shown(vec![refusal]);
        let operation = admission::select(&document, request.operation_name.as_deref()).map_err(one)?;
        variables::complete(operation, &mut request.variables).map_err(one)?;
        let admission = admission::judge(court, &document, operation, &request.variables, role).map_err(shown)?;
        Ok(Operation { request: request.data(call), document, admission, incomplete: Incomplete::default() })
    }

    /// A key for the answer of an operation: the same for all who ask the same of this very schema, and for nobody else.
    pub(super) fn key_of(&self, operation: &Operation) -> Option<String> {
        let Operation { request, document, .. } = operation;
        let selected = admission::select(document, request.operation_name.as_deref()).ok()?;
        let mut hash = Sha256::new().chain_update(self.version);
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        part(request.query.as_bytes());
        part(request.operation_name.as_deref().unwrap_or_default().as_bytes());
        // In the order in which they are declared; what is not declared is not looked at by anybody.
        for definition in &selected.variable_definitions {
            part(&serde_json::to_vec(&request.variables.get(&definition.node.name.node)).ok()?);
        }
        Some(format!("{:x}", hash.finalize()))
    }

    /// Notes that the answer of an operation was there already.
    pub(super) fn was_kept(&self, operation: &Operation) {
        let Admission { operation, fields, .. } = &operation.admission;
        self.usage.count(Some(*operation), Outcome::Cached, fields);
    }

    /// Runs a query or a mutation. What a caller with a token is told is never for a shared cache.
    pub async fn run(&self, operation: Operation, authenticated: bool) -> Answered {
        let cache_control = operation.cache_control(authenticated);
        let (mut request, admission, incomplete) = operation.into_request();
        if let Some(services) = &self.services {
            request = request.data(PriceLoader::new(services.prices.clone()));
        }
        let response = with_codes(self.schema.execute(request).await);
        let outcome = if response.errors.is_empty() { Outcome::Ok } else { Outcome::Errors };
        self.usage.count(Some(admission.operation), outcome, &admission.fields);
        let complete = outcome == Outcome::Ok && !incomplete.0.load(Ordering::Relaxed);
        let cache_control = if complete { cache_control } else { NO_STORE.to_owned() };
        Answered { response, cache_control, complete }
    }
}

pub(in crate::faces) use admission::denial;
pub(in crate::faces) use directives::key;
pub(super) use live::json;
pub use safelist::Safelist;

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

/// Notes that what is answered is not all that it should be.
fn note_incomplete(ctx: &Context<'_>) {
    if let Ok(incomplete) = ctx.data::<Incomplete>() {
        incomplete.0.store(true, Ordering::Relaxed);
    }
}

fn call<'a>(ctx: &Context<'a>) -> Result<&'a Call, Error> {
    ctx.data::<Call>().map_err(|error| Error::Internal(error.message))
}
