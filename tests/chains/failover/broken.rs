//! Nodes that do not answer, or not as they should: the other one does.

use support::eventually::eventually;
use tokio::time::timeout;

use super::*;

/// The node that is asked first begins to misbehave; the answer is right all the same, and comes soon.
async fn the_other_answers_where_the_first(mode: Mode) {
    let nodes = nodes::<2>().await;
    let chain = chain(&nodes, 1);
    let first = first_asked(&*chain, &nodes).await;
    nodes[first].proxy.behave(mode).await;
    for _ in 0..5 {
        timeout(HANG, answers(&*chain, &nodes)).await.expect("the other one answers");
    }
    assert!(nodes[1 - first].proxy.requests() >= 5);
    nodes[first].proxy.behave(Mode::Pass).await;
    nodes[1 - first].proxy.behave(mode).await;
    // Its circuit may be open for a while.
    eventually("the first one is asked again", || ask(&*chain, &nodes)).await;
}

#[tokio::test]
async fn the_other_answers_where_the_first_refuses_connections() {
    the_other_answers_where_the_first(Mode::Refuse).await;
}

#[tokio::test]
async fn the_other_answers_where_the_first_is_asked_too_much() {
    the_other_answers_where_the_first(Mode::TooManyRequests).await;
}

#[tokio::test]
async fn the_other_answers_where_the_first_says_so_in_its_answer() {
    the_other_answers_where_the_first(Mode::RateLimitBody).await;
}

#[tokio::test]
async fn the_other_answers_where_the_first_answers_rubbish() {
    the_other_answers_where_the_first(Mode::Garbage).await;
}

#[tokio::test]
async fn the_other_answers_where_the_first_answers_a_page() {
    the_other_answers_where_the_first(Mode::Html).await;
}

#[tokio::test]
async fn the_other_answers_where_the_first_hangs() {
    the_other_answers_where_the_first(Mode::Hang).await;
}

#[tokio::test]
async fn the_other_answers_where_the_first_is_killed() {
    let mut nodes = nodes::<2>().await;
    // Not through proxies, which would answer for it.
    let chain = evm("anvil", &[&nodes[0].anvil.url(), &nodes[1].anvil.url()]);
    answers(&*chain, &nodes).await;
    nodes[0].anvil.kill().await;
    for _ in 0..5 {
        timeout(HANG, answers(&*chain, &nodes)).await.unwrap();
    }
    nodes[0].anvil.restart().await;
    nodes[0].anvil.mine(30).await;
    nodes[1].anvil.kill().await;
    eventually("the other one answers again", || ask(&*chain, &nodes)).await;
}

#[tokio::test]
async fn who_hangs_is_soon_not_asked_first() {
    let nodes = nodes::<2>().await;
    let chain = chain(&nodes, 1);
    let first = first_asked(&*chain, &nodes).await;
    nodes[first].proxy.behave(Mode::Hang).await;
    for _ in 0..3 {
        answers(&*chain, &nodes).await;
    }
    nodes.iter().for_each(|node| node.proxy.forget());
    for _ in 0..20 {
        answers(&*chain, &nodes).await;
    }
    assert!(nodes[first].proxy.requests() < 10, "{}", nodes[first].proxy.requests());
}

#[tokio::test]
async fn who_is_asked_too_much_is_left_alone_for_as_long_as_it_says() {
    for mode in [Mode::TooManyRequests, Mode::RateLimitBody] {
        let nodes = nodes::<2>().await;
        let chain = chain(&nodes, 1);
        let first = first_asked(&*chain, &nodes).await;
        nodes[first].proxy.behave(mode).await;
        nodes[first].proxy.forget();
        for _ in 0..10 {
            answers(&*chain, &nodes).await;
        }
        assert!(nodes[first].proxy.requests() <= 2, "{mode:?}: {}", nodes[first].proxy.requests());
        let told = health(&*chain, &nodes[first]);
        assert!(!told.usable && told.note.contains("left alone"), "{told:?}");
        nodes[first].proxy.behave(Mode::Pass).await;
        eventually("it may be asked again", async || health(&*chain, &nodes[first]).usable).await;
    }
}

#[tokio::test]
async fn who_lags_is_left_out_until_it_has_caught_up() {
    let nodes = nodes::<2>().await;
    let chain = chain(&nodes, 1);
    nodes[1].proxy.behave(Mode::Lag(20)).await;
    for _ in 0..5 {
        assert_eq!(ask(&*chain, &nodes).await.unwrap().block, 30);
    }
    let told = health(&*chain, &nodes[1]);
    assert!(!told.usable && told.note.contains("20 blocks behind"), "{told:?}");
    assert_eq!((told.head, health(&*chain, &nodes[0]).usable), (Some(10), true));
    nodes[1].proxy.behave(Mode::Pass).await;
    eventually("it has caught up", async || {
        answers(&*chain, &nodes).await;
        health(&*chain, &nodes[1]).usable
    })
    .await;
}

#[tokio::test]
async fn who_lags_is_better_than_nobody() {
    let nodes = nodes::<1>().await;
    let chain = chain(&nodes, 1);
    nodes[0].proxy.behave(Mode::Lag(20)).await;
    assert_eq!(ask(&*chain, &nodes).await.unwrap().block, 10);
    assert!(health(&*chain, &nodes[0]).usable);
}

#[tokio::test]
async fn without_any_node_the_chain_is_unavailable_until_one_is_back() {
    let nodes = nodes::<2>().await;
    let chain = chain(&nodes, 1);
    for mode in [Mode::Refuse, Mode::Html, Mode::TooManyRequests] {
        answers(&*chain, &nodes).await;
        for node in &nodes {
            node.proxy.behave(mode).await;
        }
        for _ in 0..10 {
            let error = ask(&*chain, &nodes).await.unwrap_err();
            assert!(matches!(&error, ChainError::Unavailable { chain, .. } if chain == "anvil"), "{error:?}");
            assert!(
                error.to_string().starts_with("anvil: ") && !format!("{error}{error:?}").contains("://"),
                "{error:?}"
            );
        }
        nodes[1].proxy.behave(Mode::Pass).await;
        eventually("it answers again", || ask(&*chain, &nodes)).await;
        nodes[0].proxy.behave(Mode::Pass).await;
    }
}
