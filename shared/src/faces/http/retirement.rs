//! An interface that is on its way out: its answers say since when it is deprecated, `Deprecation`
//! (<https://www.rfc-editor.org/rfc/rfc9745>), and when it will be gone, `Sunset` (<https://www.rfc-editor.org/rfc/rfc8594>).

use http::{HeaderMap, HeaderValue};

use crate::platform::clock::Timestamp;

/// When an interface retires, if it does, as its answers say it.
#[derive(Debug, Clone, Default)]
pub struct Retirement {
    deprecation: Option<HeaderValue>,
    sunset: Option<HeaderValue>,
}

impl Retirement {
    /// One that is deprecated since a time, and gone at a time.
    pub fn new(deprecation: Option<Timestamp>, sunset: Option<Timestamp>) -> Self {
        let value = |text: String| HeaderValue::from_str(&text).ok();
        Self {
            deprecation: deprecation.and_then(|time| value(format!("@{}", time.timestamp()))),
            // An IMF-fixdate, which is in GMT.
            sunset: sunset.and_then(|time| value(time.format("%a, %d %b %Y %H:%M:%S GMT").to_string())),
        }
    }

    /// Says so in the headers of an answer.
    pub(super) fn written(&self, headers: &mut HeaderMap) {
        for (name, value) in [("deprecation", &self.deprecation), ("sunset", &self.sunset)] {
            if let Some(value) = value {
                headers.insert(name, value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_say_when_it_is_deprecated_and_when_it_is_gone() {
        let written = |deprecation: Option<&str>, sunset: Option<&str>| {
            let time = |text: Option<&str>| text.map(|text| text.parse().unwrap());
            let mut headers = HeaderMap::new();
            Retirement::new(time(deprecation), time(sunset)).written(&mut headers);
            headers
        };
        // The examples of the two RFCs.
        let both = written(Some("2023-06-30T23:59:59Z"), Some("2018-12-31T23:59:59Z"));
        assert_eq!(
            (&both["deprecation"], &both["sunset"]),
            (&"@1688169599".parse().unwrap(), &"Mon, 31 Dec 2018 23:59:59 GMT".parse().unwrap())
        );
        assert!(!written(None, Some("2018-12-31T23:59:59Z")).contains_key("deprecation"));
        assert!(written(None, None).is_empty());
    }
}
