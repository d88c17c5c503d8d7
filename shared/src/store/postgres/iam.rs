//! Passwords of Amazon RDS and its proxy: tokens that the function's IAM role signs
//! (<https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.html>). A token is a presigned request to
//! connect, without its scheme. It lets in for 15 minutes, and a connection that it opened stands as long as any.

use std::time::{Duration, SystemTime};

use aws_config::BehaviorVersion;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use reqwest::Url;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use tokio::sync::OnceCell;

use crate::platform::secret::Secret;
use crate::store::StoreError;

/// As long as RDS takes it.
const LIFE: Duration = Duration::from_secs(900);

/// Signs tokens. Each new connection has one of its own: to sign takes microseconds, and asks nobody.
pub(super) struct Tokens {
    region: String,
    credentials: OnceCell<SharedCredentialsProvider>,
}

impl Tokens {
    pub(super) fn new(region: &str) -> Self {
        Self { region: region.to_owned(), credentials: OnceCell::new() }
    }

    /// The password for a connection that is opened now.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] where the process has no credentials.
    pub(super) async fn next(&self, options: &PgConnectOptions) -> Result<Secret, StoreError> {
        let unavailable = |problem: String| StoreError::Unavailable(format!("no token for the database: {problem}"));
        let provider = self.credentials.get_or_try_init(provider).await.map_err(unavailable)?;
        let credentials = provider.provide_credentials().await.map_err(|error| unavailable(error.to_string()))?;
        self.sign(options, credentials, SystemTime::now()).map_err(unavailable)
    }

    fn sign(&self, options: &PgConnectOptions, credentials: Credentials, now: SystemTime) -> Result<Secret, String> {
        const SCHEME: &str = "https://";
        let address = format!("{SCHEME}{}:{}/", options.get_host(), options.get_port());
        let mut url = Url::parse(&address).map_err(|error| error.to_string())?;
        url.query_pairs_mut().append_pair("Action", "connect").append_pair("DBUser", options.get_username());
        let mut settings = SigningSettings::default();
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(LIFE);
        let identity = credentials.into();
        let params = SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("rds-db")
            .time(now)
            .settings(settings)
            .build()
            .map_err(|error| error.to_string())?;
        let request = SignableRequest::new("GET", url.as_str(), std::iter::empty(), SignableBody::Bytes(&[]));
        let request = request.map_err(|error| error.to_string())?;
        let (signed, _) = sign(request, &params.into()).map_err(|error| error.to_string())?.into_parts();
        for (name, value) in signed.params() {
            url.query_pairs_mut().append_pair(name, value);
        }
        Ok(Secret::new(url.as_str().strip_prefix(SCHEME).unwrap_or_default()))
    }
}

async fn provider() -> Result<SharedCredentialsProvider, String> {
    let config = aws_config::load_defaults(BehaviorVersion::latest()).await;
    config.credentials_provider().ok_or_else(|| "the process has no credentials".to_owned())
}

/// Options that send a token to nobody but the server: encrypted, and unless the URL asks for less, with the server's
/// certificate checked.
///
/// # Errors
/// [`StoreError::Invalid`] for a URL that asks for no encryption.
pub(super) fn encrypted(options: PgConnectOptions, url: &Secret) -> Result<PgConnectOptions, StoreError> {
    let is_asked_for = Url::parse(url.expose())
        .is_ok_and(|url| url.query_pairs().any(|(name, _)| matches!(name.as_ref(), "sslmode" | "ssl-mode")));
    match options.get_ssl_mode() {
        PgSslMode::Require | PgSslMode::VerifyCa | PgSslMode::VerifyFull => Ok(options),
        PgSslMode::Prefer if !is_asked_for => Ok(options.ssl_mode(PgSslMode::VerifyFull)),
        _ => Err(StoreError::Invalid(
            "DATABASE_AUTH=iam needs sslmode=verify-full, verify-ca or require in DATABASE_URL".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(url: &str) -> PgConnectOptions {
        url.parse().unwrap()
    }

    fn sign(session: Option<&str>) -> String {
        let url = "postgres://mcp_app@mcp-proxy.proxy-abc.eu-west-1.rds.amazonaws.com/mcp";
        let key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
        let credentials = Credentials::new("AKIDEXAMPLE", key, session.map(str::to_owned), None, "test");
        let noon: chrono::DateTime<chrono::Utc> = "2026-01-31T12:00:00Z".parse().unwrap();
        let token = Tokens::new("eu-west-1").sign(&options(url), credentials, noon.into());
        token.unwrap().expose().to_owned()
    }

    /// The expected ones are what botocore's `generate_db_auth_token` makes of the same.
    #[test]
    fn a_token_is_what_others_make_too() {
        let begin = "mcp-proxy.proxy-abc.eu-west-1.rds.amazonaws.com:5432/?Action=connect&DBUser=mcp_app\
            &X-Amz-Algorithm=AWS4-HMAC-SHA256\
            &X-Amz-Credential=AKIDEXAMPLE%2F20260131%2Feu-west-1%2Frds-db%2Faws4_request\
            &X-Amz-Date=20260131T120000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host";
        let signature = "e6ab38dfd4f43a2de18d84a8827065d94f66ce2198a72e7dd7c60d174be8a51d";
        assert_eq!(sign(None), format!("{begin}&X-Amz-Signature={signature}"));
        let session = "a%2Fsession%2Btoken%3D%3D";
        let signature = "f929c27121b113a6f5ac0b552946e45c9fce92169c0943f2350195c090d248d3";
        let (mut signed, mut expected) = (parameters(&sign(Some("a/session+token=="))), parameters(begin));
        expected.push(format!("X-Amz-Security-Token={session}"));
        expected.push(format!("X-Amz-Signature={signature}"));
        signed.sort();
        expected.sort();
        assert_eq!(signed, expected);
    }

    fn parameters(token: &str) -> Vec<String> {
        token.split('&').map(str::to_owned).collect()
    }

    #[test]
    fn a_token_is_sent_over_tls_alone() {
        let mode = |url: &str| encrypted(options(url), &Secret::new(url)).map(|options| options.get_ssl_mode());
        assert!(matches!(mode("postgres://a@h/d"), Ok(PgSslMode::VerifyFull)));
        assert!(matches!(mode("postgres://a@h/d?sslmode=require"), Ok(PgSslMode::Require)));
        assert!(matches!(mode("postgres://a@h/d?sslmode=verify-ca"), Ok(PgSslMode::VerifyCa)));
        for less in ["disable", "allow", "prefer"] {
            assert!(mode(&format!("postgres://a@h/d?sslmode={less}")).is_err(), "{less}");
        }
    }
}
