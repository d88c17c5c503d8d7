//! REST: every operation as a resource under `/v1`. The same services, guards and quotas as GraphQL's fields.
//!
//! | what | where it is said |
//! | --- | --- |
//! | conditional requests | RFC 9110, section 13: `ETag`, `If-None-Match` |
//! | pages | RFC 8288: `Link: <...>; rel="next"` |
//! | errors | RFC 9457 |

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{RawPathParams, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, on};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LINK, LOCATION, VARY};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::problem::{Problem, respond};
use super::query::pairs;
use super::request::call;
use super::{DEADLINE, Http, MAX_BODY, address, negotiate};
use crate::faces::error::ApiError;
use crate::faces::operations::{About, Answer, Operation, all, form};
use crate::services::Error;

/// What an answer has that may be kept, but only shown again after asking here: its `ETag` is what is asked with.
const REVALIDATE: &str = "no-cache";

/// The routes of all operations.
pub(super) fn routes() -> Router<Arc<Http>> {
    all().iter().fold(Router::new(), |router, operation| {
        let (method, path) = &operation.about.route;
        let filter = MethodFilter::try_from(method.clone()).unwrap_or(MethodFilter::GET);
        let handler = move |State(http): State<Arc<Http>>, path: RawPathParams, request: Request| async move {
            handle(&http, operation, &path, request).await
        };
        router.route(path, on(filter, handler))
    })
}

async fn handle(http: &Arc<Http>, operation: &'static Operation, path: &RawPathParams, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let answer = tokio::time::timeout(DEADLINE, answer(http, operation, path, &parts, body)).await;
    let mut response = answer.unwrap_or_else(|_| Problem(ApiError::from(&Error::Timeout)).into_response());
    http.rest.written(response.headers_mut());
    response
}

/// Why a request is not carried out, and the status that says so.
struct Refused(StatusCode, ApiError);

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        Self(error.code.status(), error)
    }
}

async fn answer(
    http: &Arc<Http>,
    operation: &'static Operation,
    path: &RawPathParams,
    parts: &Parts,
    body: Body,
) -> Response {
    let address = address::of(&parts.extensions);
    let call = call(http, &parts.headers, &parts.extensions).await;
    let user = call.as_ref().ok().and_then(|call| call.principal.clone());
    let about = &operation.about;
    let demands = match &call {
        Ok(_) => http.graph.demands(about.field, user.as_ref().map(|user| user.role)).map_err(Refused::from),
        Err(error) => Err(Refused::from(error.clone())),
    };
    let understood = match demands {
        Ok(demands) => input(operation, path, parts, body).await.map(|input| (input, demands)),
        Err(refused) => Err(refused),
    };
    // Counted whatever becomes of it: what cannot be read takes work too.
    let charges = understood.iter().filter_map(|(_, demands)| demands.charge.as_ref());
    let standing = http.limits.count(user.as_ref(), address, 1, charges).await;
    let refused = standing.refused().map(|error| respond(error.code.status(), &error));
    let response = match (refused, understood, call) {
        (Some(refused), ..) => refused,
        (None, Ok((input, demands)), Ok(call)) => {
            let outcome = match http.graph.services() {
                Ok(services) => operation.run(services, call, input).await,
                Err(error) => Err(error),
            };
            match outcome {
                Ok(answer) => {
                    let max_age = if user.is_none() && answer.complete { demands.max_age } else { 0 };
                    shown(about, parts, &answer, user.is_some(), max_age)
                }
                Err(error) => Problem(ApiError::from(&error)).into_response(),
            }
        }
        (None, Err(Refused(status, error)), _) => respond(status, &error),
        (None, _, Err(error)) => respond(error.code.status(), &error),
    };
    standing.written(response)
}

/// What goes into the operation: the path's parameters, and the query's or the body's members.
async fn input(
    operation: &Operation,
    path: &RawPathParams,
    parts: &Parts,
    body: Body,
) -> Result<Map<String, Value>, Refused> {
    let (method, _) = &operation.about.route;
    let mut input = if *method == Method::POST {
        if let Some(query) = parts.uri.query().filter(|query| !query.is_empty()) {
            let unknown: String = query.chars().take(80).collect();
            return Err(ApiError::bad_input(format!("this takes no query parameters, not {unknown:?}")).into());
        }
        object(&parts.headers, body).await?
    } else {
        form::read(operation, pairs(parts.uri.query().unwrap_or_default()))?
    };
    for (name, value) in path {
        if input.insert(name.to_owned(), Value::String(value.to_owned())).is_some() {
            return Err(ApiError::bad_input(format!("{name} is said by the path")).into());
        }
    }
    Ok(input)
}

