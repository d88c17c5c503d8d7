//! Memories: added, listed in pages, searched, deleted.

use serde_json::{Value, json};

use super::server::Server;

async fn add(server: &Server, user: &str, content: &str) -> String {
    let query = format!("mutation {{ addMemory(content: {}) {{ id content createdAt }} }}", json!(content));
    let data = server.user(user, &query).await.data();
    assert_eq!(data["addMemory"]["content"], content);
    data["addMemory"]["id"].as_str().unwrap().to_owned()
}

async fn list(server: &Server, user: &str, arguments: &str) -> Value {
    let query = format!(
        "{{ memories{arguments} {{ edges {{ cursor node {{ content }} }} pageInfo {{ hasNextPage endCursor }} }} }}"
    );
    server.user(user, &query).await.data()["memories"].take()
}

fn contents(page: &Value) -> Vec<&str> {
    page["edges"].as_array().unwrap().iter().map(|edge| edge["node"]["content"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn pages_follow_each_other_newest_first() {
    let server = Server::start().await;
    for n in 0..5 {
        add(&server, "ada", &format!("memory {n}")).await;
    }
    let first = list(&server, "ada", "(first: 3)").await;
    assert_eq!(contents(&first), ["memory 4", "memory 3", "memory 2"]);
    assert_eq!(first["pageInfo"]["hasNextPage"], true);
    let after = first["pageInfo"]["endCursor"].as_str().unwrap();
    let second = list(&server, "ada", &format!("(first: 3, after: \"{after}\")")).await;
    assert_eq!(contents(&second), ["memory 1", "memory 0"]);
    assert_eq!(second["pageInfo"]["hasNextPage"], false);
}

#[tokio::test]
async fn a_search_finds_every_word_in_any_case_and_nothing_of_others() {
    let server = Server::start().await;
    for content in ["Prefers ETH over BTC", "sold 50% of eth", "likes Ünïcode ETH_staking"] {
        add(&server, "ada", content).await;
    }
    add(&server, "bob", "bob's ETH").await;
    let found = async |search: &str| {
        let page = list(&server, "ada", &format!("(search: {})", json!(search))).await;
        contents(&page).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(found("eth btc").await, ["Prefers ETH over BTC"]);
    assert_eq!(found("ÜNÏCODE").await, ["likes Ünïcode ETH_staking"]);
    assert_eq!(found("50%").await, ["sold 50% of eth"]);
    assert_eq!(found("H_s").await, ["likes Ünïcode ETH_staking"]);
    assert_eq!(found("ETH").await.len(), 3);
}

#[tokio::test]
async fn a_deleted_memory_is_gone_and_nobody_deletes_anothers() {
    let server = Server::start().await;
    let id = add(&server, "ada", "secret").await;
    let delete = format!("mutation {{ deleteMemory(id: \"{id}\") }}");
    assert_eq!(server.user("bob", &delete).await.code(), "NOT_FOUND");
    assert_eq!(server.user("ada", &delete).await.data()["deleteMemory"], id.as_str());
    assert_eq!(server.user("ada", &delete).await.code(), "NOT_FOUND");
    assert!(contents(&list(&server, "ada", "").await).is_empty());
}

#[tokio::test]
async fn a_page_that_makes_no_sense_is_the_callers_mistake() {
    let server = Server::start().await;
    for arguments in ["(first: -1)", "(first: 0)", "(first: 101)", "(after: \"garbage\")"] {
        let query = format!("{{ memories{arguments} {{ pageInfo {{ hasNextPage }} }} }}");
        assert_eq!(server.user("ada", &query).await.code(), "BAD_USER_INPUT", "{arguments}");
    }
    for content in [String::new(), " ".into(), "x".repeat(10_001), "a\0b".into()] {
        let query = format!("mutation {{ addMemory(content: {}) {{ id }} }}", json!(content));
        assert_eq!(server.user("ada", &query).await.code(), "BAD_USER_INPUT");
    }
}
