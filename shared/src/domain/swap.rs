//! The arithmetic of swaps, in integers and exactly.

use primitive_types::{U256, U512};

/// One whole, in hundredths of a percent.
pub const BPS: u16 = 10_000;

/// The least that is taken, where `slippage_bps` less than quoted still is: rounded down.
pub fn min_amount_out(amount_out: U256, slippage_bps: u16) -> U256 {
    share(amount_out, u64::from(BPS.saturating_sub(slippage_bps)), u64::from(BPS))
}

/// What a constant-product pool pays for `amount_in` where its fee is 0.3 %, to the unit: the formula of Uniswap V2's
/// `UniswapV2Library.getAmountOut`. `None` where the pool cannot take it: an empty side, or more than its 112 bits.
pub fn constant_product_out(amount_in: U256, reserve_in: U256, reserve_out: U256) -> Option<U256> {
    let largest = (U256::one() << 112) - 1;
    if reserve_in.is_zero() || reserve_out.is_zero() || reserve_in.checked_add(amount_in)? > largest {
        return None;
    }
    let with_fee = amount_in.checked_mul(997.into())?;
    let numerator = with_fee.checked_mul(reserve_out)?;
    let denominator = reserve_in.checked_mul(1000.into())?.checked_add(with_fee)?;
    Some(numerator / denominator)
}

/// How much less `paid` is than `ideal`, what the same would have brought at the price of a tiny amount, in hundredths of
/// a percent: rounded up, 0 where it is no less.
pub fn impact_bps(paid: U256, ideal: U256) -> i32 {
    if ideal.is_zero() || paid >= ideal {
        return 0;
    }
    let lost = (ideal - paid).full_mul(BPS.into());
    let (whole, rest) = lost.div_mod(U512::from(ideal));
    i32::try_from(whole.low_u64() + u64::from(!rest.is_zero())).unwrap_or(i32::from(BPS))
}

/// `amount * numerator / denominator`, rounded down; as much as there can be, where it is more.
pub fn share(amount: U256, numerator: impl Into<U256>, denominator: impl Into<U256>) -> U256 {
    let denominator = denominator.into();
    if denominator.is_zero() {
        return U256::MAX;
    }
    U256::try_from(amount.full_mul(numerator.into()) / U512::from(denominator)).unwrap_or(U256::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_pool_pays_is_what_its_contract_computes() {
        // From the examples of Uniswap's own test suite: 5 and 10 tokens in the pool, and so on.
        let token = |count: u64| U256::exp10(18) * count;
        for (amount, reserve_in, reserve_out, paid) in [
            (1, 5, 10, "1662497915624478906"),
            (1, 10, 5, "453305446940074565"),
            (2, 5, 10, "2851015155847869602"),
            (1, 100, 100, "987158034397061298"),
        ] {
            let out = constant_product_out(token(amount), token(reserve_in), token(reserve_out)).unwrap();
            assert_eq!(out.to_string(), paid);
        }
    }

    #[test]
    fn a_pool_takes_no_more_than_it_can_hold() {
        let most = (U256::one() << 112) - 1;
        assert!(constant_product_out(most - 1, 1.into(), 1.into()).is_some());
        assert_eq!(constant_product_out(most, 1.into(), 1.into()), None);
        assert_eq!(constant_product_out(U256::MAX, 1.into(), 1.into()), None);
        assert_eq!(constant_product_out(1.into(), 0.into(), 1.into()), None);
        assert_eq!(constant_product_out(1.into(), 1000.into(), 1.into()), Some(U256::zero()));
    }

    #[test]
    fn slippage_and_impact_are_rounded_against_the_optimist() {
        assert_eq!(min_amount_out(999.into(), 50), 994.into());
        assert_eq!(min_amount_out(U256::MAX, 0), U256::MAX);
        assert_eq!(min_amount_out(7.into(), 10_000), 0.into());
        assert_eq!(impact_bps(99.into(), 100.into()), 100);
        assert_eq!(impact_bps(9999.into(), 10_001.into()), 2);
        assert_eq!(impact_bps(1.into(), 0.into()), 0);
        assert_eq!(impact_bps(0.into(), U256::MAX), 10_000);
    }
}
