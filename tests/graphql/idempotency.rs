//! `Idempotency-Key`: a repeated request changes nothing and gets the first answer again.

use serde_json::{Value, json};

use super::server::{Answer, Server, token};

async fn with_key(server: &Server, user: &str, key: &str, query: &str) -> Answer {
    let bearer = format!("Bearer {}", token(user, "USER"));
    let headers = [("authorization", bearer.as_str()), ("idempotency-key", key)];
    server.post(json!({ "query": query }).to_string(), &headers).await
}

async fn version(server: &Server, user: &str) -> Value {
    server.user(user, "{ emotion { version } }").await.data()["emotion"]["version"].take()
}

const UPDATE: &str = "mutation { updateEmotion(feedback: 30) { points version updatedAt } }";

#[tokio::test]
async fn the_same_key_gets_the_first_result() {
    let server = Server::start().await;
    let first = with_key(&server, "ada", "k1", UPDATE).await.data();
    server.user("ada", "mutation { updateEmotion(feedback: -5) { points } }").await.data();
    assert_eq!(with_key(&server, "ada", "k1", UPDATE).await.data(), first);
    assert_eq!(version(&server, "ada").await, 2);
}

#[tokio::test]
async fn a_key_is_its_callers_own_and_covers_each_field() {
    let server = Server::start().await;
    with_key(&server, "ada", "k1", UPDATE).await.data();
    with_key(&server, "bob", "k1", UPDATE).await.data();
    assert_eq!(version(&server, "bob").await, 1);
    let two = "mutation { a: updateEmotion(feedback: 1) { version } b: updateEmotion(feedback: 1) { version } }";
    let first = with_key(&server, "ada", "k2", two).await.data();
    assert_eq!(with_key(&server, "ada", "k2", two).await.data(), first);
    assert_eq!(version(&server, "ada").await, 3);
}

#[tokio::test]
async fn a_key_for_something_else_is_refused() {
    let server = Server::start().await;
    with_key(&server, "ada", "k1", UPDATE).await.data();
    let other = "mutation { updateEmotion(feedback: 31) { points } }";
    assert_eq!(with_key(&server, "ada", "k1", other).await.code(), "BAD_USER_INPUT");
    assert_eq!(with_key(&server, "ada", "", UPDATE).await.code(), "BAD_USER_INPUT");
}

#[tokio::test]
async fn deleting_again_under_the_same_key_says_what_it_said() {
    let server = Server::start().await;
    let added = server.user("ada", "mutation { addMemory(content: \"x\") { id } }").await.data();
    let delete = format!("mutation {{ deleteMemory(id: {}) }}", added["addMemory"]["id"]);
    let first = with_key(&server, "ada", "k1", &delete).await.data();
    assert_eq!(with_key(&server, "ada", "k1", &delete).await.data(), first);
    assert_eq!(with_key(&server, "ada", "k2", &delete).await.code(), "NOT_FOUND");
}

#[tokio::test]
async fn each_operation_of_a_batch_has_a_key_of_its_own_and_its_turn() {
    let server = Server::start().await;
    let bearer = format!("Bearer {}", token("ada", "USER"));
    let headers = [("authorization", bearer.as_str()), ("idempotency-key", "k1")];
    let batch = json!([
        { "query": "mutation { updateEmotion(feedback: 10) { version } }" },
        { "query": "mutation { updateEmotion(feedback: 10) { version } }" },
        { "query": "{ emotion { version } }" },
    ]);
    let versions = async || {
        let answers = server.post(batch.to_string(), &headers).await.json();
        let version = |n: usize, field: &str| answers[n]["data"][field]["version"].clone();
        [version(0, "updateEmotion"), version(1, "updateEmotion"), version(2, "emotion")]
    };
    assert_eq!(versions().await, [1, 2, 2]);
    assert_eq!(versions().await, [1, 2, 2], "the same batch again changes nothing");
}
