//! `@connections`.

use tokio::time::Instant;

use super::*;

#[tokio::test]
async fn posts_that_follow_each_other_arrive_in_order() {
    let api = WebsocketApi::start(willing()).await;
    let (mut socket, id) = connected(&api).await;
    for n in 0..20 {
        assert_eq!(post(&api, &id, n.to_string()).await, 200);
    }
    for n in 0..20 {
        assert_eq!(next(&mut socket).await, Message::text(n.to_string()));
    }
    assert_eq!(api.posts(&id), 20);
}

#[tokio::test]
async fn what_is_not_signed_is_refused() {
    let api = WebsocketApi::start(willing()).await;
    let (_socket, id) = connected(&api).await;
    let url = format!("{}/@connections/{id}", api.endpoint());
    for method in [Method::POST, Method::GET, Method::DELETE] {
        let unsigned = reqwest::Client::new().request(method.clone(), &url);
        assert_eq!(unsigned.try_clone().unwrap().send().await.unwrap().status(), StatusCode::FORBIDDEN, "{method}");
        let token = unsigned.header("authorization", "Bearer AWS4-HMAC-SHA256").send().await.unwrap();
        assert_eq!(token.status(), StatusCode::FORBIDDEN, "{method}");
    }
    assert_eq!((api.posts(&id), api.deletes()), (0, 0));
}

#[tokio::test]
async fn who_is_not_there_is_gone() {
    let api = WebsocketApi::start(willing()).await;
    for method in [Method::POST, Method::GET, Method::DELETE] {
        let (status, error, body) = call(&api, method, "L0SM9cOFvHcCIhw=", "").await;
        assert_eq!((status, error.as_str(), &body["message"]), (410, "GoneException", &json!("Gone")));
    }
}

#[tokio::test]
async fn a_message_may_be_128_kilobytes() {
    let api = WebsocketApi::start(willing()).await;
    let (mut socket, id) = connected(&api).await;
    let (status, error, _) = call(&api, Method::POST, &id, "x".repeat(MAX_MESSAGE + 1)).await;
    assert_eq!((status, error.as_str()), (413, "PayloadTooLargeException"));
    assert_eq!(post(&api, &id, "x".repeat(MAX_MESSAGE)).await, 200);
    assert_eq!(next(&mut socket).await.len(), MAX_MESSAGE);
}

#[tokio::test]
async fn it_throttles_and_fails_when_told_to() {
    let api = WebsocketApi::start(willing()).await;
    let (_socket, id) = connected(&api).await;
    api.throttle_next(2);
    for _ in 0..2 {
        let (status, error, _) = call(&api, Method::POST, &id, "x").await;
        assert_eq!((status, error.as_str()), (429, "LimitExceededException"));
    }
    assert_eq!((post(&api, &id, "x").await, api.throttled()), (200, 2));
    api.fail_next(1);
    assert_eq!(post(&api, &id, "x").await, 500);
    assert_eq!(post(&api, &id, "x").await, 200);
}

#[tokio::test]
async fn above_the_rate_posts_are_throttled() {
    let api = WebsocketApi::start(willing()).await;
    let (_socket, id) = connected(&api).await;
    api.limit_rate(Some(5));
    let started = Instant::now();
    let mut sent = 0;
    while sent < 12 {
        sent += u64::from(post(&api, &id, "x").await == 200);
    }
    assert!(started.elapsed() >= Duration::from_secs(2), "5 at once, 5 after a second, 2 after another");
    assert!(api.throttled() > 0);
    api.limit_rate(None);
    assert_eq!(post(&api, &id, "x").await, 200);
}

#[tokio::test]
async fn a_slow_client_is_slow_alone() {
    let api = WebsocketApi::start(willing()).await;
    let (_slow, _quick) = (connect(&api).await, connect(&api).await);
    let ids = api.connected(2).await;
    api.delay(&ids[0], Duration::from_millis(300));
    let started = Instant::now();
    let slow = async { (post(&api, &ids[0], "x").await, started.elapsed()) };
    let quick = async { (post(&api, &ids[1], "x").await, started.elapsed()) };
    let ((slow, slow_after), (quick, quick_after)) = tokio::join!(slow, quick);
    assert_eq!((slow, quick), (200, 200));
    assert!(slow_after >= Duration::from_millis(300) && quick_after < slow_after);
}

#[tokio::test]
async fn it_tells_who_is_connected_and_ends_the_connection() {
    let api = WebsocketApi::start(willing()).await;
    let (mut socket, id) = connected(&api).await;
    let (status, _, body) = call(&api, Method::GET, &id, "").await;
    assert_eq!((status, &body["identity"]["sourceIp"]), (200, &json!("127.0.0.1")));
    let time = |name: &str| chrono::DateTime::parse_from_rfc3339(body[name].as_str().unwrap()).unwrap();
    assert!(time("connectedAt") <= time("lastActiveAt"));
    assert_eq!(call(&api, Method::DELETE, &id, "").await.0, 204);
    assert_eq!(post(&api, &id, "late").await, 410);
    assert_eq!(closed(&mut socket).await.0, 1000);
    assert_eq!(api.deletes(), 1);
}
