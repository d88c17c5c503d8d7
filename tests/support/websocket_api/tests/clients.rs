//! Who is let in, and what becomes of what they say.

use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use super::*;

#[tokio::test]
async fn a_client_is_let_in_and_reached_once_connect_has_answered() {
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
    let early = async {
        let event = events(&api, "$connect", 1).await.remove(0);
        let id = event["requestContext"]["connectionId"].as_str().unwrap().to_owned();
        assert_eq!(call(&api, Method::POST, &id, "too early").await.0, 410);
        permits.add_permits(9);
        id
    };
    let (mut socket, id) = tokio::join!(connect(&api), early);
    assert_eq!(api.connected(1).await, [id.as_str()]);
    assert_eq!(post(&api, &id, "hello").await, 200);
    assert_eq!(next(&mut socket).await, Message::text("hello"));
    assert_eq!(api.posts(&id), 1);
}

#[tokio::test]
async fn whom_the_function_refuses_gets_its_status_and_a_failure_is_502() {
    for (answer, status) in [
        (Ok(json!({ "statusCode": 401 })), 401),
        (Ok(json!({ "statusCode": 429 })), 429),
        (Ok(json!({ "status": "fine" })), 502),
        (Ok(json!(null)), 502),
        (Err(json!({ "errorMessage": "no" })), 502),
    ] {
        let api = WebsocketApi::start(answering(answer.clone())).await;
        assert_eq!(refused(&api).await, status, "{answer:?}");
        assert_eq!(api.connections(), [""; 0]);
    }
    let limits = Limits { integration: Duration::from_millis(50), ..Limits::default() };
    let api = WebsocketApi::with(Backend::closure(|_| std::future::pending()), limits).await;
    assert_eq!(refused(&api).await, 502);
    let elsewhere = connect_async(api.url().replace(STAGE, "prod")).await;
    assert!(matches!(elsewhere, Err(Error::Http(response)) if response.status() == StatusCode::FORBIDDEN));
}

#[tokio::test]
async fn the_subprotocol_is_what_the_function_says_and_else_none() {
    let asking = |api: &WebsocketApi| {
        let mut request = api.url().into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
        request
    };
    for headers in [
        json!({ "headers": { "SEC-websocket-protocol": "graphql-transport-ws", "x-other": "1" } }),
        json!({ "multiValueHeaders": { "Sec-WebSocket-Protocol": ["graphql-transport-ws"] } }),
    ] {
        let mut answer = headers;
        answer["statusCode"] = json!(200);
        let api = WebsocketApi::start(answering(Ok(answer))).await;
        let (_socket, response) = connect_async(asking(&api)).await.unwrap();
        assert_eq!(response.headers()["sec-websocket-protocol"], "graphql-transport-ws");
        assert!(!response.headers().contains_key("x-other"));
        assert_eq!(api.events()[0]["headers"]["Sec-WebSocket-Protocol"], "graphql-transport-ws");
    }
    let api = WebsocketApi::start(willing()).await;
    assert!(matches!(connect_async(asking(&api)).await, Err(Error::Protocol(_))), "clients refuse to go on without");
}

#[tokio::test]
async fn the_function_is_sent_the_events_of_api_gateway() {
    let api = WebsocketApi::start(willing()).await;
    let mut request = format!("{}?token=a%20b&token=c", api.url()).into_client_request().unwrap();
    request.headers_mut().insert("user-agent", "test/1".parse().unwrap());
    let (mut socket, _) = connect_async(request).await.unwrap();
    say(&mut socket, "{}").await;
    events(&api, "$default", 1).await;
    socket.send(Message::binary(vec![1, 2, 255])).await.unwrap();
    events(&api, "$default", 2).await;
    socket.close(None).await.unwrap();
    events(&api, "$disconnect", 1).await;

    let [connect, text, binary, disconnect] = api.events().try_into().unwrap();
    let context = &connect["requestContext"];
    assert_eq!((&context["eventType"], &context["stage"]), (&json!("CONNECT"), &json!(STAGE)));
    assert_eq!(context["identity"], json!({ "sourceIp": "127.0.0.1", "userAgent": "test/1" }));
    assert_eq!(connect["queryStringParameters"], json!({ "token": "c" }));
    assert_eq!(connect["multiValueQueryStringParameters"], json!({ "token": ["a b", "c"] }));
    assert_eq!(connect["headers"]["User-Agent"], "test/1");
    assert_eq!(connect["multiValueHeaders"]["Sec-WebSocket-Version"], json!(["13"]));
    let id = context["connectionId"].as_str().unwrap();
    assert!(id.len() == 16 && id.ends_with('='), "{id}");
    for event in [&text, &binary, &disconnect] {
        for same in ["connectionId", "connectedAt", "identity", "apiId", "domainName"] {
            assert_eq!(event["requestContext"][same], context[same], "{event}");
        }
        assert_ne!(event["requestContext"]["requestId"], context["requestId"]);
    }
    assert_eq!((&text["body"], &text["isBase64Encoded"]), (&json!("{}"), &json!(false)));
    assert_eq!((&binary["body"], &binary["isBase64Encoded"]), (&json!("AQL/"), &json!(true)));
    assert!(text["requestContext"]["messageId"].is_string() && text.get("headers").is_none(), "{text}");
    assert_eq!(disconnect["requestContext"]["disconnectStatusCode"], 1005);
}

