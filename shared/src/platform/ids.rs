//! Identifiers: time-ordered ones for what happens, name-based ones for what a stream is about.

use std::time::Duration;

use uuid::Uuid;

/// The namespace of every name-based id of this project: a constant drawn once and never changed.
const NAMESPACE: Uuid = Uuid::from_u128(0x7d5a_8c0e_52a7_5f0b_9f6e_1d2c_3b4a_5968);

/// A new time-ordered id (UUID v7, RFC 9562): event ids, correlation ids.
pub fn new_id() -> Uuid {
    Uuid::now_v7()
}

/// The id of the aggregate of `kind` that belongs to `subject`: UUIDv5 of both, so that it needs no look-up.
pub fn aggregate_id(kind: &str, subject: &str) -> Uuid {
    // The kind has no NUL byte, so no pair can be read as another.
    let name = [kind.as_bytes(), b"\0", subject.as_bytes()].concat();
    Uuid::new_v5(&NAMESPACE, &name)
}

/// A random time from nothing up to `max`, so that what failed together is not tried again together.
pub fn jitter(max: Duration) -> Duration {
    max.mul_f64(f64::from(random()) / f64::from(u32::MAX))
}

/// A random number, for jitter and probabilities, never for secrets.
pub fn random() -> u32 {
    // The last four bytes of a v7 id are random.
    let [.., a, b, c, d] = Uuid::now_v7().into_bytes();
    u32::from_be_bytes([a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_aggregate_id_depends_on_kind_and_subject_alone() {
        assert_eq!(aggregate_id("emotion", "ada"), aggregate_id("emotion", "ada"));
        assert_ne!(aggregate_id("emotion", "ada"), aggregate_id("memory", "ada"));
        assert_ne!(aggregate_id("emotion", "ada"), aggregate_id("emotion", "bob"));
    }

    #[test]
    fn new_ids_are_ordered_by_time() {
        let ids: Vec<_> = (0..100).map(|_| new_id()).collect();
        assert!(ids.is_sorted());
    }
}
