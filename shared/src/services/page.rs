//! Pages of a list, and the cursors between them. A cursor is opaque to callers: the base64 of a version.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Error;

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The items, in order.
    pub items: Vec<T>,
    /// Whether more follow.
    pub has_next: bool,
}

impl<T> Page<T> {
    /// The first `first` of `rows`, of which one more was asked for to see whether there are more.
    pub(crate) fn of(mut rows: Vec<T>, first: u32) -> Self {
        let has_next = rows.len() > first as usize;
        rows.truncate(first as usize);
        Self { items: rows, has_next }
    }

    /// Each item with its cursor, made of the version that `convert` gives beside it.
    pub(crate) fn map<U>(self, convert: impl Fn(T) -> (i32, U)) -> Page<Item<U>> {
        let item = |row| {
            let (version, node) = convert(row);
            Item { cursor: encode_cursor(version), node }
        };
        Page { items: self.items.into_iter().map(item).collect(), has_next: self.has_next }
    }
}

/// An item of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item<T> {
    /// Where a page that comes after it goes on.
    pub cursor: String,
    /// What it is.
    pub node: T,
}

pub(crate) fn check_first(first: i32, max: i32) -> Result<u32, Error> {
    match u32::try_from(first) {
        Ok(first @ 1..) if first <= max.unsigned_abs() => Ok(first),
        _ => Err(Error::Invalid(format!("first must be between 1 and {max}, not {first}"))),
    }
}

pub(crate) fn encode_cursor(version: i32) -> String {
    URL_SAFE_NO_PAD.encode(format!("v{version}"))
}

pub(crate) fn decode_cursor(cursor: &str) -> Result<i32, Error> {
    let version = || {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        std::str::from_utf8(&bytes).ok()?.strip_prefix('v')?.parse().ok()
    };
    version().ok_or_else(|| Error::Invalid("after is not a cursor of this list".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_come_back_and_garbage_is_refused() {
        assert_eq!(decode_cursor(&encode_cursor(42)).unwrap(), 42);
        for garbage in ["", "x", "v42", "djk5OTk5OTk5OTk5OTk", "é"] {
            assert!(decode_cursor(garbage).is_err(), "{garbage:?}");
        }
    }

    #[test]
    fn a_page_size_is_bounded_on_both_sides() {
        assert_eq!(check_first(100, 100).unwrap(), 100);
        for first in [i32::MIN, -1, 0, 101] {
            assert!(check_first(first, 100).is_err(), "{first}");
        }
    }
}
