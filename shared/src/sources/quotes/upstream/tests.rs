use proptest::prelude::*;

use super::super::testing::{malformed, refusal, swap};
use super::*;
use crate::sources::http::HttpOptions;
use crate::sources::http::fake::{Answer, Fake, client};

const TOKEN: &str = "0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48";
const ROUTER: &str = "0x1111111254eeb25477b68fb85ed929f73a960582";

async fn asked(answer: Answer) -> Result<Bytes, QuoteError> {
    let fake = Fake::answering(answer).await;
    let (key, http) = (Secret::new("hunter2"), client(HttpOptions::default()));
    let headers = vec![("x-key", key.clone())];
    let api = Api { name: "some", http, base: fake.url.clone(), headers, key: Some(key) };
    let body = api.ask("/quote", &[], None).await?;
    api.read::<u64>(&body)?;
    Ok(body)
}

fn call(data: &str) -> Call<'_> {
    Call { to: ROUTER, data, value: "0", gas: None, spender: Some(ROUTER), contracts: &[] }
}

#[test]
fn integers_are_read_whole_or_not_at_all() {
    assert_eq!(decimal("0"), Some(U256::zero()));
    assert_eq!(decimal(&U256::MAX.to_string()), Some(U256::MAX));
    assert_eq!(quantity("0xff"), Some(255.into()));
    assert_eq!(quantity(&format!("0x{}", "f".repeat(64))), Some(U256::MAX));
    for text in ["", "-1", "+1", "1.0", "1e3", " 1", "1 ", "0x1", "NaN", "1_000", "١", &"9".repeat(78), &"9".repeat(79)]
    {
        assert_eq!(decimal(text), None, "{text:?}");
    }
    for text in ["0x", "0x-1", "0xg", "0X1", &format!("0x{}", "f".repeat(65))] {
        assert_eq!(quantity(text), None, "{text:?}");
    }
}

proptest! {
    #[test]
    fn every_integer_comes_back(words in any::<[u64; 4]>()) {
        let number = U256(words);
        prop_assert_eq!(decimal(&number.to_string()), Some(number));
        prop_assert_eq!(quantity(&format!("{number:#x}")), Some(number));
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,90}") {
        let _ = (quantity(&text), is_address(&text), is_calldata(&text), route_token(&text), reason(text.as_bytes()));
    }
}

#[test]
fn an_address_has_forty_digits_and_is_not_nobody() {
    assert!(is_address(TOKEN) && is_address(NATIVE));
    for text in ["", "0x", ZERO, &TOKEN[2..], &TOKEN[..41], &format!("{TOKEN}0"), &TOKEN.replace('a', "g")] {
        assert!(!is_address(text), "{text}");
    }
    assert_eq!(route_token(ZERO).unwrap(), NATIVE);
    assert_eq!(route_token(&NATIVE.to_lowercase()).unwrap(), NATIVE);
    assert!(route_token("WETH").is_err());
}

#[test]
fn a_transaction_takes_what_is_sold_and_no_more() {
    let sells_token = swap("eip155:1", TOKEN, "native", "5");
    let sells_coin = swap("eip155:1", "native", TOKEN, "5");
    assert_eq!(transaction(&sells_token, &call("0x12345678")).unwrap().value, U256::zero());
    let paid = Call { value: "0x5", ..call("0x12345678") };
    let made = transaction(&sells_coin, &paid).unwrap();
    // Whoever sells the chain's own coin allows nobody anything.
    assert_eq!((made.value, made.spender), (5.into(), None));
    for value in ["", "-5", "5.0", "4", "6", "0"] {
        assert!(transaction(&sells_coin, &Call { value, ..paid }).is_err(), "{value}");
    }
    assert!(transaction(&sells_token, &paid).is_err());
}

#[test]
fn a_call_of_the_token_that_is_sold_is_only_for_unwrapping() {
    let to = "0xA0B86991C6218B36C1D19D4A2E9EB0CE3606EB48";
    for (bought, data, passes) in [
        // transfer(address,uint256), approve(address,uint256)
        ("native", "0xa9059cbb00", false),
        ("native", "0x095ea7b300", false),
        ("native", "0x2e1a7d4d00", true),
        (ROUTER, "0x2e1a7d4d00", false),
    ] {
        let made = transaction(&swap("eip155:1", TOKEN, bought, "5"), &Call { to, ..call(data) });
        assert_eq!(made.is_ok(), passes, "{bought} {data}");
    }
}

