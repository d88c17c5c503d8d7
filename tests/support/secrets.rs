//! Secrets and parameters of one test, in the shared Secrets Manager and Systems Manager of moto.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::services::moto_url;

/// A corner of one test.
#[derive(Debug)]
pub struct Secrets {
    client: reqwest::Client,
    prefix: String,
}

impl Secrets {
    /// An empty one.
    pub fn new() -> Self {
        Self { client: reqwest::Client::new(), prefix: format!("test-{}", Uuid::now_v7().simple()) }
    }

    /// Keeps a secret, a new one or a new value; returns what refers to it.
    pub async fn keep(&self, name: &str, value: &str) -> String {
        let name = format!("{}/{name}", self.prefix);
        let put = json!({ "SecretId": name, "SecretString": value });
        if self.call("secretsmanager", "PutSecretValue", &put).await.is_err() {
            let create = json!({ "Name": name, "SecretString": value });
            self.call("secretsmanager", "CreateSecret", &create).await.expect("a secret can be made");
        }
        format!("secretsmanager:{name}")
    }

    /// The same for an encrypted parameter.
    pub async fn keep_parameter(&self, name: &str, value: &str) -> String {
        let name = format!("/{}/{name}", self.prefix);
        let put = json!({ "Name": name, "Value": value, "Type": "SecureString", "Overwrite": true });
        self.call("ssm", "PutParameter", &put).await.expect("a parameter can be put");
        format!("ssm:{name}")
    }

    /// What refers to nothing.
    pub fn missing(&self) -> String {
        format!("secretsmanager:{}/missing", self.prefix)
    }

    async fn call(&self, service: &str, action: &str, input: &Value) -> Result<(), String> {
        let api = if service == "ssm" { "AmazonSSM" } else { "secretsmanager" };
        let credential = format!("test/20260101/us-east-1/{service}/aws4_request");
        let request = self
            .client
            .post(moto_url())
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", format!("{api}.{action}"))
            .header(
                "authorization",
                format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=0"),
            )
            .body(input.to_string());
        let answer = request.send().await.expect("moto answers");
        if answer.status().is_success() { Ok(()) } else { Err(answer.text().await.unwrap_or_default()) }
    }
}

impl Default for Secrets {
    fn default() -> Self {
        Self::new()
    }
}
