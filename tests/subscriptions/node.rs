//! The public client `graphql-ws` against the compiled functions: `tests/node/subscriptions.mjs`, which runs against the
//! local server, too.

use std::path::Path;
use std::time::Duration;

use mcp_core::store::Cursor;
use support::eventually::DEADLINE;
use support::process::{Process, command};

use super::Live;
use crate::graphql::SECRET;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/node");
/// How often something happens. Clients need a moment between two updates, to see that there are two.
const PAUSE: Duration = Duration::from_millis(100);

/// Has prices change, and tells of whatever was appended, as the poller, the relay and Kafka do. Never ends.
async fn happen(live: &Live) {
    let mut read: Option<Cursor> = None;
    for usd in 1.. {
        live.quoted("bitcoin", usd).await;
        let page = live.store().read_all(read.as_ref(), 100).await.unwrap();
        read = page.next;
        live.tell(&page.events).await;
        tokio::time::sleep(PAUSE).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_public_client_finds_everything_that_it_finds_locally() {
    let installed = Path::new(FOLDER).join("node_modules/graphql-ws");
    assert!(
        installed.exists(),
        "{} is missing: run `make test`, or `npm --prefix tests/node ci --ignore-scripts`",
        installed.display()
    );
    let live = Live::start().await;
    let mut node = command("node");
    let node = node.args(["--test", "subscriptions.mjs"]).current_dir(FOLDER);
    let node = node.env("WEBSOCKET_URL", live.front.url()).env("JWT_SECRET", SECRET);
    let mut process = Process::start("node", node);
    let output = process.output();
    let status = tokio::select! {
        status = process.ended_unhurried() => status,
        () = happen(&live) => unreachable!("it never ends"),
        () = tokio::time::sleep(4 * DEADLINE) => panic!("it does not end; it printed:\n{}", output.text()),
    };
    assert!(status.success(), "{}\n{}", output.text(), live.output());
}
