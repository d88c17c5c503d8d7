//! What is quoted is what is paid, to the unit.

use ethers::types::{Address, U256};
use futures_util::future::join3;
use serde_json::Value;

use super::dice::Dice;
use super::market::{Market, new_token};
use super::numbers::{address, units};
use super::rehearsal::{Side, received, v3_quote, v3_takes_all};
use super::world::{Outcome, Question, RECIPIENT, UNISWAP, World, said, text};
use crate::graphql::server::Server;

const MARKETS: usize = 12;
const QUESTIONS: usize = 16;
/// That many quotes are compared at least, whatever the seed.
const LEAST_COMPARED: usize = 150;

/// Servers that ask both versions, or one: what the loser of both would have had signed is seen only where it is alone.
struct Servers {
    both: Server,
    v2: Server,
    v3: Server,
}

/// A swap, as the contracts see it and as it is asked for.
struct Sale {
    from: Address,
    to: Address,
    sold: Side,
    bought: Side,
    amount: U256,
    question: Question,
}

#[derive(Debug, Default)]
struct Counts {
    compared: usize,
    two_hops: usize,
    native: usize,
    refused: usize,
}

#[tokio::test]
async fn every_quote_is_what_its_swap_pays() {
    let mut dice = Dice::new();
    let world = World::rich().await;
    let base = new_token(&world, &mut dice).await;
    let deployments = world.deployments(&[base], &[]);
    let servers = Servers {
        both: world.server(UNISWAP, &deployments).await,
        v2: world.server("uniswap-v2", &deployments).await,
        v3: world.server("uniswap-v3", &deployments).await,
    };
    let usual = Market::of_base(&world, &mut dice, base).await;
    let mut counts = Counts::default();
    for _ in 0..MARKETS {
        let market = usual.with_new_tokens(&world, &mut dice).await;
        for _ in 0..QUESTIONS {
            let sale = Sale::random(&world, &market, &mut dice);
            sale.check(&world, &market, &servers, &mut counts).await;
        }
    }
    println!("{counts:?}");
    assert!(counts.compared >= LEAST_COMPARED && counts.refused > 0, "{counts:?}");
    assert!(counts.two_hops > 0 && counts.native > 0, "{counts:?}");
}

impl Sale {
    fn random(world: &World, market: &Market, dice: &mut Dice) -> Self {
        let (from, to) = loop {
            let (from, to) = (dice.one(&market.tokens), dice.one(&market.tokens));
            if from != to {
                break (from, to);
            }
        };
        let depth = market.some_depth(dice, from);
        let amount = match dice.from(1, 100) {
            1..=6 => U256::one(),
            7..=12 => dice.number(1, 116),
            13..=30 => depth << dice.from(0, 4),
            _ => dice.number(1, u32::try_from(depth.bits()).expect("at most 256")),
        };
        let mut side = |token: Address| (token != world.uniswap.weth || dice.percent(40)).then_some(token);
        let (sold, bought) = (side(from), side(to));
        let word = |side: Side| side.map_or_else(|| "ETH".to_owned(), text);
        let question = Question::new(word(sold), word(bought), amount);
        Self { from, to, sold, bought, amount, question }
    }

