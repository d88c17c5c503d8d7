//! Which events of chains are watched.

use serde::Deserialize;

use super::{ConfigError, Variable, Vars};

const NAME: &str = "CHAIN_FILTERS";
const MAX_FILTERS: usize = 50;
/// The most addresses of a filter, and topics at one position.
const MAX_LIST: usize = 100;
/// A log has at most four topics.
const MAX_TOPICS: usize = 4;

pub(super) const VARIABLES: &[Variable] = &[Variable {
    name: NAME,
    meaning: r#"what is watched, JSON: [{"name", "chain", "addresses": [..], "topics": [[..]|".."|null], "fromBlock"}]"#,
    default: "unset: nothing",
}];

/// Which events of a chain are watched, as it is written in `CHAIN_FILTERS`. Whether the chain exists, and its addresses
/// are some, is for who knows the chains.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WatchedFilter {
    /// Its name: 1 to 64 of `a-z`, `0-9`, `-`; no other has it.
    pub name: String,
    /// The chain's name or CAIP-2 id, as written.
    pub chain: String,
    /// Contracts (EVM), or an account (Solana), as written.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// At each position the topics that are allowed there, lower-case hexadecimal; an empty list allows any.
    #[serde(default)]
    pub topics: Vec<Topics>,
    /// Where to begin; `None`: at the newest block.
    #[serde(default)]
    pub from_block: Option<u64>,
}

/// The topics that are allowed at one position; none: any.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(from = "Allowed")]
pub struct Topics(pub Vec<String>);

/// As it may be written: a list, one, or `null` for any.
#[derive(Deserialize)]
#[serde(untagged)]
enum Allowed {
    Any(()),
    One(String),
    OneOf(Vec<String>),
}

impl From<Allowed> for Topics {
    fn from(allowed: Allowed) -> Self {
        let topics = match allowed {
            Allowed::Any(()) => vec![],
            Allowed::One(topic) => vec![topic],
            Allowed::OneOf(topics) => topics,
        };
        Self(topics.into_iter().map(|topic| topic.to_ascii_lowercase()).collect())
    }
}

impl WatchedFilter {
    /// The filters of `CHAIN_FILTERS`; none where it is unset.
    ///
    /// # Errors
    /// [`ConfigError`] that says which filter is wrong, and how.
    pub fn from_vars(vars: &Vars) -> Result<Vec<Self>, ConfigError> {
        let Some(text) = vars.get(NAME) else { return Ok(vec![]) };
        let wrong = |problem: String| ConfigError { name: NAME, problem };
        let filters: Vec<Self> =
            serde_json::from_str(text).map_err(|error| wrong(format!("expected a JSON array of filters: {error}")))?;
        if filters.len() > MAX_FILTERS {
            return Err(wrong(format!("expected at most {MAX_FILTERS} filters, not {}", filters.len())));
        }
        for (place, filter) in filters.iter().enumerate() {
            filter.check().map_err(|problem| wrong(format!("filter {:?}: {problem}", filter.name)))?;
            if filters[..place].iter().any(|other| other.name == filter.name) {
                return Err(wrong(format!("two filters are called {:?}", filter.name)));
            }
        }
        Ok(filters)
    }

    fn check(&self) -> Result<(), &'static str> {
        let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if !(1..=64).contains(&self.name.len()) || !self.name.bytes().all(letter) {
            return Err("expected a name of 1 to 64 of a-z, 0-9 and -");
        }
        if self.chain.is_empty() {
            return Err("expected a chain");
        }
        if self.addresses.len() > MAX_LIST || self.topics.iter().any(|Topics(topics)| topics.len() > MAX_LIST) {
            return Err("expected at most 100 addresses, and topics at a position");
        }
        if self.topics.len() > MAX_TOPICS {
            return Err("expected at most 4 positions of topics");
        }
        let is_topic = |topic: &String| {
            topic
                .strip_prefix("0x")
                .is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
        };
        if !self.topics.iter().all(|Topics(topics)| topics.iter().all(is_topic)) {
            return Err("expected topics of 0x and 64 hexadecimal digits");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<WatchedFilter>, ConfigError> {
        WatchedFilter::from_vars(&Vars::from_iter([(NAME, text)]))
    }

    fn topic(digit: char) -> String {
        format!("0x{}", digit.to_string().repeat(64))
    }

    #[test]
    fn nothing_is_watched_unless_it_is_asked_for() {
        assert_eq!(WatchedFilter::from_vars(&Vars::default()), Ok(vec![]));
        assert_eq!(read("[]"), Ok(vec![]));
    }

    #[test]
    fn a_filter_is_read_as_it_is_written() {
        let (a, b) = (topic('A'), topic('b'));
        let text = format!(
            r#"[{{"name": "usdc-1", "chain": "ethereum", "addresses": ["0xA0b8"], "topics": ["{a}", null, ["{a}", "{b}"], []],
                 "fromBlock": 19000000}}, {{"name": "memos", "chain": "solana"}}]"#
        );
        let a = a.to_ascii_lowercase();
        let wanted = WatchedFilter {
            name: "usdc-1".to_owned(),
            chain: "ethereum".to_owned(),
            addresses: vec!["0xA0b8".to_owned()],
            topics: [vec![a.clone()], vec![], vec![a, b], vec![]].map(Topics).to_vec(),
            from_block: Some(19_000_000),
        };
        let filters = read(&text).unwrap();
        assert_eq!(filters[0], wanted);
        assert_eq!((filters[1].topics.len(), filters[1].from_block), (0, None));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let many: Vec<_> = (0..51).map(|n| format!(r#"{{"name": "f{n}", "chain": "base"}}"#)).collect();
        let five = format!(r#"[{{"name": "a", "chain": "base", "topics": [{}]}}]"#, ["null"; 5].join(","));
        for (text, problem) in [
            ("{}", "a JSON array of filters"),
            (r#"[{"name": "a"}]"#, "missing field `chain`"),
            (r#"[{"name": "a", "chain": "base", "adresses": []}]"#, "unknown field `adresses`"),
            (r#"[{"name": "a", "chain": "base", "fromBlock": -1}]"#, "expected u64"),
            (r#"[{"name": "A", "chain": "base"}]"#, r#"filter "A": expected a name"#),
            (r#"[{"name": "", "chain": "base"}]"#, "expected a name"),
            (r#"[{"name": "a", "chain": ""}]"#, "expected a chain"),
            (r#"[{"name": "a", "chain": "base"}, {"name": "a", "chain": "solana"}]"#, "two filters are called"),
            (r#"[{"name": "a", "chain": "base", "topics": ["0x12"]}]"#, "64 hexadecimal digits"),
            (five.as_str(), "at most 4 positions"),
            (&format!("[{}]", many.join(",")), "at most 50 filters, not 51"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.to_string().contains(problem), "{text}: {error}");
        }
    }
}
