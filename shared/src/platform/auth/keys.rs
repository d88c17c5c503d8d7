//! A JWK set (RFC 7517): what an issuer publishes, reduced to the keys that may verify a token here.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

use super::AuthError;

/// Shortest RSA modulus, in bits: NIST SP 800-131A.
const SHORTEST_RSA_BITS: usize = 2048;

/// A public key, and the one algorithm that it is for.
pub(super) struct Key {
    id: Option<String>,
    pub(super) algorithm: Algorithm,
    pub(super) decoding: DecodingKey,
}

/// The usable keys of an issuer; never empty.
pub(super) struct KeySet(Vec<Arc<Key>>);

impl KeySet {
    /// Reads a key set. Keys that are not for this are left out: symmetric ones (a published secret is none), weak ones,
    /// those for encryption, unknown kinds. `None` if it is no key set or nothing is left.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Document {
            keys: Vec<Value>,
        }
        let document: Document = serde_json::from_slice(bytes).ok()?;
        let keys: Vec<_> = document.keys.into_iter().filter_map(Key::read).map(Arc::new).collect();
        (!keys.is_empty()).then_some(Self(keys))
    }

    /// How many keys there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The key that a token names. Its algorithm is decided by the key; a token that says otherwise is refused. Without a
    /// name there must be no choice.
    pub(super) fn find(&self, id: Option<&str>, algorithm: &str) -> Result<Arc<Key>, AuthError> {
        let named: Vec<_> = match (id, self.0.as_slice()) {
            (Some(_), keys) => keys.iter().filter(|key| key.id.as_deref() == id).collect(),
            (None, [only]) => vec![only],
            (None, _) => vec![],
        };
        if named.is_empty() {
            return Err(AuthError::UnknownKey);
        }
        let fitting = named.into_iter().find(|key| name(key.algorithm) == algorithm);
        fitting.cloned().ok_or(AuthError::WrongAlgorithm)
    }
}

impl Key {
    fn read(value: Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(value).ok()?;
        let (algorithm, decoding) = match jwk.kty.as_str() {
            "RSA" => (Algorithm::RS256, rsa(&jwk)?),
            "EC" => (Algorithm::ES256, p256(&jwk)?),
            _ => return None,
        };
        let for_signatures = jwk.usage.as_deref().is_none_or(|usage| usage == "sig")
            && jwk.key_ops.as_ref().is_none_or(|ops| ops.iter().any(|op| op == "verify"))
            && jwk.alg.as_deref().is_none_or(|alg| alg == name(algorithm));
        for_signatures.then_some(Self { id: jwk.kid, algorithm, decoding })
    }
}

/// The members of a key that matter here.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    n: Option<String>,
    e: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

fn rsa(jwk: &Jwk) -> Option<DecodingKey> {
    let (modulus, exponent) = (number(jwk.n.as_deref()?)?, number(jwk.e.as_deref()?)?);
    let leading_zeros = usize::try_from(modulus.first()?.leading_zeros()).ok()?;
    let strong = modulus.len() * 8 - leading_zeros >= SHORTEST_RSA_BITS && exponent.as_slice() > &[1][..];
    strong.then(|| DecodingKey::from_rsa_raw_components(&modulus, &exponent))
}

fn p256(jwk: &Jwk) -> Option<DecodingKey> {
    let (x, y) = (jwk.x.as_deref()?, jwk.y.as_deref()?);
    let whole = |coordinate: &str| URL_SAFE_NO_PAD.decode(coordinate).is_ok_and(|bytes| bytes.len() == 32);
    (jwk.crv.as_deref() == Some("P-256") && whole(x) && whole(y)).then(|| DecodingKey::from_ec_components(x, y).ok())?
}

/// A number as a JWK writes it, without leading zeros.
fn number(text: &str) -> Option<Vec<u8>> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    Some(bytes.into_iter().skip_while(|byte| *byte == 0).collect())
}

/// The name of an algorithm in a header.
fn name(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::RS256 => "RS256",
        Algorithm::ES256 => "ES256",
        _ => "",
    }
}
