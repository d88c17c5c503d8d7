//! How many files, and so sockets, a process may have open.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Allows as many open files as the system lets a process allow itself: a shell's default is a thousand.
pub fn raise_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "no more than the default number of sockets can be open");
    }
}
