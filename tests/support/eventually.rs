//! Waiting for a state instead of sleeping for a while and hoping.

use std::fmt::Debug;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

/// Long enough for a machine that builds something else meanwhile; a test that passes never waits this long.
pub const DEADLINE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);

/// What one look at the world says: there, or not yet and why.
pub trait Look {
    /// What is there in the end.
    type Found;
    /// `Err` describes the state that is not the awaited one.
    fn found(self) -> Result<Self::Found, String>;
}

impl Look for bool {
    type Found = ();
    fn found(self) -> Result<(), String> {
        if self { Ok(()) } else { Err("false".to_owned()) }
    }
}

impl<T> Look for Option<T> {
    type Found = T;
    fn found(self) -> Result<T, String> {
        self.ok_or_else(|| "nothing".to_owned())
    }
}

impl<T, E: Debug> Look for Result<T, E> {
    type Found = T;
    fn found(self) -> Result<T, String> {
        self.map_err(|state| format!("{state:?}"))
    }
}

/// Looks until it is found. After [`DEADLINE`] it panics with `what` was awaited and the last state seen.
pub async fn eventually<L: Look, F: Future<Output = L>>(what: &str, look: impl FnMut() -> F) -> L::Found {
    within(DEADLINE, what, look).await
}

/// [`eventually`] with another deadline.
pub async fn within<L: Look, F: Future<Output = L>>(
    limit: Duration,
    what: &str,
    mut look: impl FnMut() -> F,
) -> L::Found {
    let deadline = Instant::now() + limit;
    let mut last = "the first look never ended".to_owned();
    loop {
        match timeout_at(deadline, look()).await.map(Look::found) {
            Ok(Ok(found)) => return found,
            Ok(Err(state)) => last = state,
            Err(_) => {}
        }
        assert!(Instant::now() < deadline, "waited {limit:?}, still not so: {what}; last seen: {last}");
        sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_returns_what_was_found() {
        let mut looks = 0;
        let found = eventually("third look", || {
            looks += 1;
            let now = looks;
            async move { (now == 3).then_some(now) }
        });
        assert_eq!(found.await, 3);
    }

    #[tokio::test]
    #[should_panic(expected = "still not so: the moon is full; last seen: \"half\"")]
    async fn it_panics_with_the_last_state() {
        within(Duration::from_millis(50), "the moon is full", || async { Err::<(), _>("half") }).await;
    }

    #[tokio::test]
    #[should_panic(expected = "the first look never ended")]
    async fn a_look_that_hangs_does_not_hang_the_test() {
        within(Duration::from_millis(50), "an answer", std::future::pending::<bool>).await;
    }
}
