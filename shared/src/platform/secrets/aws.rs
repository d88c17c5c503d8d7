//! AWS Secrets Manager, and the parameters of AWS Systems Manager.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_ssm::types::Parameter;
use futures_util::future::{join, join_all};
use tokio::time::timeout;

use super::{Opened, SecretId, Vault};
use crate::platform::BoxFuture;
use crate::platform::aws::{configuration, reason};
use crate::platform::secret::Secret;

/// How many parameters one request may name.
const PARAMETERS: usize = 10;

/// Asks AWS, with clients that live as long as the question: between two questions the sandbox may have been frozen.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct AwsVault;

impl Vault for AwsVault {
    fn open(&self, wanted: BTreeSet<SecretId>, deadline: Duration) -> BoxFuture<'_, Opened> {
        let (mut secrets, mut parameters) = (vec![], vec![]);
        for id in wanted {
            match id {
                SecretId::SecretsManager(id) => secrets.push(id),
                SecretId::Ssm(name) => parameters.push(name),
            }
        }
        Box::pin(async move {
            let config = configuration(deadline).await;
            let secrets = join_all(secrets.into_iter().map(|id| secret(&config, id, deadline)));
            let parameters = join_all(parameters.chunks(PARAMETERS).map(|names| some(&config, names, deadline)));
            let (secrets, parameters) = join(secrets, parameters).await;
            secrets.into_iter().chain(parameters.into_iter().flatten()).collect()
        })
    }
}

type One = (SecretId, Result<Secret, String>);

/// One secret. They are asked for one by one (`BatchGetSecretValue` needs a permission that cannot be limited to them), at once.
async fn secret(config: &SdkConfig, id: String, deadline: Duration) -> One {
    let asked = aws_sdk_secretsmanager::Client::new(config).get_secret_value().secret_id(&id).send();
    let held = match timeout(deadline, asked).await {
        Ok(Ok(answer)) => answer.secret_string.map(Secret::new).ok_or_else(|| "it is no text".to_owned()),
        Ok(Err(error)) => Err(reason(&error)),
        Err(_) => Err(late(deadline)),
    };
    (SecretId::SecretsManager(id), held)
}

/// Some parameters.
async fn some(config: &SdkConfig, names: &[String], deadline: Duration) -> Vec<One> {
    let request = aws_sdk_ssm::Client::new(config).get_parameters();
    let asked = request.set_names(Some(names.to_vec())).with_decryption(true).send();
    let found = match timeout(deadline, asked).await {
        Ok(Ok(answer)) => Ok(answer.parameters.unwrap_or_default()),
        Ok(Err(error)) => Err(reason(&error)),
        Err(_) => Err(late(deadline)),
    };
    let value = |name: &String| {
        let found = found.as_ref().map_err(Clone::clone)?;
        let found = found.iter().find(|parameter| is_named(parameter, name)).and_then(Parameter::value);
        found.map(Secret::new).ok_or_else(|| "there is no such parameter".to_owned())
    };
    names.iter().map(|name| (SecretId::Ssm(name.clone()), value(name))).collect()
}

/// Whether that is what was asked for by that name: the answer has the version or label apart.
fn is_named(parameter: &Parameter, name: &str) -> bool {
    let plain = name.strip_suffix(parameter.selector().unwrap_or_default()).unwrap_or(name);
    parameter.name() == Some(plain) || parameter.arn() == Some(plain)
}

fn late(deadline: Duration) -> String {
    format!("no answer within {deadline:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_known_by_its_name_or_arn_with_or_without_a_version() {
        let arn = "arn:aws:ssm:eu-west-1:123456789012:parameter/a/b";
        let plain = Parameter::builder().name("/a/b").arn(arn).build();
        let third = Parameter::builder().name("/a/b").arn(arn).selector(":3").build();
        assert!(is_named(&plain, "/a/b") && is_named(&plain, arn));
        assert!(is_named(&third, "/a/b:3") && is_named(&third, &format!("{arn}:3")));
        assert!(!is_named(&plain, "/a/b:3") && !is_named(&plain, "/a"));
    }
}
