//! Which media type an answer has, and which one a request has.
//! <https://graphql.github.io/graphql-over-http/draft/#sec-Media-Types>

use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE};

/// The media type of a GraphQL answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Media {
    /// `application/graphql-response+json`: the HTTP status tells how the request went.
    GraphqlResponse,
    /// `application/json`: 200 for whatever reached GraphQL.
    Json,
}

impl Media {
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
            Self::Json => "application/json; charset=utf-8",
        }
    }

    /// The media type that the request accepts best; JSON where it does not say; `None` where it accepts neither.
    pub(super) fn accepted(headers: &HeaderMap) -> Option<Self> {
        let mut best: Option<(f32, Self)> = None;
        let mut said = false;
        for (range, weight) in ranges(headers) {
            said = true;
            let media = match range.as_str() {
                "application/graphql-response+json" => Self::GraphqlResponse,
                "application/json" | "application/*" | "*/*" => Self::Json,
                _ => continue,
            };
            if weight > 0.0 && best.is_none_or(|(heaviest, _)| weight > heaviest) {
                best = Some((weight, media));
            }
        }
        if said { best.map(|(_, media)| media) } else { Some(Self::Json) }
    }
}

/// Whether a browser asks for a page.
pub(super) fn wants_html(headers: &HeaderMap) -> bool {
    ranges(headers).any(|(range, _)| range == "text/html")
}

/// Whether JSON is accepted, or nothing is said.
#[cfg(feature = "mcp")]
pub(super) fn takes_json(headers: &HeaderMap) -> bool {
    !headers.contains_key(ACCEPT)
        || ranges(headers).any(|(range, weight)| {
            matches!(range.as_str(), "application/json" | "application/*" | "*/*") && weight > 0.0
        })
}

/// Whether a stream of events is asked for.
#[cfg(feature = "local")]
pub(super) fn wants_events(headers: &HeaderMap) -> bool {
    ranges(headers).any(|(range, weight)| range == "text/event-stream" && weight > 0.0)
}

/// Whether the body is JSON in UTF-8, as its `Content-Type` says.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let Some(content_type) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    let mut parts = content_type.split(';').map(|part| part.trim().to_ascii_lowercase());
    parts.next().as_deref() == Some("application/json")
        && parts.all(|parameter| {
            parameter.strip_prefix("charset=").is_none_or(|charset| charset.trim_matches('"') == "utf-8")
        })
}

/// The media ranges of `Accept` with their weights.
fn ranges(headers: &HeaderMap) -> impl Iterator<Item = (String, f32)> {
    headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).map(
        |range| {
            let mut parts = range.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default().to_ascii_lowercase();
            let weight = parts.find_map(|part| part.strip_prefix("q=")).and_then(|weight| weight.parse().ok());
            (name, weight.unwrap_or(1.0))
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(accept: &str) -> Option<Media> {
        Media::accepted(&HeaderMap::from_iter([(ACCEPT, accept.parse().unwrap())]))
    }

    #[test]
    fn the_heaviest_range_wins_and_the_first_of_equals() {
        assert_eq!(accepted("application/graphql-response+json, application/json"), Some(Media::GraphqlResponse));
        assert_eq!(accepted("application/graphql-response+json;q=0.5, application/json"), Some(Media::Json));
        assert_eq!(accepted("*/*"), Some(Media::Json));
        assert_eq!(accepted("text/html"), None);
        assert_eq!(accepted("application/json;q=0"), None);
        assert_eq!(Media::accepted(&HeaderMap::new()), Some(Media::Json));
    }

    #[test]
    fn only_json_in_utf_8_is_json() {
        let is = |value: &str| is_json(&HeaderMap::from_iter([(CONTENT_TYPE, value.parse().unwrap())]));
        assert!(is("application/json") && is("Application/JSON; charset=UTF-8"));
        assert!(!is("text/plain") && !is("application/json; charset=utf-16") && !is_json(&HeaderMap::new()));
    }
}
