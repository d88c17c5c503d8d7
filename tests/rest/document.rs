//! The OpenAPI document, and the page to try what it says.

use std::collections::BTreeSet;

use axum::http::{Method, StatusCode};

use super::{get, send};
use crate::graphql::server::Server;

#[tokio::test]
async fn every_route_of_the_document_is_there() {
    let server = Server::start().await;
    let document = get(&server, "/v1/openapi.json", None).await;
    assert_eq!((document.status, document.header("content-type")), (StatusCode::OK, Some("application/json")));
    let document = document.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."), "{}", document["openapi"]);
    let mut routes = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let method = method.to_uppercase();
            // What is in braces is filled in with something that is there nowhere.
            let uri = path.split('/').map(|part| if part.starts_with('{') { "x" } else { part }).collect::<Vec<_>>();
            let uri = uri.join("/");
            let answer = send(&server, Method::from_bytes(method.as_bytes()).unwrap(), &uri, &[], "").await;
            assert_ne!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {uri}: {answer:?}");
            // An operation whose field the GraphQL schema does not have is INTERNAL.
            assert!(!answer.status.is_server_error(), "{method} {uri}: {answer:?}");
            assert!(!answer.text.contains("there is nothing at"), "{method} {uri}: {answer:?}");
            routes.insert(format!("{method} {path}"));
        }
    }
    let listed = get(&server, "/v1", None).await.json();
    let listed: BTreeSet<_> =
        listed["resources"].as_array().unwrap().iter().map(|route| route.as_str().unwrap().to_owned()).collect();
    assert_eq!(routes, listed);
    assert!(routes.len() >= 16, "{routes:?}");
}

#[tokio::test]
async fn a_browser_gets_a_page_that_loads_what_its_policy_names() {
    let server = Server::start().await;
    let page = send(&server, Method::GET, "/v1", &[("accept", "text/html,*/*;q=0.8")], "").await;
    assert!(page.header("content-type").unwrap().starts_with("text/html"), "{page:?}");
    assert!(page.text.contains("/v1/openapi.json") && page.text.contains("integrity=\"sha384-"), "{}", page.text);
    let policy = page.header("content-security-policy").unwrap();
    let scripts = policy.split("; ").find(|part| part.starts_with("script-src ")).unwrap();
    assert!(scripts.contains("https://cdn.jsdelivr.net") && !scripts.contains("unsafe"), "{policy}");
}
