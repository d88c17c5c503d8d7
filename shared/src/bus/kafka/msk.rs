//! Amazon MSK: brokers found by the cluster's ARN, and tokens signed by the function's role.

use std::error::Error;
use std::ffi::CString;
use std::sync::Arc;
use std::time::Duration;

use aws_config::Region;
use futures_util::FutureExt;
use rdkafka::client::{Client, OAuthToken};
use rdkafka::types::RDKafkaRespErr;
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::super::BusError;
use super::client::Context;
use crate::platform::aws::{configuration, reason};
use crate::platform::config::KafkaAuth;
use crate::platform::discovery::{Discovery, DiscoveryError};

/// How long a token, or the list of brokers, may take.
const DEADLINE: Duration = Duration::from_secs(5);

/// The brokers of a cluster for a way in, asked for when they are needed.
pub(super) fn discovery(arn: &str, auth: KafkaAuth) -> Arc<Discovery<String>> {
    let arn: Arc<str> = arn.into();
    Discovery::new("the brokers", move || {
        let arn = arn.clone();
        async move { brokers(&arn, auth).await }.boxed()
    })
}

/// From `GetBootstrapBrokers`.
async fn brokers(arn: &str, auth: KafkaAuth) -> Result<String, DiscoveryError> {
    let asked = Box::pin(async {
        let client = aws_sdk_kafka::Client::new(&configuration(DEADLINE).await);
        client.get_bootstrap_brokers().cluster_arn(arn).send().await
    });
    let answer =
        timeout(DEADLINE, asked).await.map_err(|_| DiscoveryError(format!("no answer within {DEADLINE:?}")))?;
    let answer = answer.map_err(|error| DiscoveryError(reason(&error)))?;
    let brokers = match auth {
        KafkaAuth::None => answer.bootstrap_broker_string,
        KafkaAuth::Tls => answer.bootstrap_broker_string_tls,
        KafkaAuth::Iam => answer.bootstrap_broker_string_sasl_iam,
    };
    brokers
        .filter(|list| !list.is_empty())
        .ok_or_else(|| DiscoveryError(format!("the cluster has no listener for {auth:?}")))
}

/// Tokens for SASL/OAUTHBEARER. librdkafka asks for the next one when four fifths of the last one's life are over, and
/// when it connects after that.
#[derive(Clone)]
pub(super) struct Tokens {
    region: Option<String>,
    runtime: Handle,
}

impl Tokens {
    pub(super) fn new(region: Option<String>) -> Self {
        Self { region, runtime: Handle::current() }
    }

    /// The next token. Called from any thread, so the wait is done on one that surely belongs to no runtime.
    pub(super) fn next(&self) -> Result<OAuthToken, Box<dyn Error>> {
        let region = Region::new(self.region.clone().ok_or("AWS_REGION is not set")?);
        let signed = std::thread::scope(|scope| {
            let sign = timeout_in(&self.runtime, aws_msk_iam_sasl_signer::generate_auth_token(region));
            scope.spawn(sign).join()
        });
        let (token, lifetime_ms) = signed.map_err(|_| "the signer panicked")???;
        Ok(OAuthToken { token, principal_name: String::new(), lifetime_ms })
    }
}

/// Gives `client` a token, which it would otherwise ask for in an event that rdkafka takes up only where somebody polls:
/// of an admin client nobody ever does, of a consumer nobody before its first question.
///
/// # Errors
/// [`BusError::Unavailable`] where there is no token, or it is not taken.
#[expect(unsafe_code, reason = "rdkafka has no safe way to it; the call is the one that it makes itself")]
pub(super) fn hand_token_to(client: &Client<Context>, tokens: &Tokens) -> Result<(), BusError> {
    let unavailable = |error: &dyn std::fmt::Display| BusError::Unavailable(format!("no token: {error}"));
    let OAuthToken { token, principal_name, lifetime_ms } = tokens.next().map_err(|error| unavailable(&error))?;
    let token = CString::new(token).map_err(|error| unavailable(&error))?;
    let principal = CString::new(principal_name).map_err(|error| unavailable(&error))?;
    let mut problem = [0; 256];
    // SAFETY: the client lives as long as the borrow; the strings end with NUL and are copied by librdkafka, which writes at
    // most `problem.len()` bytes to `problem`; no extensions are passed, so their pointer is not read.
    let code = unsafe {
        rdkafka::bindings::rd_kafka_oauthbearer_set_token(
            client.native_ptr(),
            token.as_ptr(),
            lifetime_ms,
            principal.as_ptr(),
            std::ptr::null_mut(),
            0,
            problem.as_mut_ptr(),
            problem.len(),
        )
    };
    if code == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
        Ok(())
    } else {
        Err(BusError::Unavailable("the client does not take a token".to_owned()))
    }
}

/// `work` driven by `runtime` for [`DEADLINE`] at most, for a thread outside of it.
fn timeout_in<T>(
    runtime: &Handle,
    work: impl Future<Output = T> + Send,
) -> impl FnOnce() -> Result<T, &'static str> + Send {
    let runtime = runtime.clone();
    move || runtime.block_on(async { timeout(DEADLINE, work).await.map_err(|_| "no token in time") })
}
