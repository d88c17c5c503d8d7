//! Answers of those who quote swaps, as any bytes.

use super::{QuoteError, SourceQuote, Swap, Token, jupiter, lifi, oneinch, zerox};
use crate::sources::chains::Chain;

/// The swaps that the recorded answers were asked for, whether somebody would sign or not.
pub(crate) fn answer(bytes: &[u8]) -> bool {
    let mut quoted = false;
    let mut check = |quote: Option<Result<SourceQuote, QuoteError>>, swap: &Swap| {
        let Some(Ok(quote)) = quote else { return };
        assert!(!quote.amount_out.is_zero() && quote.route.len() <= 256, "{quote:?}");
        for hop in &quote.route {
            let name = &hop.exchange;
            assert!(name.chars().count() <= 48 && !name.chars().any(char::is_control), "{name:?}");
            assert!(hop.share_bps <= 10_000, "{hop:?}");
        }
        assert!(swap.recipient.is_some() || quote.transaction.is_none(), "{quote:?}");
        quoted = true;
    };
    let none = [None, Some("0x552008c0f6870c2f77e5cC1d2eb9bdff03e30Ea0")];
    for recipient in none {
        let asked =
            |chain, from, to, amount: u128, slippage_bps| swap(chain, from, to, amount, slippage_bps, recipient);
        let to = "0x63e62989D9EB2d37DFDb1F93a22f063635b07D51";
        let sold = asked("eip155:100", None, to, 1_000_000_000_000_000_000, 30);
        if let Some(swap) = &sold {
            check(lifi::read(bytes, swap, 100), swap);
        }
        let weth = Some("0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2");
        let sold =
            asked("eip155:1", weth, "0x6B175474E89094C44Da98b954EedeAC495271d0F", 100_000_000_000_000_000_000, 100);
        if let Some(swap) = &sold {
            check(zerox::read(bytes, swap), swap);
        }
        let sold = asked("eip155:1", None, "0x111111111117dC0aa78b770fA6A738034120C302", 10_000_000_000_000_000, 50);
        if let Some(swap) = &sold {
            check(oneinch::read(bytes, swap), swap);
        }
        let mainnet = "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp";
        let sold = asked(mainnet, None, "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v", 100_000_000, 100);
        if let Some(swap) = &sold {
            check(jupiter::read(bytes, swap), swap);
        }
    }
    quoted
}

fn swap(
    chain: &str,
    from: Option<&str>,
    to: &str,
    amount: u128,
    slippage_bps: u16,
    recipient: Option<&str>,
) -> Option<Swap> {
    let id = chain.parse().ok()?;
    let contract = |text: &str| Token::Contract(text.to_owned());
    Some(Swap {
        chain: Chain { id, name: String::new(), symbol: String::new(), decimals: 18, confirmations: 1 },
        from: from.map_or(Token::Native, contract),
        to: contract(to),
        amount: amount.into(),
        slippage_bps,
        recipient: recipient.map(str::to_owned),
    })
}
