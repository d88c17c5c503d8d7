//! The sites whose pages may speak to this deployment from a browser.

use std::collections::BTreeSet;

use reqwest::Url;

use super::{ConfigError, Vars};

const NAME: &str = "CORS_ORIGINS";
const EXPECTED: &str = "origins such as https://app.example.com, separated by spaces or commas, or * for every one";

/// Which origins (<https://www.rfc-editor.org/rfc/rfc6454>) may ask. None, unless it is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origins {
    /// These, each as a browser writes it in `Origin`.
    These(BTreeSet<String>),
    /// Every one, even those that have no name (`null`).
    Every,
}

impl Origins {
    pub(super) fn from_vars(vars: &Vars) -> Result<Self, ConfigError> {
        let text = vars.get(NAME).unwrap_or_default();
        if text == "*" {
            return Ok(Self::Every);
        }
        let words = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|word| !word.is_empty());
        let origin = |word| origin(word).ok_or_else(|| ConfigError::invalid(NAME, word, EXPECTED));
        Ok(Self::These(words.map(origin).collect::<Result<_, _>>()?))
    }

    /// Whether pages of that origin may ask. `origin` is what `Origin` says.
    pub fn allows(&self, origin: &str) -> bool {
        match self {
            Self::These(origins) => origins.contains(origin),
            Self::Every => true,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::These(origins) if origins.is_empty())
    }
}

/// The origin, as a browser writes it; `None` where that is more than an origin, or none.
fn origin(word: &str) -> Option<String> {
    let url = Url::parse(word).ok().filter(|url| matches!(url.scheme(), "http" | "https") && !word.contains('*'))?;
    let origin = url.origin().ascii_serialization();
    // A URL of an origin alone is written with a path.
    (url.as_str().strip_suffix('/') == Some(&origin)).then_some(origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Origins, ConfigError> {
        Origins::from_vars(&Vars::from_iter([(NAME, text)]))
    }

    #[test]
    fn origins_are_those_that_are_named() {
        let origins = read("https://app.example.com, http://localhost:3000  https://Other.example:443/").unwrap();
        for allowed in ["https://app.example.com", "http://localhost:3000", "https://other.example"] {
            assert!(origins.allows(allowed), "{allowed}");
        }
        for other in [
            "http://app.example.com",
            "https://app.example.com:8443",
            "https://app.example.com.evil.example",
            "https://evil.example/https://app.example.com",
            "https://APP.example.com",
            "null",
            "*",
            "",
        ] {
            assert!(!origins.allows(other), "{other}");
        }
    }

    #[test]
    fn unset_is_none_and_a_star_is_every_one() {
        assert!(read("").unwrap().is_empty() && !read("").unwrap().allows("https://app.example.com"));
        assert!(!read("*").unwrap().is_empty() && read("*").unwrap().allows("null"));
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for wrong in [
            "app.example.com",
            "https://app.example.com/path",
            "https://ada@app.example.com",
            "https://app.example.com?",
            "https://*.example.com,",
            "https://a.example *",
            "file:///tmp",
            "null",
        ] {
            match read(wrong) {
                Err(error) => assert_eq!(error.name, NAME),
                Ok(origins) => panic!("{wrong}: {origins:?}"),
            }
        }
    }
}