/// The object that is a body.
async fn object(headers: &HeaderMap, body: Body) -> Result<Map<String, Value>, Refused> {
    if !negotiate::is_json(headers) {
        let error = ApiError::bad_input("the Content-Type must be application/json in UTF-8");
        return Err(Refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, error));
    }
    let bytes = to_bytes(body, MAX_BODY).await.map_err(|_| {
        let message = format!("the body has more than {MAX_BODY} bytes, or did not arrive whole");
        Refused(StatusCode::PAYLOAD_TOO_LARGE, ApiError::bad_input(message))
    })?;
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(ApiError::bad_input("the body must be a JSON object").into()),
        Err(error) => Err(ApiError::bad_input(format!("the body is not JSON: {error}")).into()),
    }
}

/// A success. What a caller with a token is told is never for a shared cache.
fn shown(about: &About, parts: &Parts, answer: &Answer<Value>, authenticated: bool, max_age: u32) -> Response {
    let value = &answer.value;
    let mut headers = HeaderMap::new();
    if about.route.0 == Method::GET {
        let keep = if max_age > 0 { format!("public, max-age={max_age}") } else { REVALIDATE.to_owned() };
        let keep = if authenticated { format!("private, {keep}") } else { keep };
        insert(&mut headers, CACHE_CONTROL, &keep);
        headers.insert(VARY, HeaderValue::from_static("Authorization"));
        if let Some(next) = next(&parts.uri, value) {
            insert(&mut headers, LINK, &format!("<{next}>; rel=\"next\""));
        }
    }
    if about.success == StatusCode::CREATED
        && let Some(id) = value.get("id").and_then(Value::as_str)
    {
        insert(&mut headers, LOCATION, &format!("{}/{id}", parts.uri.path()));
    }
    if about.success == StatusCode::ACCEPTED
        && let Some(hash) = value.get("hash").and_then(Value::as_str)
    {
        insert(&mut headers, LOCATION, &format!("{}/{hash}", parts.uri.path()));
    }
    if about.success == StatusCode::NO_CONTENT {
        return (about.success, headers).into_response();
    }
    let body = value.to_string();
    if about.route.0 == Method::GET {
        let tag = tag(body.as_bytes());
        insert(&mut headers, ETAG, &tag);
        if is_known(&parts.headers, &tag) {
            return (StatusCode::NOT_MODIFIED, headers).into_response();
        }
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    (about.success, headers, body).into_response()
}

fn insert(headers: &mut HeaderMap, name: http::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// Where the page after this one is.
fn next(uri: &Uri, page: &Value) -> Option<String> {
    let cursor = page.get("endCursor")?.as_str().filter(|_| page["hasNextPage"] == true)?;
    let others = uri.query().unwrap_or_default().split('&').filter(|pair| {
        let name = pair.split('=').next().unwrap_or_default();
        !pair.is_empty() && name != "after"
    });
    let query: Vec<_> = others.map(str::to_owned).chain([format!("after={cursor}")]).collect();
    Some(format!("{}?{}", uri.path(), query.join("&")))
}

/// The entity tag of a body.
pub(super) fn tag(body: &[u8]) -> String {
    let digest = format!("{:x}", Sha256::digest(body));
    format!("\"{}\"", &digest[..32])
}

/// Whether the client has what has that tag.
pub(super) fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let given = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    given
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|given| given == "*" || given.strip_prefix("W/").unwrap_or(given) == tag)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_next_page_is_asked_for_as_this_one_was() {
        let page = json!({ "items": [], "hasNextPage": true, "endCursor": "djE" });
        let next = |uri: &str| super::next(&uri.parse().unwrap(), &page);
        assert_eq!(next("/v1/memories").as_deref(), Some("/v1/memories?after=djE"));
        assert_eq!(
            next("/v1/memories?first=2&after=djI&search=a%20b").as_deref(),
            Some("/v1/memories?first=2&search=a%20b&after=djE")
        );
        let last = json!({ "items": [], "hasNextPage": false, "endCursor": "djE" });
        assert_eq!(super::next(&"/v1/memories".parse().unwrap(), &last), None);
    }

    #[test]
    fn a_tag_is_known_in_a_list_weak_or_as_a_star() {
        let tag = tag(b"{}");
        let known = |given: &str| {
            let headers = HeaderMap::from_iter([(IF_NONE_MATCH, given.parse().unwrap())]);
            is_known(&headers, &tag)
        };
        assert!(known(&tag) && known(&format!("W/{tag}")) && known(&format!("\"x\", {tag}")) && known("*"));
        assert!(!known("\"x\"") && !is_known(&HeaderMap::new(), &tag));
    }
}
