//! Decimals out of text, exactly or not at all: no float lies between what a source wrote and what is stored.

use rust_decimal::Decimal;

/// The number that `text` is, in JSON's grammar: `-12`, `0.10`, `1.2e-7`. `None` for anything else, and for a number
/// that a [`Decimal`] cannot hold without rounding (about 28 digits).
pub fn exact(text: &str) -> Option<Decimal> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    // Stricter than `Decimal`, which also takes `_` and a leading or trailing point.
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    if !digits(whole.strip_prefix('-').unwrap_or(whole)) || !digits(fraction) {
        return None;
    }
    let number = Decimal::from_str_exact(mantissa).ok()?;
    let (mut digits, mut scale) = (number.mantissa(), i64::from(number.scale()) - i64::from(exponent));
    if digits == 0 {
        return Some(Decimal::ZERO);
    }
    while scale > 0 && digits % 10 == 0 {
        digits /= 10;
        scale -= 1;
    }
    if scale < 0 {
        digits = digits.checked_mul(10_i128.checked_pow(u32::try_from(-scale).ok()?)?)?;
        scale = 0;
    }
    Decimal::try_from_i128_with_scale(digits, u32::try_from(scale).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(text: &str) -> String {
        exact(text).unwrap().to_string()
    }

    #[test]
    fn numbers_are_read_digit_by_digit() {
        assert_eq!(number("67187.33589365664"), "67187.33589365664");
        assert_eq!(number("1.2e-7"), "0.00000012");
        assert_eq!(number("1.2E+12"), "1200000000000");
        assert_eq!(number("-0.50"), "-0.5");
        assert_eq!(number("0.0000000000000000000000000001"), "0.0000000000000000000000000001");
        assert_eq!(number("10e-29"), "0.0000000000000000000000000001");
        assert_eq!(number("0e99"), "0");
    }

    #[test]
    fn what_would_be_rounded_is_refused() {
        for text in
            ["1e-29", "1.00000000000000000000000000001", "1e29", "79228162514264337593543950336", "1e2147483648"]
        {
            assert_eq!(exact(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["", "-", "NaN", "null", "1,5", "0x1", "1_000", ".5", "5.", "1e", "1e1.5", "\"1\"", " 1", "+1"] {
            assert_eq!(exact(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn an_exponent_only_moves_the_point(mantissa in -1_000_000_000_000_i64..1_000_000_000_000, exponent in -15_i32..15) {
            let power = Decimal::from(10_i64.pow(exponent.unsigned_abs()));
            let plain = if exponent < 0 { Decimal::from(mantissa) / power } else { Decimal::from(mantissa) * power };
            prop_assert_eq!(exact(&format!("{mantissa}e{exponent}")), Some(plain));
        }

        #[test]
        fn no_text_panics(text in "[-+0-9.eE]{0,40}") {
            let _ = exact(&text);
        }
    }
}
