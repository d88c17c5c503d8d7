//! What browsers are told: whose pages may ask, and what a page may load.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};

use super::server::{Answer, Server};

const APP: &str = "https://app.example.com";
const OTHER: &str = "https://evil.example";

async fn send(server: &Server, method: Method, uri: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    server.send(request.body(Body::empty()).unwrap()).await
}

/// Asks first, as a browser does.
async fn preflight(server: &Server, uri: &str, origin: &str) -> Answer {
    let headers = [
        ("origin", origin),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization,content-type,idempotency-key"),
    ];
    send(server, Method::OPTIONS, uri, &headers).await
}

/// Whether a list in a header has that.
fn lists(answer: &Answer, header: &str, wanted: &str) -> bool {
    answer.header(header).is_some_and(|list| list.split(',').any(|one| one.trim().eq_ignore_ascii_case(wanted)))
}

#[tokio::test]
async fn unless_it_is_configured_no_other_site_may_ask() {
    let server = Server::start().await;
    let first = preflight(&server, "/graphql", APP).await;
    assert!(!first.status.is_success(), "{first:?}");
    let asked = server.post(r#"{"query":"{ __typename }"}"#, &[("origin", APP)]).await;
    assert_eq!(asked.status, StatusCode::OK);
    for answer in [first, asked] {
        assert!(!answer.headers.keys().any(|name| name.as_str().starts_with("access-control-")), "{answer:?}");
    }
}

#[tokio::test]
async fn the_sites_that_are_named_may_ask_and_see_the_headers_they_need() {
    let server = Server::start_with(&[("CORS_ORIGINS", "https://app.example.com http://localhost:3000")]).await;
    for path in ["/graphql", "/v1/prices", "/mcp", "/.well-known/oauth-protected-resource"] {
        let first = preflight(&server, path, APP).await;
        assert!(first.status.is_success(), "{path}: {first:?}");
        assert_eq!(first.header("access-control-allow-origin"), Some(APP), "{path}");
        for method in ["GET", "HEAD", "POST", "DELETE", "OPTIONS"] {
            assert!(lists(&first, "access-control-allow-methods", method), "{method}: {first:?}");
        }
        for header in [
            "accept",
            "authorization",
            "content-type",
            "idempotency-key",
            "if-none-match",
            "mcp-protocol-version",
            "mcp-session-id",
            "traceparent",
            "x-correlation-id",
        ] {
            assert!(lists(&first, "access-control-allow-headers", header), "{header}: {first:?}");
        }
    }
    let asked = server.post(r#"{"query":"{ __typename }"}"#, &[("origin", APP)]).await;
    assert_eq!(asked.header("access-control-allow-origin"), Some(APP));
    assert_eq!(asked.data()["__typename"], "Query");
    for header in ["age", "etag", "link", "ratelimit-remaining", "retry-after", "sunset", "x-correlation-id"] {
        assert!(lists(&asked, "access-control-expose-headers", header), "{header}: {asked:?}");
    }
    // What is refused must be read, too.
    let refused = send(&server, Method::DELETE, "/graphql", &[("origin", APP)]).await;
    assert_eq!(refused.header("access-control-allow-origin"), Some(APP), "{refused:?}");
}

#[tokio::test]
async fn a_site_that_is_not_named_is_told_nothing_and_nobody_sends_cookies() {
    let server = Server::start_with(&[("CORS_ORIGINS", APP)]).await;
    for origin in [OTHER, "null", "https://app.example.com.evil.example", "http://app.example.com"] {
        let first = preflight(&server, "/graphql", origin).await;
        let asked = server.post(r#"{"query":"{ __typename }"}"#, &[("origin", origin)]).await;
        for answer in [first, asked] {
            assert_eq!(answer.header("access-control-allow-origin"), None, "{origin}: {answer:?}");
        }
    }
    // What is for whoever runs this is for no page of another site.
    for path in ["/healthz", "/metrics", "/"] {
        let answer = send(&server, Method::GET, path, &[("origin", APP)]).await;
        assert_eq!(answer.header("access-control-allow-origin"), None, "{path}: {answer:?}");
    }
    let allowed = server.post(r#"{"query":"{ __typename }"}"#, &[("origin", APP)]).await;
    assert_eq!(allowed.header("access-control-allow-credentials"), None);
}

#[tokio::test]
async fn an_answer_says_that_it_depends_on_who_asks() {
    for origins in [APP, "*"] {
        let server = Server::start_with(&[("CORS_ORIGINS", origins)]).await;
        for origin in [APP, OTHER] {
            let answer = server.post(r#"{"query":"{ __typename }"}"#, &[("origin", origin)]).await;
            let vary: Vec<_> = answer.headers.get_all("vary").iter().map(|value| value.to_str().unwrap()).collect();
            assert!(vary.join(",").to_lowercase().contains("origin"), "{origins}: {answer:?}");
            let allowed = answer.header("access-control-allow-origin") == Some(origin);
            assert_eq!(allowed, origins == "*" || origin == APP, "{origins}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn every_answer_tells_a_browser_what_to_refuse() {
    let server = Server::start().await;
    for path in ["/", "/graphql?query=%7B__typename%7D", "/graphql", "/healthz", "/schema.graphql", "/nothing-here"] {
        let answer = send(&server, Method::GET, path, &[]).await;
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("x-frame-options", "DENY"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{path}: {answer:?}");
        }
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none';") && policy.contains("frame-ancestors 'none'"), "{policy}");
        // Not by TLS, here.
        assert_eq!(answer.header("strict-transport-security"), None);
    }
}

#[tokio::test]
async fn the_page_loads_what_it_names_and_no_script_besides() {
    let server = Server::start().await;
    let page = send(&server, Method::GET, "/graphql", &[("accept", "text/html")]).await;
    let policy = page.header("content-security-policy").unwrap();
    let part = |name: &str| policy.split("; ").find(|part| part.split(' ').next() == Some(name)).unwrap();
    let (scripts, styles) = (part("script-src"), part("style-src"));
    assert!(!scripts.contains("unsafe") && scripts.contains("'sha256-"), "{scripts}");
    assert_eq!(part("connect-src"), "connect-src 'self'");
    let sources = |before: &str| -> Vec<String> {
        let rest = page.text.split(before).skip(1);
        rest.map(|rest| rest.split('"').next().unwrap().to_owned()).filter(|url| url.starts_with("http")).collect()
    };
    let (loaded, linked) = (sources("src=\""), sources("rel=\"stylesheet\" href=\""));
    assert!(loaded.len() >= 3 && !linked.is_empty(), "{}", page.text);
    for (allowed, urls) in [(scripts, loaded), (styles, linked)] {
        for url in urls {
            let inside = |folder: &str| folder.ends_with('/') && url.starts_with(folder);
            assert!(allowed.split(' ').any(inside), "{url}: {allowed}");
        }
    }
}
