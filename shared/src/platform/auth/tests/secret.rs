//! Tokens signed with a shared secret, and what every token must be like.

use std::time::Duration;

use chrono::TimeDelta;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::platform::auth::testing::{NOW, at, base64url, claims, claims_with, clock, hs256, token};
use crate::platform::auth::{AuthError, Principal, Role, Verifier, issue_local_token, testing};
use crate::platform::config::{AuthConfig, Vars};

const SECRET: &str = "a secret for tests, of 32 bytes or more";

fn config() -> AuthConfig {
    let vars = [("JWT_SECRET", SECRET), ("JWT_ISSUER", "https://issuer.example/"), ("JWT_AUDIENCE", "web,agent")];
    AuthConfig::from_vars(&Vars::from_iter(vars)).unwrap()
}

fn verifier() -> Verifier {
    testing::verifier(&config(), &clock())
}

/// A properly signed token.
fn signed(claims: &Value) -> String {
    token(&json!({"alg": "HS256", "typ": "JWT"}), claims, hs256(SECRET.as_bytes()))
}

async fn refusal(token: &str) -> AuthError {
    verifier().verify(token).await.unwrap_err()
}

async fn refusal_of(changes: Value) -> AuthError {
    refusal(&signed(&claims_with(&changes))).await
}

async fn accepts(changes: Value) -> bool {
    verifier().verify(&signed(&claims_with(&changes))).await.is_ok()
}

#[tokio::test]
async fn a_good_token_says_who_its_bearer_is() {
    let principal = verifier().verify(&signed(&claims())).await.unwrap();
    assert_eq!(principal, Principal { user_id: "ann".to_owned(), role: Role::Admin, expires_at: Some(at(NOW + 60)) });
    let user = verifier().verify(&signed(&claims_with(&json!({"role": null})))).await.unwrap();
    assert_eq!(user.role, Role::User);
}

#[tokio::test]
async fn our_own_tokens_are_believed_until_they_expire() {
    let clock = clock();
    let verifier = testing::verifier(&config(), &clock);
    let token = issue_local_token(&config(), "dev", Role::User, Duration::from_secs(3600), at(NOW)).unwrap();
    let dev = Principal { user_id: "dev".to_owned(), role: Role::User, expires_at: Some(at(NOW + 3600)) };
    assert_eq!(verifier.verify(&token).await, Ok(dev.clone()));
    clock.advance(TimeDelta::seconds(3604));
    assert_eq!(verifier.verify(&token).await, Ok(dev));
    clock.advance(TimeDelta::seconds(1));
    assert_eq!(verifier.verify(&token).await, Err(AuthError::Expired));
}

#[tokio::test]
async fn time_is_checked_with_a_few_seconds_of_leeway() {
    assert!(accepts(json!({"exp": NOW - 4})).await);
    assert!(accepts(json!({"exp": 1_750_000_000.5})).await);
    assert_eq!(refusal_of(json!({"exp": NOW - 5})).await, AuthError::Expired);
    assert_eq!(refusal_of(json!({"exp": 0})).await, AuthError::Expired);
    assert!(accepts(json!({"nbf": NOW + 5})).await);
    assert_eq!(refusal_of(json!({"nbf": NOW + 6})).await, AuthError::NotYetValid);
}

#[tokio::test]
async fn an_end_is_required_and_must_be_a_number() {
    for exp in [json!(null), json!("1750000060"), json!({}), json!(true)] {
        assert_eq!(refusal_of(json!({"exp": exp})).await, AuthError::InvalidClaim("exp"));
    }
    assert_eq!(refusal_of(json!({"nbf": "now"})).await, AuthError::InvalidClaim("nbf"));
}

#[tokio::test]
async fn issuer_and_audience_must_be_ours() {
    for iss in [json!(null), json!("https://issuer.example"), json!(["https://issuer.example/"])] {
        assert_eq!(refusal_of(json!({"iss": iss})).await, AuthError::WrongIssuer);
    }
    for aud in [json!(null), json!("other"), json!(["other"]), json!([]), json!({"web": 1})] {
        assert_eq!(refusal_of(json!({"aud": aud})).await, AuthError::WrongAudience);
    }
    assert!(accepts(json!({"aud": ["other", "agent"]})).await);
    assert!(accepts(json!({"aud": null, "client_id": "web"})).await);
    assert_eq!(refusal_of(json!({"aud": "other", "client_id": "web"})).await, AuthError::WrongAudience);
}

