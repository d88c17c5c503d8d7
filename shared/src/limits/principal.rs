//! Under which name a caller is counted.

use std::fmt::Write;
use std::net::{IpAddr, Ipv6Addr};

use sha2::{Digest, Sha256};

/// The key of a caller: `user:HASH` for a verified user, else `addr:IP`.
///
/// A user id is hashed: it comes from the issuer and may hold braces or colons, which would break the hash tag that
/// keeps a caller's keys on one Redis node; and it has no business in a key. Of an IPv6 address the /64 counts: that is
/// what one subscriber gets, with 2^64 addresses to change through. An IPv4 address written as IPv6 counts as IPv4.
pub fn principal_key(user_id: Option<&str>, address: IpAddr) -> String {
    match (user_id, address.to_canonical()) {
        (Some(id), _) => format!("user:{}", digest(id)),
        (None, IpAddr::V4(address)) => format!("addr:{address}"),
        (None, IpAddr::V6(address)) => format!("addr:{}/64", network(address)),
    }
}

/// 128 bits of SHA-256 in hex: no two users meet by chance.
fn digest(id: &str) -> String {
    Sha256::digest(id.as_bytes()).iter().take(16).fold(String::new(), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn network(address: Ipv6Addr) -> Ipv6Addr {
    Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn of_address(address: &str) -> String {
        principal_key(None, address.parse().unwrap())
    }

    #[test]
    fn a_user_is_counted_wherever_they_are() {
        assert_eq!(principal_key(Some("a"), HOME), principal_key(Some("a"), "10.0.0.1".parse().unwrap()));
        assert_ne!(principal_key(Some("a"), HOME), principal_key(Some("b"), HOME));
    }

    #[test]
    fn no_user_id_can_break_a_key() {
        for id in ["", "}", "{x}", "a:b", "\n", "ü"] {
            let key = principal_key(Some(id), HOME);
            assert!(key.strip_prefix("user:").unwrap().bytes().all(|byte| byte.is_ascii_hexdigit()), "{key}");
            assert_eq!(key.len(), 37);
        }
    }

    #[test]
    fn an_ipv6_subscriber_is_one_caller() {
        assert_eq!(of_address("2001:db8:1:2:aaaa::1"), "addr:2001:db8:1:2::/64");
        assert_eq!(of_address("2001:db8:1:2:aaaa::1"), of_address("2001:db8:1:2:bbbb::2"));
        assert_ne!(of_address("2001:db8:1:2::1"), of_address("2001:db8:1:3::1"));
    }

    #[test]
    fn ipv4_in_ipv6_is_ipv4() {
        assert_eq!(of_address("::ffff:192.0.2.7"), of_address("192.0.2.7"));
    }
}
