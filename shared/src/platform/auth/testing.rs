//! What tests need of an issuer: keys made at run time, tokens signed by hand so that they can be wrong in any way, and a
//! key server that counts its visitors.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::DateTime;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::breaker::Breakers;
use crate::platform::auth::Verifier;
use crate::platform::clock::{Clock, ManualClock, Timestamp};
use crate::platform::config::{AuthConfig, ConfigError};
use crate::sources::issuer::IssuerKeys;

/// When the tests take place.
pub(super) const NOW: i64 = 1_750_000_000;

pub(super) fn clock() -> ManualClock {
    ManualClock::at(at(NOW))
}

/// A verifier that asks whatever server its configuration names.
pub(super) fn verifier(config: &AuthConfig, clock: &ManualClock) -> Verifier {
    let clock: Arc<dyn Clock> = Arc::new(clock.clone());
    let breakers = Breakers::new(clock.clone());
    let keys = |url: &reqwest::Url| {
        Ok::<_, ConfigError>(Arc::new(IssuerKeys::new(url.clone(), clock.clone(), &breakers).unwrap()) as _)
    };
    Verifier::new(config, clock.clone(), keys).unwrap()
}

pub(super) fn at(seconds: i64) -> Timestamp {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

/// Claims that are fine at [`NOW`].
pub(super) fn claims() -> Value {
    json!({"sub": "ann", "iss": "https://issuer.example/", "aud": "web", "exp": NOW + 60, "role": "ADMIN"})
}

/// [`claims`] with some changed; `null` removes one.
pub(super) fn claims_with(changes: &Value) -> Value {
    let mut claims = claims();
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    claims
}

pub(super) fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A token with a signature of the given kind.
pub(super) fn token(header: &Value, claims: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let signed = format!("{}.{}", base64url(header.to_string()), base64url(claims.to_string()));
    let signature = base64url(sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

/// An HS256 signature.
pub(super) fn hs256(secret: &[u8]) -> impl Fn(&[u8]) -> Vec<u8> {
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret);
    move |message| aws_lc_rs::hmac::sign(&key, message).as_ref().to_vec()
}

/// An RSA key of 2048 bits; made once, because that takes a while.
pub(super) struct Rsa(RsaKeyPair);

impl Rsa {
    pub(super) fn shared() -> &'static Self {
        static KEY: OnceLock<Rsa> = OnceLock::new();
        KEY.get_or_init(|| Self(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()))
    }

    pub(super) fn jwk(&self, id: &str) -> Value {
        let public = self.0.public_key();
        let number = |bytes: &[u8]| base64url(bytes);
        json!({
            "kty": "RSA", "kid": id, "alg": "RS256", "use": "sig",
            "n": number(public.modulus().big_endian_without_leading_zero()),
            "e": number(public.exponent().big_endian_without_leading_zero()),
        })
    }

    pub(super) fn public_pem(&self) -> String {
        let der: PublicKeyX509Der<'_> = self.0.public_key().as_der().unwrap();
        let text = STANDARD.encode(der.as_ref());
        let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
    }

    pub(super) fn rs256(&self, message: &[u8]) -> Vec<u8> {
        self.sign(&RSA_PKCS1_SHA256, message)
    }

    pub(super) fn ps256(&self, message: &[u8]) -> Vec<u8> {
        self.sign(&RSA_PSS_SHA256, message)
    }

    fn sign(&self, kind: &'static dyn RsaEncoding, message: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.0.public_modulus_len()];
        self.0.sign(kind, &SystemRandom::new(), message, &mut signature).unwrap();
        signature
    }

    /// An RS256 token.
    pub(super) fn token(&self, id: &str, claims: &Value) -> String {
        token(&json!({"alg": "RS256", "typ": "JWT", "kid": id}), claims, |message| self.rs256(message))
    }
}

/// A P-256 key.
pub(super) struct P256(EcdsaKeyPair);

impl P256 {
    pub(super) fn new() -> Self {
        Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    pub(super) fn jwk(&self, id: &str) -> Value {
        let (x, y) = self.0.public_key().as_ref()[1..].split_at(32);
        json!({"kty": "EC", "crv": "P-256", "kid": id, "x": base64url(x), "y": base64url(y)})
    }

    /// An ES256 token.
    pub(super) fn token(&self, id: &str, claims: &Value) -> String {
        token(&json!({"alg": "ES256", "kid": id}), claims, |message| {
            self.0.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
        })
    }
}

/// A key server on loopback.
pub(super) struct KeyServer {
    pub(super) url: reqwest::Url,
    answer: Arc<Mutex<Answer>>,
    visits: Arc<AtomicUsize>,
}

#[derive(Clone)]
enum Answer {
    Http(String),
    Slowly(String),
    Down,
    Never,
}

impl KeyServer {
    /// One that publishes these keys.
    pub(super) async fn with(keys: &[Value]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/jwks.json", listener.local_addr().unwrap()).parse().unwrap();
        let answer = Arc::new(Mutex::new(Answer::Down));
        let visits = Arc::new(AtomicUsize::new(0));
        let server = Self { url, answer: answer.clone(), visits: visits.clone() };
        server.publish(keys);
        tokio::spawn(async move {
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                visits.fetch_add(1, Ordering::SeqCst);
                let answer = answer.lock().unwrap().clone();
                tokio::spawn(async move {
                    let text = match answer {
                        Answer::Down => return,
                        Answer::Never => return std::future::pending().await,
                        Answer::Http(text) => text,
                        Answer::Slowly(text) => {
                            tokio::time::sleep(Duration::from_millis(100)).await;
                            text
                        }
                    };
                    let _ = socket.read(&mut [0; 4096]).await;
                    let _ = socket.write_all(text.as_bytes()).await;
                });
            }
        });
        server
    }

    pub(super) fn publish(&self, keys: &[Value]) {
        self.answer_with(200, &json!({ "keys": keys }).to_string());
    }

    pub(super) fn answer_with(&self, status: u16, body: &str) {
        *self.answer.lock().unwrap() = Answer::Http(http(status, body));
    }

    pub(super) fn answer_slowly(&self, status: u16, body: &str) {
        *self.answer.lock().unwrap() = Answer::Slowly(http(status, body));
    }

    pub(super) fn redirect_to(&self, other: &Self) {
        let text = format!("HTTP/1.1 302 Found\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", other.url);
        *self.answer.lock().unwrap() = Answer::Http(text);
    }

    /// From now on connections are closed at once.
    pub(super) fn go_down(&self) {
        *self.answer.lock().unwrap() = Answer::Down;
    }

    /// From now on connections are accepted and never answered.
    pub(super) fn hang(&self) {
        *self.answer.lock().unwrap() = Answer::Never;
    }

    pub(super) fn visits(&self) -> usize {
        self.visits.load(Ordering::SeqCst)
    }
}

fn http(status: u16, body: &str) -> String {
    format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}
