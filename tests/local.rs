//! The compiled local process, as a user meets it.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use support::eventually::eventually;
use support::local::{Local, run_local};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

const SIMULATED: (&str, &str) = ("PRICE_SOURCES", "simulated");

async fn ask(local: &Local, token: Option<&str>, query: &str) -> Value {
    let mut request = reqwest::Client::new().post(local.url("/graphql")).header("content-type", "application/json");
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let response = request.body(json!({ "query": query }).to_string()).send().await.expect("it answers");
    serde_json::from_str(&response.text().await.expect("a text")).expect("JSON")
}

/// The token in the banner's line for a user, or the one for an administrator.
pub(crate) async fn tokens(local: &Local) -> (String, String) {
    eventually("the banner shows both tokens", || {
        let output = local.output();
        async move {
            let user = output.split("authorization: Bearer ").nth(1).and_then(|rest| rest.split('\'').next());
            let admin = output.split("The ADMIN token:\n\n").nth(1).and_then(|rest| rest.lines().next());
            user.zip(admin).map(|(user, admin)| (user.to_owned(), admin.to_owned())).ok_or(output.clone())
        }
    })
    .await
}

#[tokio::test]
async fn it_works_offline_on_defaults_and_data_survives_a_restart() {
    let local = Local::start(&[SIMULATED]).await;
    let prices = ask(&local, None, r#"{ cryptoPrices(coins: ["bitcoin"]) { usd source } }"#).await;
    assert_eq!(prices["data"]["cryptoPrices"][0]["source"], "simulated", "{prices}");
    let (user, _) = tokens(&local).await;
    let update = ask(&local, Some(&user), "mutation { updateEmotion(feedback: 30) { points } }").await;
    assert_eq!(update["data"]["updateEmotion"]["points"], 30, "{update}");
    let stopped = local.stop("INT").await;
    assert!(stopped.status.success(), "{}", stopped.output);
    assert!(stopped.output.contains("mcp-server has ended."), "{}", stopped.output);
    let again = Local::start_in(stopped.folder, &[SIMULATED]).await;
    let emotion = ask(&again, Some(&user), "{ emotion { points version } }").await;
    assert_eq!(emotion["data"]["emotion"], json!({ "points": 30, "version": 1 }), "the old token and data hold");
}

#[tokio::test]
async fn an_acknowledged_update_survives_kill_9() {
    let local = Local::start(&[SIMULATED]).await;
    let (user, _) = tokens(&local).await;
    let update = ask(&local, Some(&user), "mutation { updateEmotion(feedback: 7) { version } }").await;
    assert_eq!(update["data"]["updateEmotion"]["version"], 1);
    let folder = local.kill().await;
    let again = Local::start_in(folder, &[SIMULATED]).await;
    let emotion = ask(&again, Some(&user), "{ emotion { points } }").await;
    assert_eq!(emotion["data"]["emotion"]["points"], 7);
}

#[tokio::test]
async fn the_poller_writes_a_history() {
    let local = Local::start(&[SIMULATED, ("PRICE_POLL_SECONDS", "5")]).await;
    eventually("a point of history", || async {
        let answer = ask(&local, None, r#"{ priceHistory(coin: "bitcoin") { edges { node { usd source } } } }"#).await;
        answer["data"]["priceHistory"]["edges"][0]["node"]["usd"].is_string().then_some(()).ok_or(answer)
    })
    .await;
}

#[tokio::test]
async fn a_taken_port_or_a_bad_setting_is_one_clear_line() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap().to_string();
    for (name, value, secret) in [
        ("HTTP_ADDR", taken.as_str(), false),
        ("HTTP_ADDR", "nonsense", false),
        ("DATABASE_URL", "mysql://root:hunter2@db", true),
        ("PRICE_SOURCES", "crystal-ball", false),
        ("PRICE_POLL_SECONDS", "0", false),
        ("RATE_LIMITS", "maybe", false),
        ("JWT_SECRET", "hunter2", true),
        ("REDIS_URL", "http://hunter2@redis", true),
        ("LOG_FORMAT", "xml", false),
    ] {
        let output = run_local(&[], &[("HTTP_ADDR", "127.0.0.1:0"), (name, value)]).await;
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{name}={value}");
        let lines: Vec<_> = text.lines().filter(|line| line.starts_with("mcp-local: ")).collect();
        assert_eq!(lines.len(), 1, "{name}={value}: {text}");
        assert!(lines[0].contains(name), "{name}={value}: {text}");
        assert!(!secret || !text.contains("hunter2"), "{name}: {text}");
    }
}

#[tokio::test]
async fn help_lists_every_variable_and_an_unknown_command_is_refused() {
    let help = run_local(&["--help"], &[]).await;
    let text = String::from_utf8_lossy(&help.stdout);
    for name in [
        "HTTP_ADDR",
        "DATABASE_URL",
        "REDIS_URL",
        "PRICE_SOURCES",
        "COINGECKO_URL",
        "JWT_SECRET",
        "JWKS_URL",
        "RATE_LIMITS",
        "LOG_FORMAT",
        "RUST_LOG",
        "GRAPHQL_ENABLED",
        "PRICE_COINS",
        "PRICE_POLL_SECONDS",
    ] {
        assert!(text.contains(name), "{name} is missing:\n{text}");
    }
    assert_eq!(run_local(&["frobnicate"], &[]).await.status.code(), Some(2));
    let migrated = run_local(&["admin", "migrate"], &[]).await;
    assert!(migrated.status.success() && String::from_utf8_lossy(&migrated.stdout).contains("0001"), "{migrated:?}");
}

#[tokio::test]
async fn no_token_and_no_secret_reaches_the_log() {
    let local = Local::start(&[SIMULATED, ("RUST_LOG", "trace")]).await;
    let (user, admin) = tokens(&local).await;
    ask(&local, Some(&user), "mutation { addMemory(content: \"a private thought\") { id } }").await;
    ask(&local, Some(&admin), "{ emotion { points } }").await;
    let stopped = local.stop("TERM").await;
    let secret = std::fs::read_to_string(stopped.folder.path().join(".local/jwt-secret")).expect("a secret");
    let output = stopped.output;
    assert!(!output.contains(secret.trim()) && !output.contains("a private thought"));
    // The banner shows each once; a log line would show it again.
    assert_eq!(output.matches(&user).count(), 1);
    assert_eq!(output.matches(&admin).count(), 1);
}

#[tokio::test]
async fn graphql_can_be_switched_off() {
    let local = Local::start(&[SIMULATED, ("GRAPHQL_ENABLED", "off")]).await;
    let response = reqwest::get(local.url("/graphql?query=%7B__typename%7D")).await.unwrap();
    assert_eq!(response.status(), 404);
    let mut request = local.websocket_url("/graphql/ws").into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
    assert!(connect_async(request).await.is_err());
    // The banner names what there is, with lines for it.
    let (user, _) = tokens(&local).await;
    let output = local.output();
    assert!(!output.contains("GraphiQL"), "{output}");
    for path in ["/v1 ", "/mcp\n", "/v1/prices?coins=bitcoin,ethereum'"] {
        assert!(output.contains(&local.url(path)), "{path}: {output}");
    }
    let request = reqwest::Client::new().post(local.url("/v1/emotion")).bearer_auth(user);
    let request = request.header("content-type", "application/json").body(r#"{"feedback": 30}"#);
    let emotion: Value = serde_json::from_str(&request.send().await.unwrap().text().await.unwrap()).unwrap();
    assert_eq!(emotion["points"], 30, "{emotion}");
}

#[tokio::test]
async fn a_socket_is_no_way_around_the_flag() {
    let secret = "a secret of at least thirty-two characters";
    let variables = [SIMULATED, ("GRAPHQL_ENABLED", "50%"), ("JWT_SECRET", secret), ("RATE_LIMITS", "off")];
    let local = Local::start(&variables).await;
    let (mut served, mut refused) = (0, 0);
    for user in 0..20 {
        let claims = json!({ "sub": format!("user-{user}"), "exp": chrono::Utc::now().timestamp() + 3600 });
        let token = crate::graphql::server::sign(&claims, secret);
        let over_http = ask(&local, Some(&token), "{ __typename }").await;
        let mut socket = socket(&local, json!({ "authorization": format!("Bearer {token}") })).await;
        assert_eq!(next(&mut socket).await["type"], "connection_ack");
        send(&mut socket, json!({ "id": "1", "type": "subscribe", "payload": { "query": "{ __typename }" } })).await;
        let over_socket = next(&mut socket).await;
        if over_http["data"].is_object() {
            assert_eq!(over_socket["payload"]["data"]["__typename"], "Query", "{over_socket}");
            served += 1;
        } else {
            assert_eq!(over_http["code"], "NOT_FOUND", "{over_http}");
            assert_eq!(over_socket["payload"][0]["extensions"]["code"], "NOT_FOUND", "{over_socket}");
            refused += 1;
        }
    }
    assert!(served > 0 && refused > 0, "{served} {refused}");
}

pub(crate) type Socket = tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

pub(crate) async fn socket(local: &Local, payload: Value) -> Socket {
    let mut request = local.websocket_url("/graphql/ws").into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
    let (mut socket, _) = connect_async(request).await.expect("a socket");
    send(&mut socket, json!({ "type": "connection_init", "payload": payload })).await;
    socket
}

pub(crate) async fn send(socket: &mut Socket, message: Value) {
    socket.send(Message::text(message.to_string())).await.expect("it takes a message");
}

pub(crate) async fn next(socket: &mut Socket) -> Value {
    let message = tokio::time::timeout(support::eventually::DEADLINE, socket.next()).await.expect("a message in time");
    match message.expect("an open socket").expect("a message") {
        Message::Text(text) => serde_json::from_str(&text).expect("JSON"),
        other => json!({ "other": format!("{other:?}") }),
    }
}

#[tokio::test]
async fn a_subscriber_hears_prices_and_an_administrator_hears_emotions() {
    let local = Local::start(&[SIMULATED, ("PRICE_POLL_SECONDS", "5")]).await;
    let (user, admin) = tokens(&local).await;
    let mut prices = socket(&local, json!({ "authorization": format!("Bearer {user}") })).await;
    assert_eq!(next(&mut prices).await["type"], "connection_ack");
    let query = "subscription { priceUpdates(coins: [\"bitcoin\"]) { coin usd source } }";
    send(&mut prices, json!({ "id": "1", "type": "subscribe", "payload": { "query": query } })).await;
    let update = next(&mut prices).await;
    assert_eq!(update["payload"]["data"]["priceUpdates"]["coin"], "bitcoin", "{update}");

    let mut emotions = socket(&local, json!({ "authorization": format!("Bearer {admin}") })).await;
    assert_eq!(next(&mut emotions).await["type"], "connection_ack");
    let query = "subscription { emotionChanges(userId: \"local-user\") { userId newEmotion points version } }";
    send(&mut emotions, json!({ "id": "1", "type": "subscribe", "payload": { "query": query } })).await;
    // A round trip on the same socket: what was sent before it has been taken.
    send(&mut emotions, json!({ "id": "2", "type": "subscribe", "payload": { "query": "{ __typename }" } })).await;
    assert_eq!(next(&mut emotions).await["payload"]["data"]["__typename"], "Query");
    ask(&local, Some(&user), "mutation { updateEmotion(feedback: 60) { points } }").await;
    let heard = eventually_next(&mut emotions).await;
    assert_eq!(heard["newEmotion"], "HAPPY", "{heard}");
}

/// The next update, past the end of the query before it.
async fn eventually_next(socket: &mut Socket) -> Value {
    loop {
        let message = next(socket).await;
        if message["type"] == "next" {
            return message["payload"]["data"]["emotionChanges"].clone();
        }
        assert_eq!(message["type"], "complete", "{message}");
    }
}

#[tokio::test]
async fn a_socket_is_no_way_around_a_guard() {
    let local = Local::start(&[SIMULATED]).await;
    let (user, _) = tokens(&local).await;
    let admin_only = "subscription { emotionChanges(userId: \"x\") { points } }";
    for (payload, query, code) in [
        (json!({}), "subscription { priceUpdates(coins: [\"bitcoin\"]) { usd } }", "UNAUTHENTICATED"),
        (json!({}), "{ emotion { points } }", "UNAUTHENTICATED"),
        (json!({ "authorization": format!("Bearer {user}") }), admin_only, "FORBIDDEN"),
    ] {
        let mut socket = socket(&local, payload).await;
        assert_eq!(next(&mut socket).await["type"], "connection_ack");
        send(&mut socket, json!({ "id": "1", "type": "subscribe", "payload": { "query": query } })).await;
        let answer = next(&mut socket).await;
        assert!(answer.to_string().contains(code), "{query}: {answer}");
    }
    let mut refused = socket(&local, json!({ "authorization": "Bearer garbage" })).await;
    assert!(next(&mut refused).await["other"].as_str().is_some_and(|close| close.starts_with("Close")));
}
