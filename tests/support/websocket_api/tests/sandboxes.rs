//! Several sandboxes of one function, which is a few lines of shell here.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::folder::Folder;
use crate::lambda::Lambda;

/// Answers every event, those with a body once there is a file `go` beside it.
const FUNCTION: &str = r#"#!/bin/sh
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation"
cd "$(dirname "$0")"
while curl -sf -D "head.$$" -o "event.$$" "$api/next"; do
  id=$(tr -d '\r' < "head.$$" | sed -n 's/^lambda-runtime-aws-request-id: //p')
  if grep -q '"body"' "event.$$"; then until [ -e go ]; do sleep 0.02; done; fi
  curl -sf -d '{"statusCode":200}' "$api/$id/response"
done
"#;

#[tokio::test]
async fn as_many_frames_are_handled_at_once_as_there_are_sandboxes() {
    let folder = Folder::new("sandboxes");
    let function = folder.path().join("function");
    fs::write(&function, FUNCTION).unwrap();
    fs::set_permissions(&function, fs::Permissions::from_mode(0o755)).unwrap();
    let start = async || Arc::new(Lambda::start_binary(&function, &[]).await);
    let api = WebsocketApi::start(Backend::lambda([start().await, start().await])).await;
    let (mut socket, _) = connected(&api).await;
    for text in ["1", "2", "3"] {
        say(&mut socket, text).await;
    }
    events(&api, "$default", 2).await;
    fs::write(folder.path().join("go"), "").unwrap();
    events(&api, "$default", 3).await;
    assert_eq!(api.most_at_once(), 2);
    assert_eq!(api.failures(), [Value::Null; 0]);
}
