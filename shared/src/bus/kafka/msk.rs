//! Amazon MSK: brokers found by the cluster's ARN, and tokens signed by the function's role.

use std::error::Error;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, timeout::TimeoutConfig};
use rdkafka::client::OAuthToken;
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::super::BusError;
use crate::platform::config::KafkaAuth;

/// How long a token, or the list of brokers, may take.
const DEADLINE: Duration = Duration::from_secs(5);

/// The brokers of a cluster for a way in, from `GetBootstrapBrokers`.
pub(super) async fn brokers(arn: &str, auth: KafkaAuth) -> Result<String, BusError> {
    let timeouts = TimeoutConfig::builder().operation_timeout(DEADLINE).build();
    let shared = aws_config::defaults(BehaviorVersion::latest()).timeout_config(timeouts).load().await;
    let asked = aws_sdk_kafka::Client::new(&shared).get_bootstrap_brokers().cluster_arn(arn).send().await;
    let answer = asked.map_err(|error| {
        let text = aws_sdk_kafka::error::DisplayErrorContext(&error).to_string();
        BusError::Unavailable(format!("the brokers of the cluster cannot be asked for: {text}"))
    })?;
    let brokers = match auth {
        KafkaAuth::None => answer.bootstrap_broker_string(),
        KafkaAuth::Tls => answer.bootstrap_broker_string_tls(),
        KafkaAuth::Iam => answer.bootstrap_broker_string_sasl_iam(),
    };
    brokers.map(str::to_owned).ok_or_else(|| BusError::Refused(format!("the cluster has no listener for {auth:?}")))
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

/// `work` driven by `runtime` for [`DEADLINE`] at most, for a thread outside of it.
fn timeout_in<T>(
    runtime: &Handle,
    work: impl Future<Output = T> + Send,
) -> impl FnOnce() -> Result<T, &'static str> + Send {
    let runtime = runtime.clone();
    move || runtime.block_on(async { timeout(DEADLINE, work).await.map_err(|_| "no token in time") })
}
