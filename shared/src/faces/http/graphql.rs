//! `/graphql`: GraphQL over HTTP, <https://graphql.github.io/graphql-over-http/draft/>.
//!
//! Forged requests: a browser sends a cross-site request without asking first only where its content type is one of a
//! form's. A POST must be `application/json`, which none is; a GET runs queries alone, and one that a browser marks as
//! a cross-site sub-request is refused. And nothing here reads a cookie.

use std::sync::Arc;
use std::time::Duration;

use async_graphql::http::GraphiQLSource;
use async_graphql::{Response as Answer, ServerError, Value};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::future::join_all;
use http::header::{AGE, CACHE_CONTROL, CONTENT_TYPE, VARY};
use http::request::Parts;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde::Serialize;

use super::answers::Answers;
use super::body::{self, Parsed, Unreadable};
use super::negotiate::{self, Media};
use super::persisted::{self, Document};
use super::problem::hint;
use super::request::{call, meets_graphql};
use super::security::{Elsewhere, page};
use super::{DEADLINE, Http, address, problem};
#[cfg(feature = "local")]
use super::{Live, sse};
use crate::faces::error::{ApiError, Code};
use crate::faces::graphql::{Answered, NO_STORE, Operation, json, refusal};
use crate::faces::parameters::Parameters;
use crate::services::{Call, Error};

/// What the operations of a request cost together, and what one of them may.
const COST: HeaderName = HeaderName::from_static("graphql-cost");
const COST_LIMIT: HeaderName = HeaderName::from_static("graphql-cost-limit");

pub(super) async fn schema(State(http): State<Arc<Http>>, headers: HeaderMap, extensions: Extensions) -> Response {
    if !meets_graphql(&http, &headers, &extensions).await {
        return problem::no_graphql();
    }
    ([(CONTENT_TYPE, "text/plain; charset=utf-8")], http.graph.sdl().to_owned()).into_response()
}

pub(super) async fn handle(State(http): State<Arc<Http>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if !meets_graphql(&http, &parts.headers, &parts.extensions).await {
        return problem::no_graphql();
    }
    if parts.method == Method::GET && http.local && parts.uri.query().is_none() && negotiate::wants_html(&parts.headers)
    {
        return graphiql();
    }
    #[cfg(feature = "local")]
    if let Some(live) =
        http.live.as_ref().filter(|_| parts.method == Method::POST && negotiate::wants_events(&parts.headers))
    {
        return events(&http, live, &parts, body).await;
    }
    let Some(media) = Media::accepted(&parts.headers) else {
        let message = "answers are application/graphql-response+json or application/json";
        return fail(Media::Json, StatusCode::NOT_ACCEPTABLE, &ApiError::bad_input(message));
    };
    tokio::time::timeout(DEADLINE, answer(&http, &parts, media, body)).await.unwrap_or_else(|_| {
        let error = ApiError::from(&Error::Timeout);
        fail(media, error.code.status(), &error)
    })
}

/// The answer to one operation as a stream of events.
#[cfg(feature = "local")]
async fn events(http: &Arc<Http>, live: &Live, parts: &Parts, body: Body) -> Response {
    let read = tokio::time::timeout(DEADLINE, read(&parts.method, &parts.headers, None, body)).await;
    let (status, error) = match read {
        Ok(Ok(Parsed { mut operations, batch: false })) => match operations.pop() {
            Some(operation) => return sse::answer(http, live, parts, operation).await,
            None => (StatusCode::BAD_REQUEST, ApiError::bad_input("a request has an operation")),
        },
        Ok(Ok(_)) => (StatusCode::BAD_REQUEST, ApiError::bad_input("a stream of events answers one operation")),
        Ok(Err(Unreadable(status, error))) => (status, error),
        Err(_) => (StatusCode::REQUEST_TIMEOUT, ApiError::from(&Error::Timeout)),
    };
    fail(Media::Json, status, &error)
}

