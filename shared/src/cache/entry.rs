//! A cached value with its ends of life, and how it is written where other processes read it.

use bytes::Bytes;
use chrono::DateTime;

use crate::platform::clock::Timestamp;

/// A cached value with its two ends of life. Expiry is part of the entry and compared with the `Clock`, so that it
/// moves between tiers without a new lease of life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The encoded value; an empty one is a value too.
    pub value: Bytes,
    /// Until when it is fresh.
    pub fresh_until: Timestamp,
    /// Until when it may be served as stale.
    pub expires_at: Timestamp,
    /// Its tags, each with the tag's stamp when the value was made: another stamp by now means that the tag was
    /// invalidated since.
    pub tags: Vec<(String, u64)>,
}

const VERSION: u8 = 2;

impl Entry {
    /// One version byte; `fresh_until` and `expires_at` (milliseconds since 1970, 8 bytes each); the number of tags (1
    /// byte), each with its length (1 byte), its name and its stamp (8 bytes); then the value. Numbers are big endian.
    /// `None` for more, or longer, tags than that holds.
    pub fn encode(&self) -> Option<Vec<u8>> {
        let mut bytes = Vec::with_capacity(18 + self.tags.len() * 32 + self.value.len());
        bytes.push(VERSION);
        bytes.extend(self.fresh_until.timestamp_millis().to_be_bytes());
        bytes.extend(self.expires_at.timestamp_millis().to_be_bytes());
        bytes.push(u8::try_from(self.tags.len()).ok()?);
        for (tag, stamp) in &self.tags {
            bytes.push(u8::try_from(tag.len()).ok()?);
            bytes.extend(tag.as_bytes());
            bytes.extend(stamp.to_be_bytes());
        }
        bytes.extend_from_slice(&self.value);
        Some(bytes)
    }

    /// The entry that these bytes hold; `None` for another version, and for what is no entry.
    pub fn decode(bytes: Vec<u8>) -> Option<Self> {
        let (&[VERSION], rest) = bytes.split_first_chunk()? else { return None };
        let (fresh_until, rest) = rest.split_first_chunk()?;
        let (expires_at, rest) = rest.split_first_chunk()?;
        let time = |bytes: &[u8; 8]| DateTime::from_timestamp_millis(i64::from_be_bytes(*bytes));
        let (fresh_until, expires_at) = (time(fresh_until)?, time(expires_at)?);
        let (&count, mut rest) = rest.split_first()?;
        let mut tags = Vec::with_capacity(usize::from(count));
        for _ in 0..count {
            let (&length, after) = rest.split_first()?;
            let (tag, after) = after.split_at_checked(usize::from(length))?;
            let (stamp, after) = after.split_first_chunk()?;
            tags.push((String::from_utf8(tag.to_vec()).ok()?, u64::from_be_bytes(*stamp)));
            rest = after;
        }
        let start = bytes.len() - rest.len();
        Some(Self { value: Bytes::from(bytes).split_off(start), fresh_until, expires_at, tags })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(value: Vec<u8>, tags: Vec<(String, u64)>) -> Entry {
        let time = |millis| DateTime::from_timestamp_millis(millis).unwrap();
        Entry { value: value.into(), fresh_until: time(1_000), expires_at: time(2_500), tags }
    }

    proptest! {
        #[test]
        fn an_entry_survives_its_encoding_even_if_empty(
            value in prop::collection::vec(any::<u8>(), 0..40),
            tags in prop::collection::vec(("[a-zü:]{0,20}", any::<u64>()), 0..4),
        ) {
            let entry = entry(value, tags);
            prop_assert_eq!(Entry::decode(entry.encode().unwrap()), Some(entry));
        }

        #[test]
        fn whatever_else_is_read_is_a_miss_and_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let entry = Entry::decode(bytes.clone());
            prop_assert!(entry.is_none() || bytes[0] == VERSION);
        }
    }

    #[test]
    fn what_is_foreign_or_cut_off_is_a_miss() {
        let good = entry(vec![], vec![("tag".to_owned(), 7)]).encode().unwrap();
        for cut in 0..good.len() {
            assert_eq!(Entry::decode(good[..cut].to_vec()), None, "{cut}");
        }
        assert_eq!(Entry::decode([&[1], &good[1..]].concat()), None);
        assert_eq!(Entry::decode([&[VERSION], &[0xff_u8 >> 1; 17][..]].concat()), None);
    }

    #[test]
    fn an_entry_with_too_long_a_tag_is_not_written() {
        assert_eq!(entry(vec![], vec![("x".repeat(256), 1)]).encode(), None);
    }
}
