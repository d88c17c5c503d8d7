//! Who does not answer is named, and keeps nobody else from answering. And how often a node is asked.

use axum::Router;
use axum::http::StatusCode;
use ethers::types::Address;
use support::eventually::eventually;
use support::rpc_proxy::{Mode, RpcProxy};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::numbers::whole;
use super::world::{Question, UNISWAP, World, said, text};

/// Pairs of a token with the wrapped coin and with another token.
async fn pairs(world: &World) -> [Address; 2] {
    let World { anvil, uniswap, .. } = world;
    let (a, b) = (uniswap.token(anvil, whole(1_000_000)).await, uniswap.token(anvil, whole(1_000_000)).await);
    uniswap.wrap(anvil, whole(100)).await;
    uniswap.v2_pool(anvil, a, uniswap.weth, whole(1000), whole(100)).await;
    uniswap.v2_pool(anvil, a, b, whole(1000), whole(1000)).await;
    [a, b]
}

#[tokio::test]
async fn a_node_that_does_not_answer_is_an_outage_and_no_fault_of_ours() {
    let world = World::start().await;
    let [a, b] = pairs(&world).await;
    let proxy = RpcProxy::before(&world.anvil.url()).await;
    let variables = [("QUOTE_SOURCES", UNISWAP)];
    for mode in [Mode::Refuse, Mode::Html, Mode::Garbage, Mode::TooManyRequests, Mode::WrongChain(5), Mode::Hang] {
        let server = world.server_with(&proxy.url(), &world.deployments(&[], &[]), &variables).await;
        proxy.behave(mode).await;
        let answer = Question::new(text(a), text(b), 1000).ask(&server).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (503, "UPSTREAM_UNAVAILABLE"), "{mode:?}");
        assert_eq!(answer.json()["errors"][0]["extensions"]["service"], "swap-quotes", "{answer:?}");
        assert!(!answer.text.contains("127.0.0.1"), "where the node is is nobody's business: {answer:?}");
        proxy.behave(Mode::Pass).await;
    }
    let server = world.server(UNISWAP, &world.deployments(&[], &[])).await;
    world.anvil.pause().await;
    let answer = Question::new(text(a), text(b), 1000).ask(&server).await;
    assert_eq!(answer.code(), "UPSTREAM_UNAVAILABLE", "{answer:?}");
    world.anvil.resume().await;
    // Until its circuit lets a call through again.
    let quote = eventually("it is asked again", async || {
        let answer = Question::new(text(a), text(b), 1000).ask(&server).await;
        if answer.status.is_success() { Ok(answer.data()["defiSwapQuote"].take()) } else { Err(answer.text) }
    });
    assert_eq!(quote.await["source"], "uniswap-v2");
}

#[tokio::test]
async fn a_source_makes_one_request_for_its_quote_and_one_to_see_fees_on_transfer() {
    let world = World::start().await;
    let [a, b] = pairs(&world).await;
    let proxy = RpcProxy::before(&world.anvil.url()).await;
    let server =
        world.server_with(&proxy.url(), &world.deployments(&[], &[]), &[("QUOTE_SOURCES", "uniswap-v2")]).await;
    let (token, other) = (text(a), text(b));
    // The first also asks which chain it is.
    Question::new(&token, &other, 1000).quote(&server).await;
    // Beside those: what gas costs, and what the coin is worth in what is bought.
    for (from, to, requests, calls) in
        [(token.as_str(), other.as_str(), 4, 1 + 2 + 1), (&token, "ETH", 3, 1 + 1), ("ETH", &token, 4, 1 + 1 + 1)]
    {
        proxy.forget();
        Question::new(from, to, 1000).quote(&server).await;
        let asked = proxy.calls();
        assert_eq!(proxy.requests(), requests, "{from} {to}: {asked:?}");
        assert_eq!(asked.iter().filter(|method| *method == "eth_call").count(), calls, "{asked:?}");
        assert_eq!(asked.iter().filter(|method| *method == "eth_gasPrice").count(), 1, "{asked:?}");
    }
}

#[tokio::test]
async fn a_service_that_fails_is_listed_and_the_best_of_the_others_wins() {
    let world = World::ethereum().await;
    let [a, b] = pairs(&world).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut broken = JoinSet::new();
    let routes = Router::new().fallback(|| async { (StatusCode::INTERNAL_SERVER_ERROR, "secret stack trace") });
    broken.spawn(async move { axum::serve(listener, routes).await.unwrap() });
    let variables = [("QUOTE_SOURCES", "lifi,uniswap-v3,uniswap-v2"), ("LIFI_URL", url.as_str())];
    let server = world.server_with(&world.anvil.url(), &world.deployments(&[], &[]), &variables).await;
    let question = Question { chain: "ethereum".to_owned(), ..Question::new(text(a), text(b), 1000) };
    let quote = question.quote(&server).await;
    assert_eq!((&quote["source"], &quote["amountOut"]), (&"uniswap-v2".into(), &"996".into()), "{quote}");
    let error = said(&quote, "lifi")["error"].as_str().unwrap_or_default();
    assert!(error.contains("500") && !error.contains("secret"), "{error}");
    assert_eq!(said(&quote, "uniswap-v3")["error"], "no pool trades these");
    // With nobody left, it is an outage: who failed might have offered it.
    let nowhere = text(Address::repeat_byte(0xab));
    let (code, _) = Question { to: nowhere, ..question }.outcome(&server).await.expect_err("nobody offers it");
    assert_eq!(code, "UPSTREAM_UNAVAILABLE");
}
