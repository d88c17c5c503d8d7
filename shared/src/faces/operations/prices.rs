//! Prices and swap quotes.

use std::sync::Arc;

use super::input::{AnyCoins, Coins, History, Swap};
use super::{About, Answer, Operation, query};
use crate::domain::coin::Coin;
use crate::faces::graphql::Services;
use crate::faces::views::lists::{Items, Paged};
use crate::faces::views::swaps::SwapQuote;
use crate::faces::views::{Price, PriceOutcome, PricePoint};
use crate::services::prices::{HistoryFilter, Prices};
use crate::services::{Call, Error};

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::new(
            query(
                "cryptoPrices",
                "crypto_prices",
                "/v1/prices",
                "Prices",
                "Prices of coins in US dollars, with the change over 24 hours and the market capitalisation: in the order asked, all or nothing.",
            ),
            crypto_prices,
        ),
        Operation::new(
            About {
                is_tool: false,
                ..query(
                    "priceResults",
                    "price_results",
                    "/v1/price-results",
                    "Prices, each with its own outcome",
                    "Prices of coins in the order asked, each with its own outcome.",
                )
            },
            price_results,
        ),
        Operation::new(
            query(
                "priceHistory",
                "price_history",
                "/v1/prices/{coin}/history",
                "Price history",
                "Past prices of a coin that is followed, newest first.",
            ),
            price_history,
        ),
        Operation::new(
            query(
                "defiSwapQuote",
                "defi_swap_quote",
                "/v1/swap-quotes",
                "Swap quote",
                "The best of all quotes for a swap, after what its transaction costs, and that transaction to sign.",
            ),
            defi_swap_quote,
        ),
    ]
}

async fn crypto_prices(services: Arc<Services>, _: Call, input: Coins) -> Result<Answer<Items<Price>>, Error> {
    let coins = input.coins.iter().map(|coin| parsed(coin)).collect::<Result<Vec<_>, _>>()?;
    Ok(Items::of(services.prices.prices(&coins).await?).into())
}

async fn price_results(
    services: Arc<Services>,
    _: Call,
    input: AnyCoins,
) -> Result<Answer<Items<PriceOutcome>>, Error> {
    let results = services.prices.each(&input.coins).await?;
    Ok(Items::of(input.coins.into_iter().zip(results)).into())
}

async fn price_history(services: Arc<Services>, _: Call, input: History) -> Result<Answer<Paged<PricePoint>>, Error> {
    let History { coin, first, after, from, to } = input;
    let filter = HistoryFilter { coin: parsed(&coin)?, from, to, first, after };
    Ok(Paged::of(services.prices.history(&filter).await?).into())
}

async fn defi_swap_quote(services: Arc<Services>, _: Call, input: Swap) -> Result<Answer<SwapQuote>, Error> {
    Ok(SwapQuote::from(services.quotes.quote(&input.into()).await?).into())
}

fn parsed(coin: &str) -> Result<Coin, Error> {
    Prices::coin(coin)
}
