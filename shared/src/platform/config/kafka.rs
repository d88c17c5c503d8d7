//! Which Kafka carries the events, and how to get in.

use super::{ConfigError, Variable, Vars};

pub(super) const VARIABLES: &[Variable] = &[
    Variable {
        name: "KAFKA_BROKERS",
        meaning: "brokers: HOST:PORT,HOST:PORT",
        default: "unset: a log in this process",
    },
    Variable {
        name: "KAFKA_AUTH",
        meaning: "none, tls, or iam (MSK; over TLS)",
        default: "none; iam with MSK_CLUSTER_ARN",
    },
    Variable {
        name: "KAFKA_CA_FILE",
        meaning: "PEM file of the authorities that brokers are trusted by",
        default: "the system's",
    },
    Variable { name: "KAFKA_TOPIC_PREFIX", meaning: "put before the name of every topic", default: "unset" },
    Variable { name: "MSK_CLUSTER_ARN", meaning: "find the brokers through the AWS API instead", default: "unset" },
    Variable {
        name: "OUTBOX_RELAY_FUNCTION",
        meaning: "on Lambda: the function that is invoked after a commit to publish it",
        default: "unset: its schedule alone",
    },
];

/// Where the brokers are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Brokers {
    /// A list, as Kafka's clients take it.
    List(String),
    /// To be asked of AWS.
    Msk {
        /// The cluster.
        arn: String,
    },
}

/// How a client gets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KafkaAuth {
    /// Without encryption.
    None,
    /// Encrypted; the brokers do not ask who it is.
    Tls,
    /// Encrypted, with tokens signed by the function's IAM role.
    Iam,
}

/// Which Kafka carries the events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaConfig {
    /// Where the brokers are.
    pub brokers: Brokers,
    /// How to get in.
    pub auth: KafkaAuth,
    /// Instead of the system's authorities.
    pub ca_file: Option<String>,
    /// The AWS region that tokens are signed for.
    pub region: Option<String>,
}

impl KafkaConfig {
    /// Reads the variables; `None` where they name no Kafka.
    ///
    /// # Errors
    /// [`ConfigError`] for a list that is none, or an unknown way in.
    pub fn from_vars(vars: &Vars) -> Result<Option<Self>, ConfigError> {
        let brokers = match (vars.get("KAFKA_BROKERS"), vars.get("MSK_CLUSTER_ARN")) {
            (Some(list), None) if list.split(',').all(is_broker) => Brokers::List(list.to_owned()),
            (Some(list), None) => return Err(ConfigError::invalid("KAFKA_BROKERS", list, "HOST:PORT,HOST:PORT")),
            (None, Some(arn)) if arn.starts_with("arn:") => Brokers::Msk { arn: arn.to_owned() },
            (None, Some(arn)) => return Err(ConfigError::invalid("MSK_CLUSTER_ARN", arn, "an ARN")),
            (Some(_), Some(_)) => {
                return Err(ConfigError::expected("MSK_CLUSTER_ARN", "either it or KAFKA_BROKERS, not both"));
            }
            (None, None) => return Ok(None),
        };
        let auth = match (vars.get("KAFKA_AUTH"), &brokers) {
            (None, Brokers::List(_)) | (Some("none"), _) => KafkaAuth::None,
            (None, Brokers::Msk { .. }) | (Some("iam"), _) => KafkaAuth::Iam,
            (Some("tls"), _) => KafkaAuth::Tls,
            (Some(other), _) => return Err(ConfigError::invalid("KAFKA_AUTH", other, "none, tls or iam")),
        };
        let region = vars.get("AWS_REGION").map(str::to_owned);
        if auth == KafkaAuth::Iam && region.is_none() {
            return Err(ConfigError::expected("AWS_REGION", "the region of the cluster, for KAFKA_AUTH=iam"));
        }
        Ok(Some(Self { brokers, auth, ca_file: vars.get("KAFKA_CA_FILE").map(str::to_owned), region }))
    }
}

/// The prefix of every topic's name.
///
/// # Errors
/// [`ConfigError`] for what no topic's name may hold.
pub fn topic_prefix(vars: &Vars) -> Result<&str, ConfigError> {
    let prefix = vars.get("KAFKA_TOPIC_PREFIX").unwrap_or_default();
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if prefix.len() <= 200 && prefix.bytes().all(legal) {
        Ok(prefix)
    } else {
        Err(ConfigError::invalid(
            "KAFKA_TOPIC_PREFIX",
            prefix,
            "at most 200 letters, digits, dots, dashes or underscores",
        ))
    }
}

/// The function that publishes what was committed, if it is to be invoked.
pub fn relay_function(vars: &Vars) -> Option<&str> {
    vars.get("OUTBOX_RELAY_FUNCTION")
}

fn is_broker(broker: &str) -> bool {
    broker.trim().rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Option<KafkaConfig>, ConfigError> {
        KafkaConfig::from_vars(&pairs.iter().copied().collect())
    }

    #[test]
    fn brokers_are_listed_or_asked_for() {
        assert_eq!(read(&[]), Ok(None));
        let listed = read(&[("KAFKA_BROKERS", "a:1,b:2"), ("KAFKA_AUTH", "tls")]).unwrap().unwrap();
        assert_eq!((listed.brokers, listed.auth), (Brokers::List("a:1,b:2".to_owned()), KafkaAuth::Tls));
        let asked = read(&[("MSK_CLUSTER_ARN", "arn:aws:kafka:x"), ("AWS_REGION", "eu-west-1")]).unwrap().unwrap();
        assert_eq!(asked.auth, KafkaAuth::Iam);
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        let name = |pairs: &[(&str, &str)]| read(pairs).unwrap_err().name;
        assert_eq!(name(&[("KAFKA_BROKERS", "nowhere")]), "KAFKA_BROKERS");
        assert_eq!(name(&[("KAFKA_BROKERS", "a:1"), ("KAFKA_AUTH", "magic")]), "KAFKA_AUTH");
        assert_eq!(name(&[("KAFKA_BROKERS", "a:1"), ("KAFKA_AUTH", "iam")]), "AWS_REGION");
        assert_eq!(name(&[("KAFKA_BROKERS", "a:1"), ("MSK_CLUSTER_ARN", "arn:x")]), "MSK_CLUSTER_ARN");
        assert!(topic_prefix(&[("KAFKA_TOPIC_PREFIX", "a b")].into_iter().collect()).is_err());
    }
}