#[tokio::test]
async fn a_subject_must_be_fit() {
    for sub in [json!(null), json!(""), json!(7), json!("a\u{7f}"), json!("x".repeat(257))] {
        assert_eq!(refusal_of(json!({"sub": sub})).await, AuthError::InvalidClaim("sub"));
    }
}

#[tokio::test]
async fn unsigned_tokens_are_refused() {
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        for signature in [vec![], hs256(SECRET.as_bytes())(b"x")] {
            let token = token(&json!({"alg": alg}), &claims(), |_| signature.clone());
            assert_eq!(refusal(&token).await, AuthError::WrongAlgorithm);
        }
    }
    let stripped = signed(&claims()).rsplit_once('.').unwrap().0.to_owned() + ".";
    assert_eq!(refusal(&stripped).await, AuthError::BadSignature);
}

#[tokio::test]
async fn only_the_pinned_algorithm_is_accepted() {
    for alg in ["HS384", "HS512", "RS256", "ES256", "hs256"] {
        let token = token(&json!({"alg": alg}), &claims(), hs256(SECRET.as_bytes()));
        assert_eq!(refusal(&token).await, AuthError::WrongAlgorithm);
    }
}

#[tokio::test]
async fn a_changed_token_is_refused() {
    let other = token(&json!({"alg": "HS256"}), &claims(), hs256(b"another secret, just as long as that"));
    assert_eq!(refusal(&other).await, AuthError::BadSignature);
    let good = signed(&claims_with(&json!({"role": "USER"})));
    let parts: Vec<_> = good.split('.').collect();
    let forged = format!("{}.{}.{}", parts[0], base64url(claims().to_string()), parts[2]);
    assert_eq!(refusal(&forged).await, AuthError::BadSignature);
}

#[tokio::test]
async fn keys_and_extensions_in_the_header_change_nothing() {
    let header = json!({"alg": "HS256", "jwk": {"kty": "oct", "k": base64url("eve")}, "jku": "http://eve.example/"});
    assert_eq!(refusal(&token(&header, &claims(), hs256(b"eve"))).await, AuthError::BadSignature);
    let critical = json!({"alg": "HS256", "crit": ["b64"], "b64": false});
    assert_eq!(refusal(&token(&critical, &claims(), hs256(SECRET.as_bytes()))).await, AuthError::Malformed);
}

#[tokio::test]
async fn a_long_token_is_refused_unread() {
    assert_eq!(refusal(&signed(&claims_with(&json!({"x": "x".repeat(8_000)})))).await, AuthError::TooLong);
    assert_eq!(refusal(&".".repeat(8_193)).await, AuthError::TooLong);
}

#[tokio::test]
async fn what_is_no_token_is_malformed() {
    let good = signed(&claims());
    let scalar = token(&json!({"alg": "HS256"}), &json!("ann"), hs256(SECRET.as_bytes()));
    for bad in ["", ".", "..", "a.b.c", "....", &format!("{good}.x"), &format!(" {good}"), "ä.ö.ü", &scalar] {
        assert_eq!(refusal(bad).await, AuthError::Malformed, "{bad}");
    }
}

#[test]
fn refusals_tell_nothing_secret() {
    let verifier = verifier();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let error = runtime.block_on(verifier.verify(&signed(&claims_with(&json!({"iss": "hunter2"}))))).unwrap_err();
    assert_eq!(error.to_string(), "the token is from another issuer");
    assert!(!error.is_transient());
}

proptest! {
    #[test]
    fn garbage_is_refused_and_nothing_panics(text in "\\PC{0,200}", bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let verifier = verifier();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let header = base64url(r#"{"alg":"HS256"}"#);
        let body = base64url(&bytes);
        for token in [
            text.clone(),
            format!("{body}.{body}.{body}"),
            format!("{header}.{text}.{body}"),
            format!("{header}.{body}.{body}"),
            token(&json!({"alg": "HS256"}), &json!({"sub": text, "exp": bytes}), hs256(SECRET.as_bytes())),
        ] {
            prop_assert!(runtime.block_on(verifier.verify(&token)).is_err());
        }
    }
}
