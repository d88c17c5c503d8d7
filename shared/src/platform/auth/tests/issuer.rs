//! Tokens signed with an issuer's keys.

use serde_json::{Value, json};

use crate::platform::auth::keys::KeySet;
use crate::platform::auth::testing::{KeyServer, P256, Rsa, base64url, claims, claims_with, clock, hs256, token};
use crate::platform::auth::{AuthError, Role, Verifier, testing};
use crate::platform::config::{AuthConfig, Vars};

async fn verifier(keys: &[Value]) -> Verifier {
    let server = KeyServer::with(keys).await;
    let vars = [("JWKS_URL", server.url.as_str()), ("JWT_ISSUER", "https://issuer.example/")];
    testing::verifier(&AuthConfig::from_vars(&Vars::from_iter(vars)).unwrap(), &clock())
}

fn usable(keys: &[Value]) -> usize {
    KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()).map_or(0, |keys| keys.len())
}

#[tokio::test]
async fn rs256_and_es256_tokens_are_believed() {
    let (rsa, p256) = (Rsa::shared(), P256::new());
    let verifier = verifier(&[rsa.jwk("r"), p256.jwk("e")]).await;
    assert_eq!(verifier.verify(&rsa.token("r", &claims())).await.unwrap().role, Role::Admin);
    assert_eq!(verifier.verify(&p256.token("e", &claims())).await.unwrap().user_id, "ann");
    let other = rsa.token("r", &claims_with(&json!({"iss": "https://other.example/"})));
    assert_eq!(verifier.verify(&other).await, Err(AuthError::WrongIssuer));
}

#[tokio::test]
async fn a_request_on_any_thread_can_verify() {
    let rsa = Rsa::shared();
    let verifier = verifier(&[rsa.jwk("r")]).await;
    let answer = tokio::spawn(async move { verifier.verify(&rsa.token("r", &claims())).await }).await;
    assert!(answer.unwrap().is_ok());
}

#[tokio::test]
async fn a_public_key_is_no_secret() {
    let rsa = Rsa::shared();
    let verifier = verifier(&[rsa.jwk("r")]).await;
    let jwk = rsa.jwk("r");
    for secret in [rsa.public_pem(), rsa.public_pem().trim().to_owned(), jwk["n"].as_str().unwrap().to_owned()] {
        for header in [json!({"alg": "HS256", "kid": "r"}), json!({"alg": "HS256"})] {
            let forged = token(&header, &claims(), hs256(secret.as_bytes()));
            assert_eq!(verifier.verify(&forged).await, Err(AuthError::WrongAlgorithm));
        }
        let disguised = token(&json!({"alg": "RS256", "kid": "r"}), &claims(), hs256(secret.as_bytes()));
        assert_eq!(verifier.verify(&disguised).await, Err(AuthError::BadSignature));
    }
}

#[tokio::test]
async fn the_algorithm_is_the_keys_not_the_headers() {
    let (rsa, p256) = (Rsa::shared(), P256::new());
    let verifier = verifier(&[rsa.jwk("r"), p256.jwk("e")]).await;
    let header = |alg: &str, id: &str| json!({"alg": alg, "kid": id});
    for (header, expected) in [
        (header("ES256", "r"), AuthError::WrongAlgorithm),
        (header("RS256", "e"), AuthError::WrongAlgorithm),
        (header("PS256", "r"), AuthError::WrongAlgorithm),
        (header("RS512", "r"), AuthError::WrongAlgorithm),
        (header("none", "r"), AuthError::WrongAlgorithm),
    ] {
        let forged = token(&header, &claims(), |message| rsa.rs256(message));
        assert_eq!(verifier.verify(&forged).await, Err(expected), "{header}");
    }
    let pss = token(&header("RS256", "r"), &claims(), |message| rsa.ps256(message));
    assert_eq!(verifier.verify(&pss).await, Err(AuthError::BadSignature));
    assert_eq!(verifier.verify(&P256::new().token("e", &claims())).await, Err(AuthError::BadSignature));
}

#[tokio::test]
async fn a_key_need_not_be_named_where_there_is_no_choice() {
    let (one, other) = (P256::new(), P256::new());
    let unnamed = |key: &P256| {
        let token = key.token("e", &claims());
        let (_, rest) = token.split_once('.').unwrap();
        format!("{}.{rest}", base64url(r#"{"alg":"ES256"}"#))
    };
    // The header is part of what is signed, so this one cannot be good: it is the choice of a key that is looked at.
    let single = verifier(&[one.jwk("e")]).await;
    assert_eq!(single.verify(&unnamed(&one)).await, Err(AuthError::BadSignature));
    let several = verifier(&[one.jwk("e"), other.jwk("f")]).await;
    assert_eq!(several.verify(&unnamed(&one)).await, Err(AuthError::UnknownKey));

    let rsa = Rsa::shared();
    let token = token(&json!({"alg": "RS256"}), &claims(), |message| rsa.rs256(message));
    assert!(verifier(&[rsa.jwk("r")]).await.verify(&token).await.is_ok());
}

#[test]
fn keys_that_are_not_for_this_are_left_out() {
    let good = Rsa::shared().jwk("r");
    let changed = |name: &str, value: Value| {
        let mut key = good.clone();
        key[name] = value;
        key
    };
    let weak = base64url([0xff; 128]);
    let padded = base64url([vec![0; 200], vec![0xff; 128]].concat());
    let almost = base64url([vec![0x7f], vec![0xff; 255]].concat());
    let mut p384 = P256::new().jwk("e");
    p384["crv"] = json!("P-384");
    let mut short = P256::new().jwk("e");
    short["x"] = json!(base64url([1; 31]));
    for bad in [
        json!({"kty": "oct", "kid": "r", "alg": "HS256", "k": base64url([7; 32])}),
        changed("kty", json!("oct")),
        changed("use", json!("enc")),
        changed("alg", json!("RS512")),
        changed("alg", json!("HS256")),
        changed("key_ops", json!(["sign"])),
        changed("n", json!(weak)),
        changed("n", json!(padded)),
        changed("n", json!(almost)),
        changed("n", json!("!")),
        changed("n", json!("")),
        changed("e", json!("AQ")),
        changed("e", json!("AAAA")),
        p384,
        short,
        json!({"kty": "OKP", "crv": "Ed25519", "x": base64url([1; 32])}),
        json!(7),
        json!({}),
    ] {
        assert_eq!(usable(&[bad.clone(), good.clone()]), 1, "{bad}");
        assert_eq!(usable(&[bad]), 0);
    }
    assert_eq!(usable(&[good, P256::new().jwk("e")]), 2);
}