#[tokio::test]
async fn a_client_hears_of_default_only_where_it_fails() {
    let api = WebsocketApi::start(Backend::closure(async |event: Value| match event["body"].as_str() {
        Some("fail") => Err(json!({ "errorMessage": "no" })),
        _ => Ok(json!({ "statusCode": 500, "body": "not for clients" })),
    }))
    .await;
    // 500 would refuse the handshake.
    assert_eq!(refused(&api).await, 500);
    let api = WebsocketApi::start(Backend::closure(async |event: Value| match event["body"].as_str() {
        Some("fail") => Err(json!({ "errorMessage": "no" })),
        Some(_) => Ok(json!({ "statusCode": 500, "body": "not for clients" })),
        None => Ok(json!({ "statusCode": 200 })),
    }))
    .await;
    let (mut socket, id) = connected(&api).await;
    say(&mut socket, "fine").await;
    say(&mut socket, "fail").await;
    let failure: Value = serde_json::from_str(next(&mut socket).await.to_text().unwrap()).unwrap();
    assert_eq!((&failure["message"], &failure["connectionId"]), (&json!("Internal server error"), &json!(id)));
    assert_eq!(api.failures(), [json!({ "errorMessage": "no" })]);
}

#[tokio::test]
async fn frames_of_one_client_run_side_by_side() {
    let (backend, permits) = permitted();
    let api = WebsocketApi::start(backend).await;
    let (mut socket, _) = connected(&api).await;
    for text in ["1", "2", "3"] {
        say(&mut socket, text).await;
    }
    events(&api, "$default", 3).await;
    permits.add_permits(3);
    assert_eq!(api.most_at_once(), 3);
}

#[tokio::test]
async fn a_frame_that_is_held_back_is_overtaken() {
    let api = WebsocketApi::start(willing()).await;
    let (mut socket, _) = connected(&api).await;
    let mut held = api.hold(|body| body.contains("subscribe"));
    for text in ["subscribe 1", "complete 1", "subscribe 2"] {
        say(&mut socket, text).await;
    }
    held.caught().await;
    events(&api, "$default", 2).await;
    held.release();
    let bodies: Vec<_> = events(&api, "$default", 3).await.iter().map(|event| event["body"].clone()).collect();
    assert_eq!((&bodies[2], bodies[..2].contains(&json!("complete 1"))), (&json!("subscribe 1"), true));
}

#[tokio::test]
async fn a_message_may_be_128_kilobytes_and_a_frame_32() {
    /// A message in frames of at most 32 KB, as the client of API Gateway has to send it.
    async fn in_frames(socket: &mut Socket, size: usize) {
        let text = "x".repeat(size);
        let (count, pieces) = (size.div_ceil(MAX_FRAME), text.as_bytes().chunks(MAX_FRAME));
        for (n, piece) in pieces.enumerate() {
            let kind = if n == 0 { Data::Text } else { Data::Continue };
            let frame = Frame::message(piece.to_vec(), OpCode::Data(kind), n + 1 == count);
            // The last ones may meet a connection that is closed.
            let _ = socket.send(Message::Frame(frame)).await;
        }
    }
    let api = WebsocketApi::start(willing()).await;
    let mut socket = connect(&api).await;
    in_frames(&mut socket, MAX_MESSAGE).await;
    let event = events(&api, "$default", 1).await.remove(0);
    assert_eq!(event["body"].as_str().unwrap().len(), MAX_MESSAGE);
    in_frames(&mut socket, MAX_MESSAGE + 1).await;
    assert_eq!(closed(&mut socket).await.0, 1009);
    for size in [MAX_FRAME + 1, MAX_MESSAGE * 4] {
        let mut socket = connect(&api).await;
        let _ = socket.send(Message::text("x".repeat(size))).await;
        assert_eq!(closed(&mut socket).await.0, 1009);
    }
    let reasons = events(&api, "$disconnect", 3).await;
    assert!(reasons.iter().all(|event| event["requestContext"]["disconnectStatusCode"] == 1009), "{reasons:?}");
}
