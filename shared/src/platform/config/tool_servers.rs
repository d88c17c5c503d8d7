//! Other MCP servers, whose tools are offered beside our own.

use reqwest::Url;

use super::{ConfigError, Variable, Vars, is_loopback};
use crate::platform::secret::Secret;

const SERVERS: &str = "MCP_UPSTREAMS";
const TOKENS: &str = "MCP_UPSTREAM_TOKENS";
const EXPECTED: &str =
    "NAME=URL NAME=URL, names of a-z, 0-9 and -, https:// URLs (http:// on this machine) that hold no key";
const EXPECTED_TOKENS: &str = "NAME=TOKEN NAME=TOKEN, each NAME one of MCP_UPSTREAMS";
const MOST: usize = 20;
const LONGEST_NAME: usize = 32;

pub(super) const VARIABLES: &[Variable] = &[
    Variable {
        name: SERVERS,
        meaning: "other MCP servers, as name=https://host/mcp other=https://...; their tools are offered as name__tool",
        default: "none",
    },
    Variable { name: TOKENS, meaning: "tokens for them, as name=token other=token", default: "none" },
];

/// Another MCP server.
#[derive(Debug, Clone)]
pub struct ToolServerConfig {
    /// What its tools' names begin with.
    pub name: String,
    /// Where it is.
    pub url: Url,
    /// What it is shown.
    pub token: Option<Secret>,
}

impl ToolServerConfig {
    /// Reads the variables.
    ///
    /// # Errors
    /// [`ConfigError`] naming the one that is invalid, without its value.
    pub fn all(vars: &Vars) -> Result<Vec<Self>, ConfigError> {
        let mut tokens: Vec<(String, Secret)> = pairs(vars.get(TOKENS))
            .map(|pair| pair.map(|(name, token)| (name.to_owned(), Secret::new(token))))
            .collect::<Option<_>>()
            .ok_or_else(|| ConfigError::expected(TOKENS, EXPECTED_TOKENS))?;
        let mut servers: Vec<Self> = vec![];
        for pair in pairs(vars.get(SERVERS)) {
            let server = pair.and_then(|(name, url)| Some((name_of(name)?, url_of(url)?)));
            let Some((name, url)) = server.filter(|(name, _)| servers.iter().all(|known| known.name != *name)) else {
                return Err(ConfigError::expected(SERVERS, EXPECTED));
            };
            let token = tokens.iter().position(|(of, _)| *of == name).map(|at| tokens.swap_remove(at).1);
            servers.push(Self { name, url, token });
        }
        if servers.len() > MOST {
            return Err(ConfigError::expected(SERVERS, EXPECTED));
        }
        if !tokens.is_empty() {
            return Err(ConfigError::expected(TOKENS, EXPECTED_TOKENS));
        }
        Ok(servers)
    }
}

/// What stands before and behind the first `=` of each; nothing, where there is none.
fn pairs(text: Option<&str>) -> impl Iterator<Item = Option<(&str, &str)>> {
    text.unwrap_or_default().split_whitespace().map(|pair| pair.split_once('='))
}

fn name_of(name: &str) -> Option<String> {
    let fits = (1..=LONGEST_NAME).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    fits.then(|| name.to_owned())
}

fn url_of(url: &str) -> Option<Url> {
    let url: Url = url.parse().ok()?;
    let trusted = url.has_host() && (url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url)));
    let keyless = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    (trusted && keyless).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(servers: &str, tokens: &str) -> Result<Vec<ToolServerConfig>, ConfigError> {
        ToolServerConfig::all(&[(SERVERS, servers), (TOKENS, tokens)].into_iter().collect())
    }

    #[test]
    fn servers_are_known_by_name_each_with_its_token() {
        let servers = read("news=https://news.example/mcp dev=http://127.0.0.1:9/mcp", "dev=a=b").unwrap();
        assert_eq!(servers.iter().map(|server| server.name.as_str()).collect::<Vec<_>>(), ["news", "dev"]);
        assert!(servers[0].token.is_none());
        assert_eq!(servers[1].token.as_ref().unwrap().expose(), "a=b");
        assert!(read("", "").unwrap().is_empty());
    }

    #[test]
    fn what_cannot_be_trusted_or_told_apart_is_refused_by_name() {
        for servers in [
            "news",
            "News=https://news.example",
            "a=http://news.example",
            "a=https://user:key@news.example",
            "a=https://news.example?key=x",
            "a=https://x.example a=https://y.example",
            "a=ftp://x.example",
        ] {
            assert_eq!(read(servers, "").unwrap_err().name, SERVERS, "{servers}");
        }
        for tokens in ["other=secret", "secret"] {
            let error = read("a=https://x.example", tokens).unwrap_err();
            assert_eq!(error.name, TOKENS);
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
