//! Which Redis is shared by all processes, if any. Parsed in every build; whether Redis was built in is `app`'s to say.

use std::fmt::Write;

use crate::platform::secret::Secret;

use super::{ConfigError, Variable, Vars};

pub(super) const VARIABLES: &[Variable] = &[
    Variable {
        name: "REDIS_URL",
        meaning: "shared cache and limits: redis://, rediss:// (TLS), redis-cluster:// or rediss-cluster://",
        default: "unset: in-process only",
    },
    Variable { name: "REDIS_HOST", meaning: "the same in parts, where REDIS_URL is unset", default: "unset" },
    Variable { name: "REDIS_PORT", meaning: "port of REDIS_HOST", default: "6379" },
    Variable {
        name: "REDIS_PASSWORD",
        meaning: "password or auth token for REDIS_HOST or ELASTICACHE_REPLICATION_GROUP",
        default: "unset",
    },
    Variable { name: "REDIS_CLUSTER", meaning: "whether REDIS_HOST is a cluster", default: "off" },
    Variable { name: "REDIS_TLS", meaning: "whether REDIS_HOST speaks TLS", default: "off" },
    Variable {
        name: "REDIS_CA_FILE",
        meaning: "PEM file of the authority that signed Redis's certificate",
        default: "public authorities",
    },
    Variable {
        name: "ELASTICACHE_REPLICATION_GROUP",
        meaning: "its id: find the endpoints through the AWS API instead",
        default: "unset",
    },
    Variable {
        name: "REDIS_READER_URL",
        meaning: "reader endpoint for cache reads",
        default: "the group's, or the primary",
    },
];

const GROUP: &str = "ELASTICACHE_REPLICATION_GROUP";
const CA_FILE: &str = "REDIS_CA_FILE";

const EXPECTED: &str = "redis://, rediss://, redis-cluster:// or rediss-cluster:// and [USER:PASSWORD@]HOST[:PORT]";

/// Where the Redis is that all processes share.
#[derive(Debug, Clone)]
pub enum RedisServers {
    /// At addresses that are known.
    Listed(RedisConfig),
    /// To be asked of AWS.
    ReplicationGroup(ReplicationGroup),
}

/// A Redis of ElastiCache, by its name.
#[derive(Debug, Clone)]
pub struct ReplicationGroup {
    /// Its id.
    pub id: String,
    /// Its auth token, if it asks for one.
    pub password: Option<Secret>,
    /// See [`RedisEndpoint::ca_file`].
    pub ca_file: Option<String>,
    /// Where cache reads are sent, instead of the group's own reader endpoint.
    pub reader: Option<RedisEndpoint>,
}

/// The addresses of a Redis.
#[derive(Debug, Clone)]
pub struct RedisConfig {
    /// Where everything may be sent.
    pub primary: RedisEndpoint,
    /// Where cache reads are sent, if not there.
    pub reader: Option<RedisEndpoint>,
}

/// One address of a Redis.
#[derive(Debug, Clone)]
pub struct RedisEndpoint {
    /// The variable that it comes from, for errors.
    pub variable: &'static str,
    /// `redis://` or `rediss://`; may carry a password.
    pub url: Secret,
    /// Whether a cluster answers there.
    pub cluster: bool,
    /// The file with the certificates to trust, where they are not those of public authorities.
    pub ca_file: Option<String>,
}

