//! Ports for servers that are started as processes.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the range that Linux takes ports of outgoing connections from: one of those could take the port between looking
/// and listening, or while a killed server is down.
const FIRST: u16 = 10_000;
const COUNT: u16 = 15_000;

/// A loopback port on which nothing listens, handed out once in this process.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test processes that run at once start far from each other.
    let start = u64::from(std::process::id()) * 611;
    (0..COUNT)
        .map(|_| start + u64::from(NEXT.fetch_add(1, Ordering::Relaxed)))
        .filter_map(|n| u16::try_from(n % u64::from(COUNT)).ok())
        .map(|n| FIRST + n)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("there is a free port")
}