#[test]
fn calldata_is_whole_bytes_and_bounded() {
    let swap = swap("eip155:1", TOKEN, ROUTER, "5");
    let longest = format!("0x{}", "00".repeat(MAX_DATA));
    assert!(transaction(&swap, &call(&longest)).is_ok());
    for data in ["", "0x", "0x123456", "0x123456789", "12345678", "0x1234567g", &format!("{longest}00")] {
        assert!(transaction(&swap, &call(data)).is_err(), "{:?}", &data[..data.len().min(20)]);
    }
}

#[test]
fn a_route_has_a_bounded_number_of_steps() {
    let hop = || {
        Ok(Hop {
            from: TOKEN.to_owned(),
            to: ROUTER.to_owned(),
            exchange: exchange(&"x".repeat(1000)),
            pool: None,
            fee_ppm: None,
            share_bps: BPS,
        })
    };
    let longest = route(std::iter::repeat_with(hop).take(MAX_HOPS)).unwrap();
    assert_eq!((longest.len(), longest[0].exchange.len()), (MAX_HOPS, MAX_NAME));
    assert!(route(std::iter::repeat_with(hop)).is_err());
}

#[tokio::test]
async fn a_reason_is_cut_short_and_tells_no_key() {
    let body = format!(r#"{{"message": "of\n hunter2: {}"}}"#, "x".repeat(1000));
    for status in ["400 Bad Request", "404 Not Found", "422 Unprocessable Entity"] {
        let error = asked(refusal(status, &body)).await.unwrap_err();
        let QuoteError::NoRoute(why) = error else { panic!("{error:?}") };
        assert!(why.starts_with("of  ***: xxx"), "{why}");
        assert_eq!(why.chars().count(), MAX_REASON);
    }
    let told = malformed(asked(Answer::ok(r#""hunter2""#)).await.map(|_| unreachable!()));
    assert!(!told.contains("hunter2") && told.contains("***"), "{told}");
}

#[tokio::test]
async fn refusals_without_a_reason_are_told_by_their_status() {
    for (status, body, told) in [
        ("401 Unauthorized", r#"{"message": "hunter2"}"#, "HTTP 401"),
        ("403 Forbidden", r#"{"message": "hunter2"}"#, "HTTP 403"),
        ("302 Found", r#"{"message": "elsewhere"}"#, "HTTP 302"),
        ("404 Not Found", "<html>no such page</html>", "HTTP 404"),
        ("400 Bad Request", r#"{"message": ["a", "list"]}"#, "HTTP 400"),
        ("400 Bad Request", r#"{"message": " "}"#, "HTTP 400"),
        ("200 OK", &format!("\"{}\"", "x".repeat(MAX_BODY)), "more than 524288 bytes"),
    ] {
        assert_eq!(malformed(asked(refusal(status, body)).await.map(|_| unreachable!())), told);
    }
    let busy = asked(Answer::status("429 Too Many Requests", "retry-after: 3\r\n")).await.unwrap_err();
    assert!(matches!(busy, QuoteError::Source(SourceError::RateLimited { retry_after: Some(_) })), "{busy:?}");
    let broken = asked(Answer::status("502 Bad Gateway", "")).await.unwrap_err();
    assert!(matches!(broken, QuoteError::Source(SourceError::Unavailable(_))), "{broken:?}");
}

#[test]
fn a_source_has_a_little_less_than_four_seconds() {
    let options = breaker_options("some");
    assert_eq!((options.group.as_deref(), options.timeout.as_millis()), (Some("quotes"), 3800));
}

#[test]
fn only_the_services_own_contracts_are_called_and_allowed_to_take() {
    const OTHER: &str = "0x6b175474e89094c44da98b954eedeac495271d0f";
    let swap = swap("eip155:1", TOKEN, OTHER, "1000");
    let with = |to, spender| {
        let call = Call { to, spender: Some(spender), contracts: &[ROUTER], ..call("0x12345678") };
        transaction(&swap, &call).map_err(|error| error.to_string())
    };
    assert!(with(ROUTER, ROUTER).is_ok());
    assert!(with(OTHER, ROUTER).unwrap_err().contains("is not the service's"));
    assert!(with(ROUTER, OTHER).unwrap_err().contains("is not the service"));
}
