//! Several fake nodes as one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use super::fake::{Answer, FakeNode, nodes};
use super::*;
use crate::domain::chain::ChainId;
use crate::platform::BoxFuture;
use crate::sources::SourceError;

struct Numbers;

impl Protocol for Numbers {
    fn probe<'a>(&'a self, session: &'a Session) -> BoxFuture<'a, Result<(ChainId, u64), RpcError>> {
        Box::pin(async move {
            let id = session.call::<u64>("id", json!([])).await?;
            Ok((ChainId::evm(id), session.call("head", json!([])).await?))
        })
    }
}

/// A node of chain 1 at a block, which answers `ask` with what it is told to.
async fn node(head: u64, answer: impl Fn() -> Answer + Send + Sync + 'static) -> FakeNode {
    node_of(1, head, answer).await
}

async fn node_of(chain: u64, head: u64, answer: impl Fn() -> Answer + Send + Sync + 'static) -> FakeNode {
    FakeNode::answering(move |method, _| match method {
        "id" => Ok(json!(chain)),
        "head" => Ok(json!(head)),
        _ => answer(),
    })
    .await
}

fn error(code: i64, message: &str) -> Answer {
    Err(json!({ "code": code, "message": message }))
}

async fn ask(nodes: &Nodes) -> Result<String, RpcError> {
    nodes.run(|session| async move { session.call("ask", json!([])).await }).await
}

async fn of(fakes: &[&FakeNode]) -> Result<String, RpcError> {
    ask(&nodes(ChainId::evm(1), fakes, Numbers, 1)).await
}

#[tokio::test]
async fn the_next_node_answers_where_one_is_no_use() {
    let good = node(100, || Ok(json!("good"))).await;
    for bad in [
        || error(-32005, "daily request limit exceeded"),
        || error(-32000, "header not found"),
        || error(-32601, "no such method"),
        || error(403, "Access forbidden"),
        || Ok(json!(7)),
    ] {
        let bad = node(100, bad).await;
        assert_eq!(of(&[&bad, &good]).await.unwrap(), "good");
    }
}

#[tokio::test]
async fn what_a_contract_says_is_an_answer_whatever_its_words() {
    let good = node(100, || Ok(json!("good"))).await;
    let reverting = node(100, || error(3, "execution reverted: rate limit exceeded")).await;
    let both = nodes(ChainId::evm(1), &[&reverting], Numbers, 1);
    for _ in 0..20 {
        assert!(matches!(ask(&both).await, Err(RpcError::Answer(_))));
    }
    assert!(both.health()[0].usable);
    assert!(good.calls("ask").is_empty());
}

#[tokio::test]
async fn a_node_of_another_chain_is_asked_nothing_else() {
    let (other, good) = (node_of(2, 100, || Ok(json!("other"))).await, node(100, || Ok(json!("good"))).await);
    assert_eq!(of(&[&other, &good]).await.unwrap(), "good");
    let Err(RpcError::Source(SourceError::Unavailable(reason))) = of(&[&other]).await else { panic!() };
    assert_eq!(reason, "a node serves eip155:2, not eip155:1");
    assert!(other.calls("ask").is_empty());
}

#[tokio::test]
async fn a_node_that_lags_is_left_out() {
    let (old, new) = (node(800, || Ok(json!("old"))).await, node(1000, || Ok(json!("new"))).await);
    let both = nodes(ChainId::evm(1), &[&old, &new], Numbers, 1);
    for _ in 0..5 {
        assert_eq!(ask(&both).await.unwrap(), "new");
    }
    let health = both.health();
    assert_eq!((health[0].usable, health[0].note.as_str()), (false, "a node is 200 blocks behind"));
    assert!(health[1].usable);
    assert!(old.calls("ask").is_empty());
}

#[tokio::test]
async fn a_quorum_is_as_many_as_agree() {
    let (one, two) = (node(100, || Ok(json!("a"))).await, node(100, || Ok(json!("a"))).await);
    let (lie, revert) = (node(100, || Ok(json!("b"))).await, node(100, || error(3, "execution reverted")).await);
    let agree = |fakes: Vec<FakeNode>| async move {
        let nodes = nodes(ChainId::evm(1), &fakes.iter().collect::<Vec<_>>(), Numbers, 2);
        nodes.agree(|session| async move { session.call::<String>("ask", json!([])).await }).await
    };
    assert_eq!(agree(vec![lie, revert, one, two]).await.unwrap(), "a");
    let (lie, one) = (node(100, || Ok(json!("b"))).await, node(100, || Ok(json!("a"))).await);
    let Err(RpcError::Source(SourceError::Malformed(reason))) = agree(vec![lie, one]).await else { panic!() };
    assert_eq!(reason, "fewer than 2 nodes agree");
}

#[tokio::test]
async fn a_node_that_takes_no_batches_gets_calls_one_by_one() {
    let count = Arc::new(AtomicU64::new(0));
    let counted = count.clone();
    let node = node(100, move || Ok(json!(counted.fetch_add(1, Ordering::SeqCst)))).await.without_batches();
    let nodes = nodes(ChainId::evm(1), &[&node], Numbers, 1);
    for _ in 0..2 {
        let calls = [("ask", json!([])), ("ask", json!([])), ("ask", json!([]))];
        let calls = &calls;
        let outcomes = nodes.run(|session| async move { session.batch(calls).await }).await.unwrap();
        assert_eq!(outcomes.len(), 3);
        assert!(outcomes.iter().all(Result::is_ok));
    }
    let batches = node.requests().into_iter().filter(|calls| calls.len() > 1).count();
    assert_eq!((count.load(Ordering::SeqCst), batches), (6, 1));
}

#[tokio::test]
async fn a_slow_answer_is_overtaken() {
    let slow = node(100, || Ok(json!("slow"))).await.slow_to("ask");
    let quick = node(100, || Ok(json!("quick"))).await;
    let both = nodes(ChainId::evm(1), &[&slow, &quick], Numbers, 1);
    for _ in 0..3 {
        let read = both.read(|session| async move { session.call::<String>("ask", json!([])).await }).await;
        assert_eq!(read.unwrap(), "quick");
    }
}

/// `null` is a result, and nothing is none.
#[tokio::test]
async fn nothing_is_a_result_where_it_is_said() {
    let null = node(100, || Ok(Value::Null)).await;
    let nodes = nodes(ChainId::evm(1), &[&null], Numbers, 1);
    let answer = nodes.run(|session| async move { session.call::<Option<u64>>("ask", json!([])).await }).await;
    assert_eq!(answer.unwrap(), None);
}
