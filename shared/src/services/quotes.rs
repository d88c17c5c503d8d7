//! Swap quotes. The request is checked here; the sources that answer it do not exist yet, and so the answer is that
//! they are unavailable.

use super::Error;

/// A swap that a caller wants a quote for.
#[derive(Debug, Clone)]
pub struct SwapRequest {
    /// The chain's name or CAIP-2 id.
    pub chain: String,
    /// The token to sell: an address or symbol.
    pub from_token: String,
    /// The token to buy.
    pub to_token: String,
    /// How much to sell, in the token's base units: a positive integer.
    pub amount: String,
    /// The slippage to allow for, in hundredths of a percent: 0 to 10,000.
    pub slippage_bps: i32,
}

/// Asks for quotes. None can be given until a quote source exists, hence the type of the answer.
///
/// # Errors
/// [`Error::Invalid`] for a request that makes no sense; [`Error::Unavailable`] for every other.
pub fn swap_quote(request: &SwapRequest) -> Result<std::convert::Infallible, Error> {
    for (name, text) in [("chain", &request.chain), ("fromToken", &request.from_token), ("toToken", &request.to_token)]
    {
        if text.trim().is_empty() || text.len() > 128 {
            return Err(Error::Invalid(format!("{name} must have 1 to 128 characters")));
        }
    }
    // 2^256 has 78 digits.
    let digits = &request.amount;
    if digits.is_empty()
        || digits.len() > 78
        || !digits.bytes().all(|byte| byte.is_ascii_digit())
        || digits.bytes().all(|byte| byte == b'0')
    {
        return Err(Error::Invalid("amount must be a positive integer in the token's base units".to_owned()));
    }
    if !(0..=10_000).contains(&request.slippage_bps) {
        return Err(Error::Invalid("slippageBps must be between 0 and 10000".to_owned()));
    }
    Err(Error::Unavailable { service: "swap-quotes".to_owned(), retry_after: None })
}
