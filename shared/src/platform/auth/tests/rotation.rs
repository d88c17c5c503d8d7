//! Fetching an issuer's keys: how often, and what happens when its server fails.

use chrono::TimeDelta;
use serde_json::json;

use crate::platform::auth::testing::{KeyServer, P256, claims_with, clock, verifier};
use crate::platform::auth::{AuthError, Verifier};
use crate::platform::clock::ManualClock;
use crate::platform::config::{AuthConfig, Vars};

/// A verifier whose clock can be moved, and the server of its keys.
struct Setting {
    verifier: Verifier,
    server: KeyServer,
    clock: ManualClock,
}

impl Setting {
    async fn with(key: &P256) -> Self {
        let server = KeyServer::with(&[key.jwk("1")]).await;
        let vars = [("JWKS_URL", server.url.as_str()), ("JWT_ISSUER", "https://issuer.example/")];
        let config = AuthConfig::from_vars(&Vars::from_iter(vars)).unwrap();
        let clock = clock();
        Self { verifier: verifier(&config, &clock), server, clock }
    }

    /// Whether a token of this key is believed; it never expires.
    async fn try_key(&self, key: &P256, id: &str) -> Result<(), AuthError> {
        let token = key.token(id, &claims_with(&json!({"exp": 9_000_000_000_u64})));
        self.verifier.verify(&token).await.map(drop)
    }
}

#[tokio::test]
async fn keys_are_fetched_once_and_again_when_they_are_no_longer_fresh() {
    let key = P256::new();
    let setting = Setting::with(&key).await;
    assert_eq!(setting.server.visits(), 0);
    for _ in 0..5 {
        assert_eq!(setting.try_key(&key, "1").await, Ok(()));
        setting.clock.advance(TimeDelta::seconds(119));
    }
    assert_eq!(setting.server.visits(), 1);
    setting.clock.advance(TimeDelta::seconds(5));
    assert_eq!(setting.try_key(&key, "1").await, Ok(()));
    assert_eq!(setting.server.visits(), 2);
}

#[tokio::test]
async fn a_new_key_is_found_and_a_withdrawn_one_forgotten() {
    let (old, new) = (P256::new(), P256::new());
    let setting = Setting::with(&old).await;
    assert_eq!(setting.try_key(&old, "1").await, Ok(()));
    setting.server.publish(&[new.jwk("2")]);
    setting.clock.advance(TimeDelta::seconds(31));
    assert_eq!(setting.try_key(&new, "2").await, Ok(()));
    assert_eq!(setting.try_key(&old, "1").await, Err(AuthError::UnknownKey));
}

#[tokio::test]
async fn made_up_key_ids_cause_a_fetch_every_thirty_seconds_at_most() {
    let key = P256::new();
    let setting = Setting::with(&key).await;
    for id in 0..20 {
        assert_eq!(setting.try_key(&key, &format!("made up {id}")).await, Err(AuthError::UnknownKey));
        setting.clock.advance(TimeDelta::seconds(3));
    }
    assert_eq!(setting.server.visits(), 2);
}

#[tokio::test]
async fn callers_at_once_share_one_fetch() {
    let key = P256::new();
    let setting = Setting::with(&key).await;
    setting.server.answer_slowly(200, &json!({"keys": [key.jwk("1")]}).to_string());
    let callers = (0..50).map(|_| setting.try_key(&key, "1"));
    assert!(futures_util::future::join_all(callers).await.iter().all(Result::is_ok));
    assert_eq!(setting.server.visits(), 1);
}

#[tokio::test]
async fn callers_at_once_share_a_failed_fetch_too() {
    let key = P256::new();
    let setting = Setting::with(&key).await;
    setting.server.answer_slowly(500, "");
    let callers = futures_util::future::join_all((0..50).map(|_| setting.try_key(&key, "1")));
    // Meanwhile so much time passes that another fetch would be due.
    let time_passes = async {
        eventually(|| setting.server.visits() == 1).await;
        setting.clock.advance(TimeDelta::seconds(3));
    };
    let (answers, ()) = futures_util::future::join(callers, time_passes).await;
    assert!(answers.iter().all(|answer| *answer == Err(AuthError::KeysUnavailable)));
    assert_eq!(setting.server.visits(), 1);
}

async fn eventually(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_last_good_keys_serve_while_the_server_is_down_but_not_for_ever() {
    let key = P256::new();
    let setting = Setting::with(&key).await;
    assert_eq!(setting.try_key(&key, "1").await, Ok(()));
    for (status, body) in [(500, "oops"), (200, "<html>"), (200, r#"{"keys": []}"#)] {
        setting.server.answer_with(status, body);
        setting.clock.advance(TimeDelta::hours(7));
        assert_eq!(setting.try_key(&key, "1").await, Ok(()));
    }
    assert_eq!(setting.server.visits(), 4);
    setting.server.go_down();
    setting.clock.advance(TimeDelta::hours(3));
    assert_eq!(setting.try_key(&key, "1").await, Err(AuthError::KeysUnavailable));
    setting.server.publish(&[key.jwk("1")]);
    setting.clock.advance(TimeDelta::seconds(1));
    assert_eq!(setting.try_key(&key, "1").await, Ok(()));
}

#[tokio::test]
async fn without_any_keys_the_fault_is_not_the_callers() {
    let key = P256::new();
    let setting = Setting::with(&key).await;
    setting.server.go_down();
    let error = setting.try_key(&key, "1").await.unwrap_err();
    assert_eq!(error, AuthError::KeysUnavailable);
    assert!(error.is_transient());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_is_not_waited_for() {
    let key = P256::new();
    let setting = Setting::with(&key).await;
    setting.server.hang();
    assert_eq!(setting.try_key(&key, "1").await, Err(AuthError::KeysUnavailable));
}

#[tokio::test]
async fn an_endless_answer_and_a_redirect_are_refused() {
    let key = P256::new();
    let setting = Setting::with(&key).await;
    let padded = json!({"keys": [key.jwk("1")], "x": "x".repeat(256 * 1024)}).to_string();
    setting.server.answer_with(200, &padded);
    assert_eq!(setting.try_key(&key, "1").await, Err(AuthError::KeysUnavailable));

    let elsewhere = KeyServer::with(&[key.jwk("1")]).await;
    setting.server.redirect_to(&elsewhere);
    setting.clock.advance(TimeDelta::seconds(1));
    assert_eq!(setting.try_key(&key, "1").await, Err(AuthError::KeysUnavailable));
    assert_eq!(elsewhere.visits(), 0);
}

#[tokio::test]
async fn a_clock_set_back_costs_a_fetch_and_nothing_else() {
    let key = P256::new();
    let setting = Setting::with(&key).await;
    assert_eq!(setting.try_key(&key, "1").await, Ok(()));
    setting.clock.advance(TimeDelta::days(-2));
    assert_eq!(setting.try_key(&key, "1").await, Ok(()));
    assert_eq!(setting.server.visits(), 2);
}