async fn answer(http: &Arc<Http>, parts: &Parts, media: Media, body: Body) -> Response {
    let address = address::of(&parts.extensions);
    let (call, parsed) = match understand(http, parts, body).await {
        Ok(understood) => understood,
        // Counted all the same, to the address: what cannot be read takes work too.
        Err(Unreadable(status, error)) => {
            let standing = http.limits.count(None, address, 1, std::iter::empty()).await;
            let refused = standing.refused();
            let (status, error) = refused.map_or((status, error), |error| (error.code.status(), error));
            return standing.written(fail(media, status, &error));
        }
    };
    let get = parts.method == Method::GET;
    let batch = parsed.batch;
    let mut outcomes = vec![];
    for (place, operation) in parsed.operations.into_iter().enumerate() {
        outcomes.push(admit(http, operation, Call { place, ..call.clone() }, get).await);
    }
    let admitted = || outcomes.iter().filter_map(|outcome| outcome.as_ref().ok());
    let user = call.principal.as_ref();
    let standing = http.limits.count(user, address, outcomes.len(), admitted().flat_map(Operation::charges)).await;
    let cost = admitted().map(Operation::cost).reduce(u64::saturating_add);
    let mut response = match standing.refused() {
        Some(error) => fail(media, error.code.status(), &error),
        None => run_all(http, media, outcomes, batch, user.is_some()).await,
    };
    if let Some(cost) = cost {
        let headers = response.headers_mut();
        headers.insert(COST, HeaderValue::from(cost));
        headers.insert(COST_LIMIT, HeaderValue::from(http.graph.max_cost()));
    }
    standing.written(response)
}

/// Who asks, and what.
async fn understand(http: &Arc<Http>, parts: &Parts, body: Body) -> Result<(Call, Parsed), Unreadable> {
    let call =
        call(http, &parts.headers, &parts.extensions).await.map_err(|error| Unreadable(error.code.status(), error))?;
    Ok((call, read(&parts.method, &parts.headers, parts.uri.query(), body).await?))
}

async fn read(method: &Method, headers: &HeaderMap, query: Option<&str>, body: Body) -> Result<Parsed, Unreadable> {
    match *method {
        Method::POST if negotiate::is_json(headers) => body::read(body).await,
        Method::POST => Err(Unreadable(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            ApiError::bad_input("the Content-Type of a POST must be application/json in UTF-8"),
        )),
        Method::GET if is_cross_site(headers) => Err(Unreadable(
            StatusCode::FORBIDDEN,
            ApiError::new(Code::Forbidden, "a GET that another site makes a browser send is not answered"),
        )),
        Method::GET => body::from_url(query),
        _ => Err(Unreadable(StatusCode::METHOD_NOT_ALLOWED, ApiError::bad_input("use POST, or GET for queries"))),
    }
}

/// Whether a browser says that another site made it ask, in a way that site could do without asking first. Only a
/// browser sends these headers, and no page can write them.
fn is_cross_site(headers: &HeaderMap) -> bool {
    let is = |name: &str, wanted: &str| headers.get(name).is_some_and(|value| value == wanted);
    is("sec-fetch-site", "cross-site") && !is("sec-fetch-mode", "cors")
}

/// An operation of a request: one that may run, or what is wrong with it.
pub(super) type Outcome = Result<Operation, Refused>;

/// Why an operation will not run, and the HTTP status that says so.
pub(super) struct Refused {
    status: StatusCode,
    errors: Vec<ServerError>,
}

impl Refused {
    fn new(status: StatusCode, error: &ApiError) -> Self {
        Self { status, errors: refusal(error).errors }
    }
}

async fn admit(http: &Http, mut parameters: Parameters, call: Call, get: bool) -> Outcome {
    let refused = |error: ApiError| Refused::new(error.code.status(), &error);
    let document = match http.graph.find_listed(&mut parameters).map_err(refused)? {
        Some(listed) => Document::whole(listed),
        None => persisted::document(&http.cache, &mut parameters).await.map_err(refused)?,
    };
    let operation = http
        .graph
        .admit(parameters.into_request(document.text.clone()), call)
        .map_err(|errors| Refused { status: errors.first().map_or(StatusCode::BAD_REQUEST, status_of), errors })?;
    if get && !operation.is_query() {
        let error = ApiError::bad_input("a GET can only carry a query");
        return Err(Refused::new(StatusCode::METHOD_NOT_ALLOWED, &error));
    }
    document.keep(&http.cache).await;
    Ok(operation)
}

/// Runs what may run, and answers. A batch's queries run side by side; where it has a mutation, one after the other.
async fn run_all(http: &Http, media: Media, outcomes: Vec<Outcome>, batch: bool, authenticated: bool) -> Response {
    let queries = outcomes.iter().all(|outcome| outcome.as_ref().map_or(true, Operation::is_query));
    let runs = outcomes.into_iter().map(|outcome| run(http, outcome, authenticated));
    let mut answers = if queries {
        join_all(runs).await
    } else {
        let mut answers = vec![];
        for run in runs {
            answers.push(run.await);
        }
        answers
    };
    if batch {
        let bodies: Vec<_> = answers.iter().map(|answer| answer.body.as_ref()).collect();
        return respond(media, StatusCode::OK, [b"[", &*bodies.join(&b","[..]), b"]"].concat(), NO_STORE);
    }
    let Some(Ran { body, status, cache_control, age, retry_after }) = answers.pop() else {
        return fail(media, StatusCode::BAD_REQUEST, &ApiError::bad_input("a request has an operation"));
    };
    let status = match media {
        Media::Json if status.is_client_error() && status != StatusCode::METHOD_NOT_ALLOWED => StatusCode::OK,
        Media::Json | Media::GraphqlResponse => status,
    };
    let mut response = respond(media, status, body, &cache_control);
    if let Some(age) = age {
        response.headers_mut().insert(AGE, HeaderValue::from(age.as_secs()));
    }
    hint(response.headers_mut(), status, retry_after);
    response
}

