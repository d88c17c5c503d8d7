//! Answers of price sources, as any bytes.

use std::collections::HashMap;

use chrono::DateTime;

use super::{coinbase, coingecko, plausible};
use crate::domain::coin::Coin;

/// A price is one that can be, of no later than now; and only of coins that were asked for.
pub(crate) fn answer(bytes: &[u8]) -> bool {
    let now = DateTime::from_timestamp(1_750_000_000, 0).unwrap_or_default();
    let Ok(coin) = "bitcoin".parse::<Coin>() else { unreachable!("it is a coin") };
    let asked = HashMap::from([("BTC-USD", &coin)]);
    let answers = [coingecko::read(bytes, now), coinbase::read(bytes, &asked, now)];
    for quote in answers.iter().flatten().flatten() {
        assert!(plausible(&quote.usd) && quote.updated_at <= now, "{quote:?}");
        assert!(quote.market_cap.is_none_or(|cap| !cap.is_sign_negative()), "{quote:?}");
    }
    assert!(answers[1].iter().flatten().all(|quote| quote.coin == coin));
    answers.iter().any(Result::is_ok)
}
