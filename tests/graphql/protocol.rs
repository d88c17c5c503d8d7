//! GraphQL over HTTP: media types, GET, forged requests, persisted queries, correlation ids. The public audit suite runs
//! beside these (tests/node).

use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::json;

use super::server::{GRAPHQL, Server};

fn get(uri: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = Request::get(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::empty()).unwrap()
}

#[tokio::test]
async fn the_media_type_decides_what_the_status_tells() {
    let server = Server::start().await;
    let invalid = json!({ "query": "{ nope }" }).to_string();
    let classic = server.post(invalid.clone(), &[("accept", "application/json")]).await;
    assert_eq!(
        (classic.status, classic.header("content-type")),
        (StatusCode::OK, Some("application/json; charset=utf-8"))
    );
    let modern = server.post(invalid, &[("accept", GRAPHQL)]).await;
    assert_eq!(modern.status, StatusCode::BAD_REQUEST);
    assert!(modern.header("content-type").unwrap().starts_with(GRAPHQL));
    let neither = server.post("{}", &[("accept", "text/csv")]).await;
    assert_eq!(neither.status, StatusCode::NOT_ACCEPTABLE);
}

#[tokio::test]
async fn a_get_carries_queries_alone() {
    let server = Server::start().await;
    let query = server.send(get("/graphql?query=%7B%20__typename%20%7D", &[("accept", GRAPHQL)])).await;
    assert_eq!(query.data(), json!({ "__typename": "Query" }));
    let with_variables = "/graphql?query=query(%24c%3A%5BString!%5D!)%7BcryptoPrices(coins%3A%24c)%7Busd%7D%7D\
        &variables=%7B%22c%22%3A%5B%22bitcoin%22%5D%7D";
    assert_eq!(server.send(get(with_variables, &[])).await.data()["cryptoPrices"][0]["usd"], "65000.5");
    let mutation = "/graphql?query=mutation%7BupdateEmotion(feedback%3A1)%7Bpoints%7D%7D";
    let token = super::server::token("ada", "USER");
    let bearer = format!("Bearer {token}");
    let answer = server.send(get(mutation, &[("authorization", &bearer)])).await;
    assert_eq!((answer.status, answer.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, Some("GET, POST")));
    assert_eq!(server.user("ada", "{ emotion { version } }").await.data()["emotion"]["version"], 0);
}

#[tokio::test]
async fn a_form_and_another_site_cannot_make_a_browser_ask() {
    let server = Server::start().await;
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        let request = Request::post("/graphql").header("content-type", content_type);
        let answer = server.send(request.body(Body::from("{\"query\":\"{ __typename }\"}")).unwrap()).await;
        assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{content_type}");
    }
    let uri = "/graphql?query=%7B__typename%7D";
    let image = get(uri, &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")]);
    assert_eq!(server.send(image).await.status, StatusCode::FORBIDDEN);
    let same = get(uri, &[("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "cors")]);
    assert_eq!(server.send(same).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_document_is_sent_once_and_then_named_by_its_hash() {
    use sha2::Digest;

    let server = Server::start().await;
    let query = "{ __typename }";
    let hash = format!("{:x}", sha2::Sha256::digest(query));
    let persisted = |hash: &str| json!({ "persistedQuery": { "version": 1, "sha256Hash": hash } });
    let named = json!({ "extensions": persisted(&hash) }).to_string();
    assert_eq!(server.post(named.clone(), &[]).await.code(), "PERSISTED_QUERY_NOT_FOUND");
    let wrong = json!({ "query": "{ a: __typename }", "extensions": persisted(&hash) }).to_string();
    assert_eq!(server.post(wrong, &[]).await.code(), "BAD_USER_INPUT");
    let whole = json!({ "query": query, "extensions": persisted(&hash) }).to_string();
    assert_eq!(server.post(whole, &[]).await.data(), json!({ "__typename": "Query" }));
    assert_eq!(server.post(named, &[]).await.data(), json!({ "__typename": "Query" }));
}

#[tokio::test]
async fn every_answer_carries_a_correlation_id() {
    let server = Server::start().await;
    let given = server.post("{}", &[("x-correlation-id", "my-id-1")]).await;
    assert_eq!(given.header("x-correlation-id"), Some("my-id-1"));
    let unsafe_id = server.post("{}", &[("x-correlation-id", "a b\"c")]).await;
    let made = unsafe_id.header("x-correlation-id").unwrap();
    assert!(uuid::Uuid::parse_str(made).is_ok(), "{made}");
}

#[tokio::test]
async fn the_schema_and_a_page_for_browsers_are_served() {
    let server = Server::start().await;
    let sdl = server.send(get("/schema.graphql", &[])).await;
    assert!(sdl.text.contains("directive @auth(requires: Role!) on FIELD_DEFINITION"), "{}", sdl.text);
    let page = server.send(get("/graphql", &[("accept", "text/html,application/xhtml+xml,*/*;q=0.8")])).await;
    assert!(page.text.contains("graphiql") && page.header("content-type").unwrap().starts_with("text/html"));
    let index = server.send(get("/", &[])).await.json();
    assert!(index["links"]["/graphql"].is_string(), "{index}");
    assert_eq!(server.send(get("/healthz", &[])).await.json()["status"], "ok");
}
