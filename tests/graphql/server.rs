//! The server under test, and what came back from it.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use chrono::Utc;
use mcp_core::app;
use mcp_core::platform::config::Vars;
use serde_json::{Value, json};
use support::coingecko::CoinGecko;
use tower::ServiceExt;

pub(crate) const SECRET: &str = "a secret that is only known to these very tests";

pub(crate) struct Server {
    router: Router,
    pub(crate) coingecko: CoinGecko,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Server {
    /// A server without rate limits.
    pub(crate) async fn start() -> Self {
        Self::start_with(&[("RATE_LIMITS", "off")]).await
    }

    pub(crate) async fn start_with(more: &[(&str, &str)]) -> Self {
        let coingecko = CoinGecko::start().await;
        let url = coingecko.url();
        let mut vars = vec![
            ("DATABASE_URL", "sqlite::memory:"),
            ("JWT_SECRET", SECRET),
            ("PRICE_SOURCES", "coingecko"),
            ("COINGECKO_URL", url.as_str()),
        ];
        vars.extend(more);
        let local = app::local(&vars.into_iter().collect::<Vars>()).await.expect("the server starts");
        Self { router: local.router, coingecko }
    }

    /// The router, for whoever serves it at a port.
    pub(crate) fn router(&self) -> Router {
        self.router.clone()
    }

    /// Any request.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.expect("a router does not fail");
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.expect("a whole body");
        let text = String::from_utf8(bytes.to_vec()).expect("text");
        Answer { status: parts.status, headers: parts.headers, text }
    }

    /// A POST to `/graphql` with these headers.
    pub(crate) async fn post(&self, body: impl Into<Body>, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::post("/graphql").header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(body.into()).expect("a request")).await
    }

    /// Runs a document as an anonymous caller.
    pub(crate) async fn anonymous(&self, query: &str) -> Answer {
        self.post(json!({ "query": query }).to_string(), &[("accept", GRAPHQL)]).await
    }

    /// Runs a document as a user.
    pub(crate) async fn user(&self, user: &str, query: &str) -> Answer {
        self.bearer(&token(user, "USER"), query).await
    }

    /// Runs a document with a token.
    pub(crate) async fn bearer(&self, token: &str, query: &str) -> Answer {
        let authorization = format!("Bearer {token}");
        let headers = [("accept", GRAPHQL), ("authorization", authorization.as_str())];
        self.post(json!({ "query": query }).to_string(), &headers).await
    }
}

pub(crate) const GRAPHQL: &str = "application/graphql-response+json";

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The data of an answer without errors.
    #[track_caller]
    pub(crate) fn data(&self) -> Value {
        let mut answer = self.json();
        assert!(answer.get("errors").is_none(), "{self:?}");
        assert_eq!(self.status, StatusCode::OK, "{self:?}");
        answer["data"].take()
    }

    /// The code of the first error.
    #[track_caller]
    pub(crate) fn code(&self) -> String {
        let answer = self.json();
        let code = answer["errors"][0]["extensions"]["code"].as_str().or_else(|| answer["code"].as_str());
        code.unwrap_or_else(|| panic!("no code: {self:?}")).to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// A token that holds for an hour.
pub(crate) fn token(user: &str, role: &str) -> String {
    sign(&json!({ "sub": user, "role": role, "exp": Utc::now().timestamp() + 3600 }), SECRET)
}

pub(crate) fn sign(claims: &Value, secret: &str) -> String {
    use jsonwebtoken::{EncodingKey, Header, encode};
    encode(&Header::default(), claims, &EncodingKey::from_secret(secret.as_bytes())).expect("claims can be signed")
}
