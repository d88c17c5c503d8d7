//! What browsers are told to refuse, on every answer; and pages, which are told what they may load.
//! <https://owasp.org/www-project-secure-headers/>

use axum::response::{Html, IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CONTENT_SECURITY_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use sha2::{Digest, Sha256};

/// What is no page loads nothing, and is shown in no frame.
const NOTHING: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// What no page of ours needs.
const UNUSED: &str = "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()";

/// The headers of every answer. `tls`: whether it is served by TLS alone, which a browser remembers for a year.
pub(super) fn harden(headers: &mut HeaderMap, tls: bool) {
    for (name, value) in [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), UNUSED),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(NOTHING));
    if tls {
        headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
}

/// What a page may load from elsewhere.
#[derive(Debug, Clone, Copy)]
pub(super) struct Elsewhere<'a> {
    /// Scripts, styles and fonts: origins, or URLs of folders, with a slash at the end.
    pub(super) code: &'a [&'a str],
    /// Pictures.
    pub(super) images: &'a [&'a str],
}

/// A page that runs the scripts which are written in it (as `<script>`, without attributes) and those from elsewhere, and no
/// others; and asks this server alone.
pub(super) fn page(html: String, elsewhere: Elsewhere<'_>) -> Response {
    let policy = policy(&html, elsewhere);
    let mut response = Html(html).into_response();
    // A policy that cannot be written is the strictest.
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    }
    response
}

fn policy(html: &str, Elsewhere { code, images }: Elsewhere<'_>) -> String {
    let hashes =
        html.split("<script>").skip(1).filter_map(|rest| rest.split_once("</script>")).map(|(script, _)| script);
    let hashes: String =
        hashes.map(|script| format!(" 'sha256-{}'", STANDARD.encode(Sha256::digest(script)))).collect();
    let (code, images) = (code.join(" "), images.join(" "));
    // Both tools set styles of elements as they run.
    format!(
        "{NOTHING}; script-src {code}{hashes}; style-src {code} 'unsafe-inline'; font-src {code} data:; \
         img-src 'self' data: {images}; connect-src 'self'; manifest-src 'self'"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_runs_the_scripts_that_are_written_in_it() {
        let html = "<script src=\"https://cdn.example/a.js\"></script><script>alert(1)</script><p><script>x</script>";
        let policy = policy(html, Elsewhere { code: &["https://cdn.example"], images: &[] });
        // printf 'alert(1)' | openssl dgst -sha256 -binary | base64
        let scripts = policy.split("; ").find(|part| part.starts_with("script-src ")).unwrap();
        assert!(
            scripts.contains("https://cdn.example 'sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI='"),
            "{policy}"
        );
        assert_eq!(scripts.matches("'sha256-").count(), 2, "{policy}");
        assert!(!scripts.contains("unsafe"), "{policy}");
    }

    #[test]
    fn only_what_is_served_by_tls_is_remembered_as_that() {
        let hardened = |tls| {
            let mut headers = HeaderMap::new();
            harden(&mut headers, tls);
            headers
        };
        assert_eq!(hardened(true)[STRICT_TRANSPORT_SECURITY], "max-age=31536000");
        assert!(!hardened(false).contains_key(STRICT_TRANSPORT_SECURITY));
    }
}
