//! How connections end.

use std::collections::BTreeSet;

use super::*;

/// The codes with which `$disconnect` was told of so many ends.
async fn codes(api: &WebsocketApi, count: usize) -> BTreeSet<u64> {
    let code = |event: &Value| event["requestContext"]["disconnectStatusCode"].as_u64().unwrap();
    events(api, "$disconnect", count).await.iter().map(code).collect()
}

#[tokio::test]
async fn a_connection_without_messages_is_ended_and_pings_are_none() {
    let limits = Limits { idle: Duration::from_millis(300), ..Limits::default() };
    let api = WebsocketApi::with(willing(), limits).await;
    let (mut socket, id) = connected(&api).await;
    let mut pongs = 0;
    let code = loop {
        let _ = socket.send(Message::Ping("".into())).await;
        match timeout(Duration::from_millis(30), next(&mut socket)).await {
            Ok(Message::Pong(_)) => pongs += 1,
            Ok(Message::Close(Some(frame))) => break u16::from(frame.code),
            Ok(other) => panic!("{other}"),
            Err(_) => {}
        }
    };
    assert!(pongs > 0 && code == 1001, "{pongs} {code}");
    assert_eq!(codes(&api, 1).await, [1001].into());
    assert_eq!(post(&api, &id, "late").await, 410);
}

#[tokio::test]
async fn no_connection_outlives_the_limit_however_busy() {
    let limits = Limits { lifetime: Duration::from_millis(300), ..Limits::default() };
    let api = WebsocketApi::with(willing(), limits).await;
    let (mut socket, id) = connected(&api).await;
    while post(&api, &id, "busy").await == 200 {}
    assert_eq!(closed(&mut socket).await, (1001, "Going away".to_owned()));
}

#[tokio::test]
async fn disconnect_tells_who_ended_it_and_how() {
    let api = WebsocketApi::start(willing()).await;
    let mut sockets = Vec::new();
    for count in 1..=4 {
        sockets.push(connect(&api).await);
        api.connected(count).await;
    }
    let ids = api.connections();
    let frame = CloseFrame { code: 4400.into(), reason: "mine".into() };
    sockets[0].close(Some(frame)).await.unwrap();
    sockets.swap_remove(1);
    assert_eq!(call(&api, Method::DELETE, &ids[2], "").await.0, 204);
    api.cut(&ids[3]).await;
    assert_eq!(codes(&api, 4).await, [4400, 1006, 1000].into());
    let mine = api.events().into_iter().find(|event| event["requestContext"]["disconnectStatusCode"] == 4400);
    assert_eq!(mine.unwrap()["requestContext"]["disconnectReason"], "mine");
    assert_eq!(api.connections(), [""; 0]);
}

#[tokio::test]
async fn disconnect_may_never_come() {
    let api = WebsocketApi::start(willing()).await;
    api.send_disconnects(false);
    let (mut lost, _) = connected(&api).await;
    lost.close(None).await.unwrap();
    api.connected(0).await;
    api.send_disconnects(true);
    let (mut told, id) = connected(&api).await;
    told.close(None).await.unwrap();
    let events = events(&api, "$disconnect", 1).await;
    assert_eq!(events[0]["requestContext"]["connectionId"], id);
}

#[tokio::test]
async fn a_client_that_never_reads_is_given_up() {
    let limits = Limits { stalled: Duration::from_millis(300), ..Limits::default() };
    let api = WebsocketApi::with(willing(), limits).await;
    let (_socket, id) = connected(&api).await;
    let text = "x".repeat(MAX_MESSAGE);
    while post(&api, &id, text.clone()).await == 200 {}
    assert!(api.posts(&id) > 1, "buffers take some");
    assert_eq!(codes(&api, 1).await, [1006].into());
}

#[tokio::test]
async fn clients_are_cut_off_when_the_api_ends() {
    let api = WebsocketApi::start(willing()).await;
    let mut socket = connect(&api).await;
    api.connected(1).await;
    drop(api);
    assert!(timeout(DEADLINE, socket.next()).await.unwrap().is_none_or(|message| message.is_err()));
}
