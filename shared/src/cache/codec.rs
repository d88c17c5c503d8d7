//! How values become bytes: a version byte, then `MessagePack` with structs as arrays. So a field that is added, removed or
//! moved makes another shape, and its family another version.

use serde::Serialize;
use serde::de::DeserializeOwned;

const VERSION: u8 = 1;

/// The value as bytes.
pub(super) fn encode(value: &impl Serialize) -> Result<Vec<u8>, rmp_serde::encode::Error> {
    let mut bytes = vec![VERSION];
    rmp_serde::encode::write(&mut bytes, value)?;
    Ok(bytes)
}

/// The value that these bytes hold, all of them; anything else is none.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let (&VERSION, mut rest) = bytes.split_first()? else { return None };
    let value = rmp_serde::from_read(&mut rest).ok()?;
    rest.is_empty().then_some(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_is_a_value_too() {
        for value in [None, Some(0), Some(7)] {
            assert_eq!(decode::<Option<i32>>(&encode(&value).unwrap()), Some(value));
        }
        assert_eq!(decode::<String>(&encode(&"").unwrap()), Some(String::new()));
        assert_eq!(decode::<String>(b""), None);
    }

    #[test]
    fn another_version_another_shape_and_leftovers_are_none() {
        let good = encode(&"text").unwrap();
        assert_eq!(decode::<String>(&[&[2], &good[1..]].concat()), None);
        assert_eq!(decode::<i32>(&good), None);
        assert_eq!(decode::<String>(&[&good[..], b"x"].concat()), None);
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            decode::<(String, Vec<Option<i64>>)>(&[&[VERSION], &bytes[..]].concat());
        }
    }
}
