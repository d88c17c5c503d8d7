//! Other MCP servers: another of these, at a port of this machine.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::{call, failed, naming, post, result, tools};
use crate::graphql::server::Server;
use crate::rest::{bearer, get};

/// A server that others ask. Ends when dropped.
struct Upstream {
    /// The `MCP_UPSTREAMS` that names it `other`.
    named: String,
    /// The `Authorization` of each request.
    shown: Arc<Mutex<Vec<Option<String>>>>,
    serving: JoinSet<()>,
    /// What is behind the port.
    server: Server,
}

impl Upstream {
    async fn start() -> Self {
        let server = Server::start().await;
        let shown = Arc::new(Mutex::new(vec![]));
        let seen = shown.clone();
        let look = move |request: Request, next: Next| {
            let token = request.headers().get("authorization").map(|value| value.to_str().unwrap().to_owned());
            seen.lock().unwrap().push(token);
            next.run(request)
        };
        let router: Router = server.router().layer(from_fn(look));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let named = format!("other=http://{}/mcp", listener.local_addr().unwrap());
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { named, shown, serving, server }
    }

    /// Whether it was asked, and always with that.
    fn was_shown(&self, token: Option<&str>) -> bool {
        let shown = self.shown.lock().unwrap();
        !shown.is_empty() && shown.iter().all(|shown| shown.as_deref() == token)
    }

    async fn stop(&mut self) {
        self.serving.shutdown().await;
    }
}

async fn before(upstream: &Upstream, more: &[(&str, &str)]) -> Server {
    let named = [("RATE_LIMITS", "off"), ("MCP_UPSTREAMS", upstream.named.as_str())];
    Server::start_with(&[more, &named].concat()).await
}

#[tokio::test]
async fn its_tools_are_listed_beside_ours_under_its_name() {
    let upstream = Upstream::start().await;
    let server = before(&upstream, &[]).await;
    let ours = tools(&upstream.server).await;
    let theirs = ours.iter().map(|name| format!("other__{name}"));
    let all: Vec<_> = ours.iter().cloned().chain(theirs).collect();
    assert_eq!(tools(&server).await, all);
    let over_graphql = server.anonymous("{ mcp { tools { name } } }").await.data()["mcp"]["tools"].take();
    assert_eq!(over_graphql, all.iter().map(|name| json!({ "name": name })).collect::<Value>());
    let context = get(&server, "/v1/context?tool=other__chains", None).await.json();
    assert_eq!(context["tools"][0]["name"], "other__chains", "{context}");
    let listed = result(&server, None, "tools/list", json!({})).await;
    let tool = |name: &str| listed["tools"].as_array().unwrap().iter().find(|tool| tool["name"] == name).unwrap();
    assert_eq!(tool("other__crypto_prices")["inputSchema"], tool("crypto_prices")["inputSchema"]);
}

#[tokio::test]
async fn its_tools_are_called_by_users_alone_and_see_nobodys_token() {
    let upstream = Upstream::start().await;
    let server = before(&upstream, &[]).await;
    let prices = json!({ "coins": ["bitcoin"] });
    let nobody = post(&server, None, naming("other__crypto_prices", &prices), &[]).await;
    assert_eq!((nobody.status, nobody.code().as_str()), (StatusCode::UNAUTHORIZED, "UNAUTHENTICATED"));
    assert!(upstream.shown.lock().unwrap().is_empty(), "it was not asked");
    let told = call(&server, Some("ada"), "other__crypto_prices", prices.clone()).await;
    assert_eq!(told, get(&upstream.server, "/v1/prices?coins=bitcoin", None).await.json());
    assert!(upstream.was_shown(None), "{:?}", upstream.shown);
    // What it refuses is refused here, in our words.
    let refused = failed(&server, Some("ada"), "other__no_such_tool", json!({})).await;
    assert_eq!(refused["code"], "BAD_USER_INPUT", "{refused}");
    // What needs a token there cannot be had without one of ours for it.
    let guarded = failed(&server, Some("ada"), "other__emotion", json!({})).await;
    assert_eq!(guarded["code"], "UPSTREAM_UNAVAILABLE", "{guarded}");
}

#[tokio::test]
async fn it_is_shown_the_token_that_is_for_it_and_no_other() {
    let upstream = Upstream::start().await;
    let token = bearer("gateway");
    let tokens = format!("other={}", token.strip_prefix("Bearer ").unwrap());
    let server = before(&upstream, &[("MCP_UPSTREAM_TOKENS", &tokens)]).await;
    let emotion = call(&server, Some("ada"), "other__emotion", json!({})).await;
    assert_eq!(emotion["userId"], "gateway");
    assert!(tools(&server).await.contains(&"other__emotion".to_owned()));
    assert!(upstream.was_shown(Some(&token)), "{:?}", upstream.shown);
    // What fails there fails here, with its own words.
    let unknown = failed(&server, Some("ada"), "other__crypto_prices", json!({ "coins": ["no-such-coin"] })).await;
    assert_eq!(unknown["code"], "NOT_FOUND", "{unknown}");
}

#[tokio::test]
async fn one_that_is_gone_takes_nothing_else_with_it() {
    let mut upstream = Upstream::start().await;
    let server = before(&upstream, &[]).await;
    let prices = json!({ "coins": ["bitcoin"] });
    call(&server, Some("ada"), "other__crypto_prices", prices.clone()).await;
    let all = tools(&server).await;
    upstream.stop().await;
    assert_eq!(call(&server, None, "crypto_prices", prices.clone()).await["items"][0]["usd"], "65000.5");
    // It is asked in vain, and after some times not any more.
    for _ in 0..6 {
        let gone = failed(&server, Some("ada"), "other__crypto_prices", prices.clone()).await;
        assert_eq!((&gone["code"], &gone["service"]), (&json!("UPSTREAM_UNAVAILABLE"), &json!("mcp.other")), "{gone}");
    }
    assert_eq!(tools(&server).await, all, "what it last offered");
    // One that was never there offers nothing.
    let server = before(&upstream, &[]).await;
    assert!(tools(&server).await.iter().all(|name| !name.contains("__")));
    assert_eq!(call(&server, None, "crypto_prices", prices).await["items"][0]["usd"], "65000.5");
}
