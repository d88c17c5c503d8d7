//! Which of the addresses that are looked up a client goes to.

use crate::platform::config::{RedisConfig, RedisEndpoint};

/// The addresses of a Redis, looked up when a connection is opened.
pub type Discovery = crate::platform::discovery::Discovery<RedisConfig>;

/// Which of the addresses a client is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The one where everything may be sent.
    Primary,
    /// The one for reads; the primary where there is none.
    Reader,
}

impl Role {
    pub(super) fn of(self, addresses: &RedisConfig) -> &RedisEndpoint {
        match (self, &addresses.reader) {
            (Self::Reader, Some(reader)) => reader,
            _ => &addresses.primary,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_without_an_address_of_its_own_goes_to_the_primary() {
        let endpoint = |url| RedisEndpoint::parse("TEST", url).unwrap();
        let mut addresses = RedisConfig { primary: endpoint("redis://p"), reader: Some(endpoint("redis://r")) };
        assert_eq!(Role::Reader.of(&addresses).url.expose(), "redis://r");
        assert_eq!(Role::Primary.of(&addresses).url.expose(), "redis://p");
        addresses.reader = None;
        assert_eq!(Role::Reader.of(&addresses).url.expose(), "redis://p");
    }
}
