//! A provider's URL holds a key. Nobody is shown it.

use std::io;
use std::sync::{Mutex, PoisonError};

use super::*;

const SECRET: &str = "hunter2hunter2";

/// What was logged in this process, by any test.
static LOGGED: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Log;

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOGGED.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_path_of_a_url_is_in_no_error_and_no_health() {
    let _logged = tracing::subscriber::set_default(
        tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).with_writer(|| Log).finish(),
    );
    let nodes = nodes::<2>().await;
    for mode in [Mode::Refuse, Mode::Html, Mode::Garbage, Mode::TooManyRequests, Mode::RateLimitBody] {
        for node in &nodes {
            node.proxy.behave(mode).await;
        }
        let urls = nodes.each_ref().map(|node| format!("{}/v2/{SECRET}?key={SECRET}", node.proxy.url()));
        let chain = evm("anvil", &[&urls[0], &urls[1]]);
        for _ in 0..3 {
            let error = ask(&*chain, &nodes).await.unwrap_err();
            let shown = format!("{error} {error:?} {:?} {:?}", chain.health(), chain.head().await);
            assert!(!shown.contains(SECRET), "{mode:?}: {shown}");
        }
    }
    let unresolvable = evm("anvil", &[&format!("http://no-such-host.invalid/{SECRET}")]);
    let error = unresolvable.head().await.unwrap_err();
    assert!(!format!("{error} {error:?} {:?}", unresolvable.health()).contains(SECRET));
    let logged = String::from_utf8_lossy(&LOGGED.lock().unwrap()).into_owned();
    assert!(logged.contains("a node did not do it"), "what happened is logged");
    assert!(!logged.contains(SECRET), "{logged}");
}