/// The answer to an operation, as it is sent.
struct Ran {
    body: Bytes,
    status: StatusCode,
    cache_control: String,
    /// How long ago it was made, if not just now.
    age: Option<Duration>,
    /// When to try again, in seconds.
    retry_after: Option<u64>,
}

/// An answer. One that was refused before it ran has no `data`.
#[derive(Serialize)]
struct Shown {
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<ServerError>,
}

async fn run(http: &Http, outcome: Outcome, authenticated: bool) -> Ran {
    let operation = match outcome {
        Ok(operation) => operation,
        Err(Refused { status, errors }) => {
            return Ran::new(&Shown { data: None, errors }, status, NO_STORE.to_owned());
        }
    };
    let answers = http.answers.as_ref();
    let place = answers.and_then(|_| Answers::place(&http.graph, &operation));
    if let (Some(answers), Some(place)) = (answers, &place)
        && let Some(found) = answers.find(place, &*http.clock).await
    {
        http.graph.was_kept(&operation);
        let (age, cache_control) = (Some(found.age(&*http.clock)), operation.cache_control(authenticated));
        return Ran { body: found.into(), status: StatusCode::OK, cache_control, age, retry_after: None };
    }
    let Answered { response: Answer { data, errors, .. }, cache_control, complete } =
        http.graph.run(operation, authenticated).await;
    let nothing = data == Value::Null && !errors.is_empty();
    // What fails in a field has a path; what fails validation has none, and never ran.
    let ran = !nothing || errors.iter().any(|error| !error.path.is_empty());
    // Where nothing could be given, and that is our fault or that of something we depend on, the status says so.
    let failed = nothing && errors.iter().all(|error| status_of(error).is_server_error());
    let status = if ran && !failed { StatusCode::OK } else { errors.first().map_or(StatusCode::OK, status_of) };
    let answered = Ran::new(&Shown { data: ran.then_some(data), errors }, status, cache_control);
    if let (Some(answers), Some(place), true) = (answers, place, complete) {
        answers.keep(place, &answered.body, &*http.clock).await;
    }
    answered
}

impl Ran {
    fn new(shown: &Shown, status: StatusCode, cache_control: String) -> Self {
        let retry_after = shown.errors.first().and_then(retry_after);
        Self { body: json(shown), status, cache_control, age: None, retry_after }
    }
}

/// The HTTP status of an error, by its code.
fn status_of(error: &ServerError) -> StatusCode {
    let code = error.extensions.as_ref().and_then(|extensions| extensions.get("code"));
    match code {
        Some(Value::String(code)) => Code::named(code).map_or(StatusCode::BAD_REQUEST, Code::status),
        _ => StatusCode::BAD_REQUEST,
    }
}

/// When to try again, in seconds, where an error says so.
fn retry_after(error: &ServerError) -> Option<u64> {
    match error.extensions.as_ref()?.get("retryAfterSeconds")? {
        Value::Number(seconds) => seconds.as_u64(),
        _ => None,
    }
}

/// An answer that never reached GraphQL.
fn fail(media: Media, status: StatusCode, error: &ApiError) -> Response {
    let mut response = respond(media, status, json(&Shown { data: None, errors: refusal(error).errors }), NO_STORE);
    hint(response.headers_mut(), status, error.retry_after_seconds());
    response
}

fn respond(media: Media, status: StatusCode, body: impl Into<Body>, cache_control: &str) -> Response {
    let mut response = (status, body.into()).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media.content_type()));
    headers.insert(VARY, HeaderValue::from_static("Accept, Authorization"));
    if let Ok(value) = HeaderValue::from_str(cache_control) {
        headers.insert(CACHE_CONTROL, value);
    }
    response
}

fn graphiql() -> Response {
    let source = GraphiQLSource::build().endpoint("/graphql").subscription_endpoint("/graphql/ws").title("mcp-server");
    // Those packages alone: anybody may put others there.
    let code = ["https://unpkg.com/react@18/", "https://unpkg.com/react-dom@18/", "https://unpkg.com/graphiql@4/"];
    page(source.finish(), Elsewhere { code: &code, images: &["https://graphql.org/favicon.ico"] })
}
