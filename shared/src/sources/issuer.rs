//! The key server of a token issuer.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use reqwest::Url;

use super::SourceError;
use super::http::{Get, HttpClient, HttpOptions};
use crate::breaker::{Breakers, CircuitBreaker, Options};
use crate::platform::BoxFuture;
use crate::platform::auth::KeySource;
use crate::platform::clock::Clock;

const NAME: &str = "jwks";
/// Longest answer, in bytes.
const LONGEST: usize = 256 * 1024;

/// The JWK set at a URL.
pub struct IssuerKeys {
    http: HttpClient,
    url: Url,
    breaker: Arc<CircuitBreaker>,
}

impl IssuerKeys {
    /// The set at `url`; nothing is fetched yet.
    ///
    /// # Errors
    /// [`SourceError::Unavailable`] where TLS cannot be set up.
    pub fn new(url: Url, clock: Arc<dyn Clock>, breakers: &Breakers) -> Result<Self, SourceError> {
        // There is a fetch in ten minutes: a connection that was kept would be dead by the next.
        let options = HttpOptions { max_bytes: LONGEST, keeps_connections: false, ..HttpOptions::default() };
        // The issuer's keys are asked for so seldom that a single failure has to count. That they are not asked for at every
        // request while there are none is `platform/auth`'s to see to.
        let breaker = breakers.get(&Options {
            // Less than `platform/auth` waits.
            timeout: Duration::from_millis(2_500),
            volume_threshold: 1,
            reset_timeout: Duration::from_secs(1),
            // One sandbox's bad luck is no reason for all to refuse tokens.
            shared: false,
            group: Some("auth".into()),
            ..Options::new(NAME)
        });
        Ok(Self { http: HttpClient::new(options, clock)?, url, breaker })
    }

    async fn fetch(&self) -> Result<Bytes, String> {
        let get = Get { service: NAME, base: &self.url, path: "", query: &[], key: None };
        self.breaker.call(self.http.get(get)).await.map_err(|error| SourceError::from(error).to_string())
    }
}

impl KeySource for IssuerKeys {
    fn key_set(&self) -> BoxFuture<'_, Result<Bytes, String>> {
        self.fetch().boxed()
    }
}
