//! What makes no sense is refused in words, before anybody is asked; what nobody offers, with everybody's reason.

use ethers::types::{Address, U256};

use super::numbers::whole;
use super::world::{Question, UNISWAP, World, text};
use crate::graphql::server::Server;

/// Wrapped ether and a token, and a pair of them.
async fn market() -> (World, Server, Address) {
    let world = World::start().await;
    let token = world.uniswap.token(&world.anvil, whole(1_000_000)).await;
    world.uniswap.wrap(&world.anvil, whole(200)).await;
    world.uniswap.v2_pool(&world.anvil, token, world.uniswap.weth, whole(1000), whole(100)).await;
    let server = world.server(UNISWAP, &world.deployments(&[], &[("TOK", token)])).await;
    (world, server, token)
}

#[tokio::test]
async fn a_bad_request_is_told_what_is_wrong_with_it() {
    let (_world, server, token) = market().await;
    let usual = Question::new("WETH", "TOK", 1000);
    let whole_number = "amount must be a whole number of base units, below 2^256";
    let one_case = text(token).to_lowercase();
    let swapped = |c: char| if c.is_ascii_uppercase() { c.to_ascii_lowercase() } else { c.to_ascii_uppercase() };
    let mistyped = text(token).chars().map(swapped).collect::<String>().replacen("0X", "0x", 1);
    let amount = |amount: &str| Question { amount: amount.to_owned(), ..usual.clone() };
    let tokens = |from: &str, to: &str| Question { from: from.to_owned(), to: to.to_owned(), ..usual.clone() };
    for (question, expected) in [
        (amount("0"), "amount must be more than 0"),
        (amount("000"), "amount must be more than 0"),
        (amount(""), whole_number),
        (amount("-1"), whole_number),
        (amount("+1"), whole_number),
        (amount("1.5"), whole_number),
        (amount("1e18"), whole_number),
        (amount("0x10"), whole_number),
        (amount(" 1"), whole_number),
        (amount("١"), whole_number),
        // 2^256, the largest number of 78 digits, and one digit more.
        (amount("115792089237316195423570985008687907853269984665640564039457584007913129639936"), whole_number),
        (amount(&"9".repeat(78)), whole_number),
        (amount(&format!("0{}", U256::MAX)), whole_number),
        (tokens("TOK", "tok"), "fromToken and toToken are the same"),
        (tokens("TOK", &one_case), "fromToken and toToken are the same"),
        (tokens("eth", "ETH"), "fromToken and toToken are the same"),
        (
            tokens("WETH", "DOGE"),
            "toToken: \"DOGE\" is not an address: expected 0x and 40 hexadecimal digits; nor is it a symbol that is known on anvil",
        ),
        (tokens("", "TOK"), "nor is it a symbol that is known on anvil"),
        (tokens(&mistyped, "WETH"), "has a wrong checksum (EIP-55)"),
        (Question { slippage_bps: -1, ..usual.clone() }, "slippageBps must be between 0 and 10000"),
        (Question { slippage_bps: 10_001, ..usual.clone() }, "slippageBps must be between 0 and 10000"),
        (
            Question { chain: "etherium".to_owned(), ..usual.clone() },
            "unsupported chain \"etherium\"; supported: anvil",
        ),
        (Question { recipient: Some("ada.eth".to_owned()), ..usual.clone() }, "\"ada.eth\" is not an address"),
    ] {
        let (code, message) = question.outcome(&server).await.expect_err("it is refused");
        assert_eq!(code, "BAD_USER_INPUT", "{question:?}: {message}");
        assert!(message.contains(expected), "{question:?}: {message}");
    }
}

#[tokio::test]
async fn what_is_allowed_at_the_edges_is_quoted() {
    let (_world, server, token) = market().await;
    let usual = Question::new("eth", text(token).to_lowercase(), 1000);
    for question in [
        Question { slippage_bps: 10_000, ..usual.clone() },
        Question { chain: " eip155:31337 ".to_owned(), ..usual.clone() },
        Question { chain: "Anvil".to_owned(), ..usual.clone() },
        Question { amount: format!("{:0>78}", 1000), ..usual.clone() },
        Question { from: " weth ".to_owned(), ..usual.clone() },
    ] {
        let quote = question.quote(&server).await;
        assert_eq!((&quote["amountOut"], &quote["amountIn"]), (&"9969".into(), &"1000".into()), "{question:?}");
    }
    let without_recipient = Question { recipient: None, ..usual.clone() }.quote(&server).await;
    assert!(without_recipient["transaction"].is_null(), "{without_recipient}");
    let nothing_is_too_little = Question { slippage_bps: 10_000, ..usual }.quote(&server).await;
    assert_eq!(nothing_is_too_little["minAmountOut"], "0");
}

#[tokio::test]
async fn what_nobody_offers_is_not_found_and_everybody_says_why() {
    let (world, server, token) = market().await;
    let nobody = text(Address::repeat_byte(0xab));
    let token = text(token);
    for (question, expected) in [
        (Question::new("WETH", "ETH", 1000), "these are the same token"),
        (Question::new("ETH", text(world.uniswap.weth), 1000), "these are the same token"),
        (Question::new(&nobody, &token, 1000), "no pool trades these"),
        (Question::new(&token, &nobody, 1000), "no pool trades these"),
        (Question::new(&token, "WETH", U256::one() << 255), "no pool can take so much"),
        (Question::new(&token, "WETH", U256::MAX), "no pool can take so much"),
        (Question::new(&token, "WETH", 1), "no pool pays anything for so little"),
        (
            Question { recipient: Some(text(Address::zero())), ..Question::new(&token, "WETH", 1000) },
            "cannot receive anything",
        ),
    ] {
        let (code, message) = question.outcome(&server).await.expect_err("nobody offers it");
        assert_eq!(code, "NOT_FOUND", "{question:?}: {message}");
        let of_v2 = message.split("; ").find(|part| part.contains("uniswap-v2: ")).unwrap_or_default();
        assert!(of_v2.contains(expected) && message.contains("uniswap-v3: "), "{question:?}: {message}");
    }
}

#[tokio::test]
async fn a_quote_needs_the_role_of_a_user() {
    let (_world, server, _) = market().await;
    let query = Question::new("WETH", "TOK", 1000).query();
    assert_eq!(server.anonymous(&query).await.code(), "UNAUTHENTICATED");
    assert_eq!(server.user("ada", &query).await.data()["defiSwapQuote"]["source"], "uniswap-v2");
}
