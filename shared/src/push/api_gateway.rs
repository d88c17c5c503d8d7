//! Clients of an API Gateway WebSocket API, through `PostToConnection` and `DeleteConnection`.
//!
//! Each message is tried once, and briefly: what may be tried again, and until when, the caller knows. Nothing of a message
//! is logged, or told in an error.

use std::error::Error;
use std::iter::successors;
use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_apigatewaymanagement::Client;
use aws_sdk_apigatewaymanagement::config::Builder;
use aws_sdk_apigatewaymanagement::config::http::HttpResponse;
use aws_sdk_apigatewaymanagement::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_apigatewaymanagement::primitives::Blob;
use tokio::sync::OnceCell;

use super::{Close, ConnectionId, Outgoing, PostError, Poster};
use crate::platform::BoxFuture;

/// How long one call may take, all in all.
const TIMEOUT: Duration = Duration::from_secs(3);
/// How long it may take to reach API Gateway, out of that.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// What AWS calls too many requests; with a full buffer of a client it is the first.
const THROTTLED: [&str; 5] =
    ["LimitExceededException", "ThrottlingException", "Throttling", "ThrottledException", "TooManyRequestsException"];

/// The clients of one stage of an API.
///
/// Messages of one connection arrive in the order in which they were posted, where each is posted once the one before was
/// answered. What superseded what does not matter here: nothing waits.
pub struct ApiGatewayPoster {
    endpoint_url: String,
    /// Made at the first use: loading credentials takes a while.
    client: OnceCell<Client>,
}

impl ApiGatewayPoster {
    /// The clients of the stage at `https://ID.execute-api.REGION.amazonaws.com/STAGE`.
    pub fn new(endpoint_url: impl Into<String>) -> Self {
        Self { endpoint_url: endpoint_url.into(), client: OnceCell::new() }
    }

    /// The same with this configuration's credentials and region instead of the environment's. Its endpoint, timeouts and
    /// retries do not count.
    #[must_use]
    pub fn configured(self, config: Builder) -> Self {
        let client = Client::from_conf(limited(config).endpoint_url(&self.endpoint_url).build());
        Self { client: OnceCell::new_with(Some(client)), ..self }
    }

    async fn client(&self) -> &Client {
        let make = || async {
            let shared = aws_config::defaults(BehaviorVersion::latest()).load().await;
            Client::from_conf(limited(Builder::from(&shared)).endpoint_url(&self.endpoint_url).build())
        };
        self.client.get_or_init(make).await
    }

    async fn send(&self, to: &ConnectionId, text: String) -> Result<(), PostError> {
        let request = self.client().await.post_to_connection().connection_id(to.as_str());
        request.data(Blob::new(text)).send().await.map(drop).map_err(|error| told(&error))
    }

    async fn end(&self, connection: &ConnectionId, close: Close) -> Result<(), PostError> {
        // API Gateway chooses what the client is told.
        tracing::debug!(%connection, code = close.code, reason = close.reason, "a connection is ended");
        let ended = self.client().await.delete_connection().connection_id(connection.as_str()).send().await;
        match ended.map(drop) {
            Err(error) if status(&error) == Some(404) => Ok(()),
            Err(error) => match told(&error) {
                PostError::Gone => Ok(()),
                other => Err(other),
            },
            Ok(()) => Ok(()),
        }
    }
}

/// One try, and no longer than that. Answers are so short that none can stall.
fn limited(config: Builder) -> Builder {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(TIMEOUT)
        // Credentials too are asked for within it.
        .operation_timeout(TIMEOUT)
        .build();
    config
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts)
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
}

fn status<E>(error: &SdkError<E, HttpResponse>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

/// What an error means. What API Gateway says to it is left out: about a signature, it quotes what was signed.
fn told<E: ProvideErrorMetadata + Error + 'static>(error: &SdkError<E, HttpResponse>) -> PostError {
    let why = match (status(error), error.code()) {
        (Some(410), _) | (_, Some("GoneException")) => return PostError::Gone,
        (Some(429), _) => return PostError::Throttled,
        (_, Some(code)) if THROTTLED.contains(&code) => return PostError::Throttled,
        (Some(413), _) => "the message is too large for API Gateway".to_owned(),
        (Some(403), code) => {
            return PostError::Refused(format!("API Gateway does not let this function: {}", code.unwrap_or("403")));
        }
        (Some(status), Some(code)) => format!("API Gateway answered {status}, {code}"),
        (Some(status), None) => format!("API Gateway answered {status}"),
        (None, _) => unanswered(error),
    };
    PostError::Unavailable(why)
}

fn unanswered<E: Error + 'static>(error: &SdkError<E, HttpResponse>) -> String {
    match error {
        SdkError::TimeoutError(_) => "no answer in time".to_owned(),
        SdkError::DispatchFailure(failure) => {
            let cause = failure.as_connector_error().and_then(Error::source);
            let causes = successors(cause, |error| (*error).source()).map(ToString::to_string).collect::<Vec<_>>();
            format!("API Gateway cannot be reached: {}", causes.join(": "))
        }
        _ => "the call cannot be made, or its answer not be understood".to_owned(),
    }
}

impl Poster for ApiGatewayPoster {
    fn post<'a>(&'a self, to: &'a ConnectionId, outgoing: Outgoing) -> BoxFuture<'a, Result<(), PostError>> {
        Box::pin(self.send(to, outgoing.message.to_text()))
    }

    fn close<'a>(&'a self, connection: &'a ConnectionId, close: Close) -> BoxFuture<'a, Result<(), PostError>> {
        Box::pin(self.end(connection, close))
    }

    fn keeps_order(&self) -> bool {
        // Each frame is an invocation of its own.
        false
    }
}
