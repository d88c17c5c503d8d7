//! Serving: bind, say so, poll and move events on the side, and end cleanly.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use chrono::TimeDelta;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::banner::{self, Tokens};
use super::pipeline;
use crate::app::{self, Local, StartError};
use crate::faces::websocket::Sockets;
use crate::platform::config::{ConfigError, Vars};
use crate::platform::files;
use crate::platform::ids::new_id;
use crate::platform::telemetry;
use crate::push::Close;
use crate::services::poll::Poller;
use crate::services::watch::Watcher;

/// How often it is asked what became of transactions.
const SETTLE_EVERY: Duration = Duration::from_secs(10);
/// How often it is looked for clients that do not introduce themselves, or whose token has ended.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// How often traces are sent.
const FLUSH_EVERY: Duration = Duration::from_millis(500);
/// How long clients at sockets may take to say good-bye.
const FAREWELL: Duration = Duration::from_secs(1);
/// How long open connections may take to end after Ctrl-C.
const GRACE: Duration = Duration::from_secs(3);

pub(super) async fn serve(vars: &Vars) -> Result<(), StartError> {
    files::raise_limit();
    let local = app::local(vars).await?;
    let listener = TcpListener::bind(local.addr).await.map_err(|error| {
        let problem = format!("cannot listen on {}: {error}; set it to another address", local.addr);
        ConfigError { name: "HTTP_ADDR", problem }
    })?;
    let addr = listener.local_addr().unwrap_or(local.addr);
    let Local { router, sockets, poster, poller, watcher, interval, pipeline, graphql_enabled, .. } = local;
    let Local { prices, chains, database, events, tokens, .. } = local;
    let tokens = tokens.filter(|_| addr.ip().is_loopback()).map(|(user, admin)| Tokens { user, admin });
    println!(
        "{}",
        banner::text(
            addr,
            graphql_enabled,
            &[("Prices", &prices), ("Chains", &chains), ("Database", &database), ("Events", &events)],
            tokens.as_ref()
        )
    );
    let mut moving = pipeline::start(pipeline);
    let polling = tokio::spawn(poll(poller, interval));
    let mut watching = watcher.map(watch).unwrap_or_default();
    watching.spawn(async move { sweep(&sockets).await });
    watching.spawn(flush());
    run(listener, router).await?;
    // Upgraded connections are the server's no more.
    poster.close_all(&Close { code: 1012, reason: "Service restart".to_owned() });
    let gone = async {
        while poster.connected() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let _ = tokio::time::timeout(FAREWELL, gone).await;
    watching.shutdown().await;
    polling.abort();
    moving.shutdown().await;
    println!("mcp-server has ended.");
    Ok(())
}

/// Polls at once, and then again and again: the next round is another try of one that fails.
async fn poll(poller: Poller, interval: Duration) {
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        if let Err(error) = poller.round(&new_id().to_string()).await {
            tracing::warn!(%error, "a round of the price poller failed");
        }
    }
}

/// Follows each filter, and settles transactions now and then.
fn watch(watcher: Arc<Watcher>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for filter in watcher.filters.clone() {
        let watcher = watcher.clone();
        tasks.spawn(async move { watcher.follow(&filter).await });
    }
    tasks.spawn(async move {
        loop {
            tokio::time::sleep(SETTLE_EVERY).await;
            let deadline = watcher.clock.now() + TimeDelta::seconds(60);
            if let Err(error) = watcher.settle(&new_id().to_string(), deadline).await {
                tracing::warn!(%error, "transactions wait to be settled");
            }
        }
    });
    tasks
}

/// Looks after the clients at sockets.
async fn sweep(sockets: &Sockets) {
    loop {
        tokio::time::sleep(SWEEP_EVERY).await;
        let deadline = sockets.limits.clock.now() + TimeDelta::seconds(60);
        if let Err(error) = sockets.subscriptions.sweep(deadline).await {
            tracing::warn!(%error, "connections wait to be looked at");
        }
    }
}

/// Sends traces now and then: nothing freezes here.
async fn flush() {
    loop {
        tokio::time::sleep(FLUSH_EVERY).await;
        telemetry::flush().await;
    }
}

/// Serves until a signal comes, then lets open requests end, for a while.
async fn run(listener: TcpListener, router: Router) -> Result<(), StartError> {
    let (ended, mut end) = tokio::sync::watch::channel(false);
    let signals = signals()?;
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let server = axum::serve(listener, service).with_graceful_shutdown(async move {
        signals.await;
        // The receiver lives as long as this function.
        let _ = ended.send(true);
    });
    tokio::select! {
        outcome = server => outcome.map_err(|error| StartError::Failed(error.to_string())),
        () = async { let _ = end.changed().await; tokio::time::sleep(GRACE).await } => Ok(()),
    }
}

fn signals() -> Result<impl Future<Output = ()>, StartError> {
    let listen = |kind| signal(kind).map_err(|error| StartError::Failed(error.to_string()));
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