    async fn check(&self, world: &World, market: &Market, servers: &Servers, counts: &mut Counts) {
        let question = &self.question;
        let alone = (question.outcome(&servers.v2), question.outcome(&servers.v3));
        let (both, v2, v3) = join3(question.outcome(&servers.both), alone.0, alone.1).await;
        let expected = market.v2_pays(self.from, self.to, self.amount);
        assert_eq!(v2.as_ref().ok().map(|quote| units(&quote["amountOut"])), expected, "{question:?}: {v2:?}");
        self.nothing_pays_more(world, market, &v3).await;
        match &both {
            Err((code, reasons)) => {
                assert_eq!(code, "NOT_FOUND", "{question:?}: {reasons}");
                assert!(v2.is_err() && v3.is_err(), "{question:?}: {reasons}; {v2:?} {v3:?}");
                assert!(reasons.contains("uniswap-v2: ") && reasons.contains("uniswap-v3: "), "{reasons}");
            }
            Ok(best) => ranked(best, [("uniswap-v2", &v2), ("uniswap-v3", &v3)]),
        }
        for (source, alone) in [("uniswap-v2", &v2), ("uniswap-v3", &v3)] {
            let Ok(alone) = alone else {
                counts.refused += 1;
                continue;
            };
            let quote = both.as_ref().ok().filter(|best| best["source"] == source).unwrap_or(alone);
            self.pays(world, quote).await;
            counts.compared += 1;
            counts.two_hops += usize::from(quote["route"][1].is_object());
            counts.native += usize::from(self.sold.is_none() || self.bought.is_none());
        }
    }

    /// Both by the transaction of the quote, and by one of our own over the same route.
    async fn pays(&self, world: &World, quote: &Value) {
        let question = &self.question;
        let promised = units(&quote["amountOut"]);
        assert_eq!(units(&quote["amountIn"]), self.amount);
        assert_eq!(quote["minAmountOut"], quote["amountOut"], "no slippage was asked for");
        assert_eq!(received(world, quote, self.sold, self.bought).await, promised, "{question:?}: {quote}");
        let hops = quote["route"].as_array().expect("a route");
        let tokens = hops.iter().map(|hop| address(&hop["toToken"]));
        let path: Vec<_> = [address(&hops[0]["fromToken"])].into_iter().chain(tokens).collect();
        assert_eq!((path.first(), path.last()), (Some(&self.from), Some(&self.to)), "{quote}");
        let fee = |hop: &Value| u32::try_from(hop["feePpm"].as_u64().expect("a fee")).expect("less than all");
        let fees: Vec<_> = hops.iter().map(fee).collect();
        let World { anvil, uniswap, .. } = world;
        let paid = if quote["source"] == "uniswap-v2" {
            uniswap.v2_swap(anvil, &path, self.amount, RECIPIENT).await
        } else {
            uniswap.v3_swap(anvil, &path, &fees, self.amount, RECIPIENT).await
        };
        assert_eq!(paid, promised, "{question:?}: {quote}");
    }

    /// Whatever route of V3 promises more takes less than is sold: no answer to what was asked.
    async fn nothing_pays_more(&self, world: &World, market: &Market, told: &Outcome) {
        let quoted = told.as_ref().ok().map(|quote| units(&quote["amountOut"])).unwrap_or_default();
        for (path, fees) in market.v3_routes(self.from, self.to) {
            let promised = v3_quote(world, &path, &fees, self.amount).await.unwrap_or_default();
            if promised > quoted {
                let all = v3_takes_all(world, &path, &fees, self.amount).await;
                assert!(!all, "{:?}: {promised} by {path:?} {fees:?}, not {told:?}", self.question);
            }
        }
    }
}

/// The best of both is what each says alone, and in order.
fn ranked(best: &Value, alone: [(&str, &Outcome); 2]) {
    for (source, outcome) in alone {
        let said = said(best, source);
        match outcome {
            Ok(quote) => assert_eq!(said["amountOut"], quote["amountOut"], "{source}: {best}"),
            Err((_, reason)) => {
                let error = said["error"].as_str().unwrap_or_else(|| panic!("{source} offers something: {best}"));
                assert!(reason.ends_with(error), "{reason} was {error}");
            }
        }
    }
    let worth = |said: &Value| {
        let told = if said["netAmountOut"].is_string() { &said["netAmountOut"] } else { &said["amountOut"] };
        told.is_string().then(|| units(told))
    };
    let (first, second) = (&best["quotes"][0], &best["quotes"][1]);
    assert_eq!(first["source"], best["source"]);
    assert_eq!(first["amountOut"], best["amountOut"]);
    assert!(worth(first) >= worth(second), "{best}");
}