impl RedisServers {
    /// Reads the variables; `None` where no Redis is named. `REDIS_URL` goes before the parts, and those before the
    /// replication group.
    ///
    /// # Errors
    /// [`ConfigError`] without the URL's value, which may carry a password.
    pub fn from_vars(vars: &Vars) -> Result<Option<Self>, ConfigError> {
        let ca_file = vars.get(CA_FILE);
        let reader = || {
            let reader = vars.get("REDIS_READER_URL").map(|url| RedisEndpoint::parse("REDIS_READER_URL", url));
            Ok(reader.transpose()?.map(|reader| reader.trusting(ca_file)))
        };
        let primary = match (vars.get("REDIS_URL"), vars.get("REDIS_HOST"), vars.get(GROUP)) {
            (Some(url), _, _) => RedisEndpoint::parse("REDIS_URL", url)?,
            (None, Some(host), _) => RedisEndpoint::from_parts(vars, host)?,
            (None, None, Some(id)) if is_group_id(id) => {
                let password = vars.secret("REDIS_PASSWORD");
                let ca_file = ca_file.map(str::to_owned);
                let group = ReplicationGroup { id: id.to_owned(), password, ca_file, reader: reader()? };
                return Ok(Some(Self::ReplicationGroup(group)));
            }
            (None, None, Some(id)) => {
                return Err(ConfigError::invalid(GROUP, id, "at most 40 letters, digits or dashes, a letter first"));
            }
            (None, None, None) => return Ok(None),
        };
        Ok(Some(Self::Listed(RedisConfig { primary: primary.trusting(ca_file), reader: reader()? })))
    }

    /// The variable that they come from.
    pub fn variable(&self) -> &'static str {
        match self {
            Self::Listed(config) => config.primary.variable,
            Self::ReplicationGroup(_) => GROUP,
        }
    }
}

impl ReplicationGroup {
    /// One of the group's endpoints, as AWS tells it.
    pub fn endpoint(&self, host: &str, port: u16, tls: bool, cluster: bool) -> RedisEndpoint {
        let url = url(tls, self.password.as_ref(), host, port);
        RedisEndpoint { variable: GROUP, url, cluster, ca_file: self.ca_file.clone() }
    }
}

impl RedisEndpoint {
    /// Reads the URL that `variable` holds.
    ///
    /// # Errors
    /// [`ConfigError`] without the value.
    pub fn parse(variable: &'static str, url: &str) -> Result<Self, ConfigError> {
        let (scheme, cluster, rest) = [
            ("redis", false, "redis://"),
            ("rediss", false, "rediss://"),
            ("redis", true, "redis-cluster://"),
            ("rediss", true, "rediss-cluster://"),
        ]
        .into_iter()
        .find_map(|(scheme, cluster, prefix)| Some((scheme, cluster, url.strip_prefix(prefix)?)))
        .filter(|(_, _, rest)| !rest.is_empty())
        .ok_or_else(|| ConfigError::expected(variable, EXPECTED))?;
        Ok(Self { variable, url: Secret::new(format!("{scheme}://{rest}")), cluster, ca_file: None })
    }

    /// The same, trusting the certificates in a file.
    #[must_use]
    pub fn trusting(self, ca_file: Option<&str>) -> Self {
        Self { ca_file: ca_file.map(str::to_owned), ..self }
    }

    /// What that file holds.
    #[cfg(feature = "redis")]
    pub(crate) fn trusted(&self) -> Result<Option<Vec<u8>>, ConfigError> {
        let read = |file: &String| std::fs::read(file).map_err(|error| ConfigError::invalid(CA_FILE, file, error));
        self.ca_file.as_ref().map(read).transpose()
    }

    fn from_parts(vars: &Vars, host: &str) -> Result<Self, ConfigError> {
        if host.contains(['/', '@', ' ']) {
            return Err(ConfigError::invalid("REDIS_HOST", host, "a host name or address"));
        }
        let port: u16 = vars.parse("REDIS_PORT", "a port from 1 to 65535")?.unwrap_or(6379);
        let tls = vars.switch("REDIS_TLS", false)?;
        Ok(Self {
            variable: "REDIS_HOST",
            url: url(tls, vars.secret("REDIS_PASSWORD").as_ref(), host, port),
            cluster: vars.switch("REDIS_CLUSTER", false)?,
            ca_file: None,
        })
    }

    /// That the URL cannot be used.
    #[cfg(feature = "redis")]
    pub(crate) fn unusable(&self) -> ConfigError {
        ConfigError::expected(self.variable, EXPECTED)
    }
}

