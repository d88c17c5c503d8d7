//! A look at a document before it is parsed, in one pass over its bytes: a parser is the first thing that a hostile
//! document meets, and must not be what breaks.

use crate::faces::error::{ApiError, Code};

/// The longest document, in bytes.
pub(super) const MAX_BYTES: usize = 64 * 1024;
/// The most tokens of a document.
pub(super) const MAX_TOKENS: usize = 8_000;
/// How deep brackets of any kind may nest.
const MAX_NESTING: usize = 48;

/// Refuses a document that is too long, has too many tokens or nests too deep to be parsed in bounded time and stack.
///
/// # Errors
/// `QUERY_TOO_COMPLEX`.
pub(super) fn check(document: &str) -> Result<(), ApiError> {
    let too_complex = |what: String| Err(ApiError::new(Code::QueryTooComplex, what));
    if document.len() > MAX_BYTES {
        return too_complex(format!("the document has more than {MAX_BYTES} bytes"));
    }
    let (mut tokens, mut nesting) = (0_usize, 0_usize);
    let mut rest = document.as_bytes();
    while let Some(&byte) = rest.first() {
        let length = match byte {
            b' ' | b'\t' | b'\r' | b'\n' | b',' => {
                rest = &rest[1..];
                continue;
            }
            b'#' => {
                rest = &rest[run(rest, |byte| byte != b'\n' && byte != b'\r')..];
                continue;
            }
            b'"' => string(rest),
            b'{' | b'[' | b'(' => {
                nesting += 1;
                1
            }
            b'}' | b']' | b')' => {
                nesting = nesting.saturating_sub(1);
                1
            }
            _ => run(rest, |byte| byte.is_ascii_alphanumeric() || byte == b'_').max(1),
        };
        rest = &rest[length..];
        tokens += 1;
        if tokens > MAX_TOKENS {
            return too_complex(format!("the document has more than {MAX_TOKENS} tokens"));
        }
        if nesting > MAX_NESTING {
            return too_complex(format!("the document nests deeper than {MAX_NESTING}"));
        }
    }
    Ok(())
}

fn run(bytes: &[u8], within: impl Fn(u8) -> bool) -> usize {
    bytes.iter().position(|&byte| !within(byte)).unwrap_or(bytes.len())
}

/// The length of the string, or block string, that `bytes` begins with; all of them if it does not end.
fn string(bytes: &[u8]) -> usize {
    let block = bytes.starts_with(b"\"\"\"");
    let (mut at, end): (usize, &[u8]) = if block { (3, b"\"\"\"") } else { (1, b"\"") };
    while at < bytes.len() {
        let left = &bytes[at..];
        if (block && left.starts_with(b"\\\"\"\"")) || (!block && left[0] == b'\\') {
            at += if block { 4 } else { 2 };
        } else if left.starts_with(end) {
            return at + end.len();
        } else if !block && left[0] == b'\n' {
            // Not a string at all: the parser will say so.
            return at;
        } else {
            at += 1;
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn brackets_and_tokens_within_strings_and_comments_do_not_count() {
        let document = format!(
            "{{ a(b: \"{}\") # {}\n c(d: \"\"\"{} \\\"\"\" \"\"\") }}",
            "{".repeat(90),
            "[".repeat(90),
            "(".repeat(90)
        );
        assert_eq!(check(&document), Ok(()));
    }

    #[test]
    fn what_is_too_long_too_deep_or_too_much_is_refused() {
        for document in [" ".repeat(MAX_BYTES + 1), "{a".repeat(60), "[".repeat(60), "a ".repeat(MAX_TOKENS + 1)] {
            assert_eq!(check(&document).unwrap_err().code, Code::QueryTooComplex);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_looked_at_without_a_panic(document in ".{0,300}", noise in "[\"\\\\{}()#\n a]{0,60}") {
            let _ = check(&document);
            let _ = check(&noise);
        }
    }
}
