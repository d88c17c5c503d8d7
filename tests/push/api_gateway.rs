//! What reaches a client, and what does not.

use std::sync::Arc;
use std::time::Duration;

use mcp_core::push::{MAX_MESSAGE, PostError, Poster};
use support::eventually::eventually;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::*;

#[tokio::test]
async fn posts_that_follow_each_other_arrive_in_order_as_the_protocol_has_them() {
    let (api, poster, mut socket, id) = connected().await;
    for n in 0..20 {
        assert_eq!(poster.post(&id, numbered(n)).await, Ok(()));
    }
    for n in 0..20 {
        assert_eq!(heard(&mut socket).await, Message::text(numbered(n).message.to_text()));
    }
    assert_eq!(api.posts(id.as_str()), 20);
    assert!(!poster.keeps_order(), "what clients send is handled side by side");
}

#[tokio::test]
async fn the_largest_message_arrives() {
    let (_api, poster, mut socket, id) = connected().await;
    let frame = ServerMessage::Next("1".into(), Bytes::new()).to_text().len();
    let payload = format!("\"{}\"", "x".repeat(MAX_MESSAGE - frame - 2));
    let message = ServerMessage::Next("1".into(), payload.into());
    assert_eq!(message.to_text().len(), MAX_MESSAGE);
    assert_eq!(poster.post(&id, message.into()).await, Ok(()));
    assert_eq!(heard(&mut socket).await.len(), MAX_MESSAGE);
    let payload = format!("\"{}\"", "x".repeat(MAX_MESSAGE));
    let refused = poster.post(&id, ServerMessage::Next("1".into(), payload.into()).into()).await;
    assert!(matches!(refused, Err(PostError::Unavailable(why)) if why.contains("too large")));
}

#[tokio::test]
async fn a_client_is_gone_before_it_was_let_in_and_after_it_left() {
    let permits = Arc::new(Semaphore::new(0));
    let taken = permits.clone();
    let api = WebsocketApi::start(Backend::closure(move |_| {
        let taken = taken.clone();
        async move {
            taken.acquire().await.unwrap().forget();
            Ok(json!({ "statusCode": 200 }))
        }
    }))
    .await;
    let poster = poster(&api.endpoint());
    let early = async {
        let event = eventually("$connect", || async { api.events().pop() }).await;
        let id = ConnectionId::new(event["requestContext"]["connectionId"].as_str().unwrap());
        assert_eq!(poster.post(&id, numbered(0)).await, Err(PostError::Gone));
        permits.add_permits(9);
        id
    };
    let (socket, id) = tokio::join!(connect_async(api.url()), early);
    let (mut socket, _) = socket.unwrap();
    api.connected(1).await;
    assert_eq!(poster.post(&id, numbered(1)).await, Ok(()));
    socket.close(None).await.unwrap();
    api.connected(0).await;
    assert_eq!(poster.post(&id, numbered(2)).await, Err(PostError::Gone));
}

#[tokio::test]
async fn what_is_throttled_was_tried_once() {
    let (api, poster, mut socket, id) = connected().await;
    api.throttle_next(2);
    for call in 1..=2 {
        assert_eq!(poster.post(&id, numbered(0)).await, Err(PostError::Throttled));
        assert_eq!(api.throttled(), call);
    }
    assert_eq!(poster.post(&id, numbered(1)).await, Ok(()));
    assert_eq!(heard(&mut socket).await, Message::text(numbered(1).message.to_text()));
    api.throttle_next(1);
    assert_eq!(poster.close(&id, close()).await, Err(PostError::Throttled));
    api.fail_next(1);
    assert!(matches!(poster.post(&id, numbered(2)).await, Err(PostError::Unavailable(_))));
    assert_eq!(api.posts(id.as_str()), 1);
}

#[tokio::test]
async fn a_slow_client_is_not_waited_for() {
    let (api, poster, _socket, id) = connected().await;
    api.delay(id.as_str(), Duration::from_mins(1));
    let started = Instant::now();
    let unanswered = PostError::Unavailable("no answer in time".to_owned());
    assert_eq!(poster.post(&id, numbered(0)).await, Err(unanswered));
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_connection_is_ended_however_often() {
    let (api, poster, mut socket, id) = connected().await;
    assert_eq!(poster.close(&id, close()).await, Ok(()));
    assert!(matches!(heard(&mut socket).await, Message::Close(Some(frame)) if u16::from(frame.code) == 1000));
    api.connected(0).await;
    assert_eq!(poster.close(&id, close()).await, Ok(()));
    assert_eq!(poster.post(&id, numbered(0)).await, Err(PostError::Gone));
    assert_eq!(api.deletes(), 1);
}
