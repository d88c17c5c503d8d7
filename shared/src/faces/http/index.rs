//! `/`: what is here.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use http::{Extensions, HeaderMap};
use serde_json::json;

use super::{Http, negotiate, request};

pub(super) async fn show(State(http): State<Arc<Http>>, headers: HeaderMap, extensions: Extensions) -> Response {
    let mut links = vec![
        ("/v1", "REST (a page to try it in a browser)"),
        ("/mcp", "the Model Context Protocol (streamable HTTP)"),
        ("/healthz", "whether this process and its database are up"),
    ];
    if http.local {
        links.push(("/metrics", "what this process measured, for Prometheus"));
    }
    if request::meets_graphql(&http, &headers, &extensions).await {
        links.insert(0, ("/graphql", "the GraphQL endpoint (POST, GET; GraphiQL in a browser)"));
        if http.local {
            links.insert(1, ("/graphql/ws", "subscriptions (graphql-transport-ws)"));
        }
        links.push(("/schema.graphql", "the GraphQL schema"));
    }
    if negotiate::wants_html(&headers) {
        let items: String = links
            .iter()
            .map(|(path, what)| format!("<li><a href=\"{path}\"><code>{path}</code></a>: {what}</li>"))
            .collect();
        let page = format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>mcp-server</title>\
             <h1>mcp-server</h1><ul>{items}</ul></html>"
        );
        return Html(page).into_response();
    }
    let links: serde_json::Map<_, _> = links.into_iter().map(|(path, what)| (path.to_owned(), json!(what))).collect();
    Json(json!({ "name": "mcp-server", "version": env!("CARGO_PKG_VERSION"), "links": links })).into_response()
}