fn url(tls: bool, password: Option<&Secret>, host: &str, port: u16) -> Secret {
    let scheme = if tls { "rediss" } else { "redis" };
    // An IPv6 address goes into brackets.
    let host = if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.to_owned() };
    let password = password.map(|password| format!(":{}@", percent_encoded(password.expose())));
    Secret::new(format!("{scheme}://{}{host}:{port}", password.unwrap_or_default()))
}

fn is_group_id(id: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    id.len() <= 40 && id.starts_with(|first: char| first.is_ascii_alphabetic()) && id.bytes().all(legal)
}

/// `text` as it may stand before the `@` of a URL.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Option<RedisServers>, ConfigError> {
        RedisServers::from_vars(&pairs.iter().copied().collect())
    }

    fn primary(pairs: &[(&str, &str)]) -> (String, bool) {
        let Some(RedisServers::Listed(RedisConfig { primary, .. })) = read(pairs).unwrap() else {
            panic!("no address")
        };
        (primary.url.expose().to_owned(), primary.cluster)
    }

    fn group(pairs: &[(&str, &str)]) -> ReplicationGroup {
        let Some(RedisServers::ReplicationGroup(group)) = read(pairs).unwrap() else { panic!("no group") };
        group
    }

    #[test]
    fn without_a_variable_there_is_no_redis() {
        assert!(read(&[]).unwrap().is_none());
    }

    #[test]
    fn the_scheme_says_whether_it_is_a_cluster() {
        assert_eq!(primary(&[("REDIS_URL", "rediss-cluster://h:1")]), ("rediss://h:1".to_owned(), true));
        assert_eq!(primary(&[("REDIS_URL", "redis://h")]), ("redis://h".to_owned(), false));
    }

    #[test]
    fn parts_make_a_url_with_any_password() {
        let parts = [("REDIS_HOST", "h"), ("REDIS_PASSWORD", "a@b/é"), ("REDIS_CLUSTER", "true"), ("REDIS_TLS", "on")];
        assert_eq!(primary(&parts), ("rediss://:a%40b%2F%C3%A9@h:6379".to_owned(), true));
        assert_eq!(primary(&[("REDIS_HOST", "::1"), ("REDIS_PORT", "7")]).0, "redis://[::1]:7");
    }

    #[test]
    fn a_group_is_asked_for_only_where_no_address_is_given() {
        let id = ("ELASTICACHE_REPLICATION_GROUP", "mcp-redis");
        let parts = [id, ("REDIS_PASSWORD", "a@b"), ("REDIS_READER_URL", "redis://reader:1")];
        let found = group(&parts);
        assert_eq!((found.id.as_str(), found.reader.unwrap().url.expose()), ("mcp-redis", "redis://reader:1"));
        assert_eq!(primary(&[id, ("REDIS_HOST", "h")]).0, "redis://h:6379");
        assert_eq!(primary(&[id, ("REDIS_URL", "redis://h")]).0, "redis://h");
    }

    #[test]
    fn an_endpoint_of_a_group_has_its_auth_token() {
        let id = ("ELASTICACHE_REPLICATION_GROUP", "mcp-redis");
        let endpoint = group(&[id, ("REDIS_PASSWORD", "a@b")]).endpoint("h", 6380, true, true);
        assert_eq!((endpoint.url.expose(), endpoint.cluster), ("rediss://:a%40b@h:6380", true));
        assert_eq!(group(&[id]).endpoint("h", 1, false, false).url.expose(), "redis://h:1");
    }

    #[test]
    fn a_bad_value_is_named_and_its_password_is_not_shown() {
        let error = read(&[("REDIS_URL", "http://:hunter2@h")]).unwrap_err();
        assert_eq!(error.name, "REDIS_URL");
        assert!(!error.to_string().contains("hunter2"), "{error}");
        assert_eq!(read(&[("REDIS_HOST", "h"), ("REDIS_PORT", "x")]).unwrap_err().name, "REDIS_PORT");
        let arn = ("ELASTICACHE_REPLICATION_GROUP", "arn:aws:elasticache:x");
        assert_eq!(read(&[arn]).unwrap_err().name, "ELASTICACHE_REPLICATION_GROUP");
    }
}
