//! API Gateway's requests, payload versions 2.0 (HTTP API) and 1.0 (REST API), into the one router.
//!
//! Two things about a caller come from the Lambda request context and from nowhere else: the source address, and the
//! claims that an authorizer verified, if the API has one. No client can write that context. Its headers it can, and
//! so no header (`x-forwarded-for`, `x-amzn-oidc-data`) is ever read for either.

use std::sync::Arc;

use axum::Router;
use lambda_http::request::RequestContext;
use lambda_http::{Error, Request, RequestExt, Service};

use crate::app::Renewed;
use crate::faces::http::{ClientAddress, Vouched};
use crate::platform::auth::principal_from_claims;
use crate::platform::telemetry;

/// Serves with the router until the sandbox ends.
///
/// # Errors
/// If the Lambda runtime cannot be reached.
pub async fn run(router: Renewed<Router>) -> Result<(), Error> {
    let router = Arc::new(router);
    let service = lambda_http::service_fn(move |mut request: Request| {
        leave_stage_out(&mut request);
        vouch(&mut request);
        let router = router.clone();
        async move {
            let answer = Router::clone(&*router.current().await).call(request).await;
            telemetry::hand_over().await;
            answer
        }
    });
    lambda_http::run(service).await
}

/// A REST API's stage is the first part of the path as a client sees it, and no part of it here.
fn leave_stage_out(request: &mut Request) {
    let path = request.raw_http_path();
    let path_and_query = match request.uri().query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let mut parts = request.uri().clone().into_parts();
    if let Ok(path_and_query) = path_and_query.parse() {
        parts.path_and_query = Some(path_and_query);
    }
    if let Ok(uri) = http::Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
}

/// Puts what the request context says of the caller beside the request.
fn vouch(request: &mut Request) {
    let (address, claims) = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => {
            let claims = context.authorizer.as_ref().and_then(|authorizer| authorizer.jwt.as_ref());
            let claims = claims.map(|jwt| jwt.claims.iter().map(|(name, value)| (name.clone(), value.clone().into())));
            (context.http.source_ip.clone(), claims.map(Iterator::collect))
        }
        Some(RequestContext::ApiGatewayV1(context)) => {
            let claims = context.authorizer.fields.get("claims").and_then(|claims| claims.as_object());
            (context.identity.source_ip.clone(), claims.cloned())
        }
        _ => (None, None),
    };
    let extensions = request.extensions_mut();
    if let Some(address) = address.and_then(|address| address.parse().ok()) {
        extensions.insert(ClientAddress(address));
    }
    if let Some(principal) = claims.as_ref().and_then(principal_from_claims) {
        extensions.insert(Vouched(principal));
    }
}
