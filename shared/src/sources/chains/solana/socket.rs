//! `logsSubscribe` over a websocket (<https://solana.com/docs/rpc/websocket/logssubscribe>), by solana-client: who
//! subscribes hears of every transaction that mentions an account. What it hears is a reason to look, no more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use reqwest::Url;
use solana_client::nonblocking::pubsub_client::PubsubClient;
use solana_client::rpc_config::{CommitmentConfig, RpcTransactionLogsConfig, RpcTransactionLogsFilter};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use crate::domain::watch::EventFilter;
use crate::platform::BoxFuture;
use crate::platform::ids::jitter;
use crate::sources::chains::follow::Wake;

/// Without a socket, how often to look; with one that is silent, how long to trust it.
const WITHOUT: Duration = Duration::from_secs(5);
const SILENCE: Duration = Duration::from_secs(30);
/// For opening one, and for subscribing.
const OPENING: Duration = Duration::from_secs(5);
/// Between two tries.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Who was open for so long was not the trouble.
const LASTED: Duration = Duration::from_secs(30);

/// The websockets of a cluster's nodes, one of which is listened to while somebody waits.
pub(super) struct Sockets {
    listening: Option<BoxFuture<'static, ()>>,
    bell: Arc<Bell>,
}

#[derive(Default)]
struct Bell {
    rung: Notify,
    subscribed: AtomicBool,
}

impl Sockets {
    /// Nothing is opened before the first wait. What is open is closed with this.
    pub(super) fn new(urls: Vec<Url>, filter: &EventFilter) -> Self {
        let bell = Arc::new(Bell::default());
        let account = filter.addresses.first().cloned().filter(|_| !urls.is_empty());
        let listening = account.map(|account| Box::pin(listen(urls, account, Arc::clone(&bell))) as _);
        Self { listening, bell }
    }
}

impl Wake for Sockets {
    fn wait(&mut self) -> BoxFuture<'_, bool> {
        Box::pin(async move {
            let Some(listening) = &mut self.listening else {
                sleep(WITHOUT).await;
                return false;
            };
            let started = Instant::now();
            loop {
                let silence = if self.bell.subscribed.load(Ordering::Relaxed) { SILENCE } else { WITHOUT };
                let left = silence.saturating_sub(started.elapsed());
                if left.is_zero() {
                    return false;
                }
                tokio::select! {
                    biased;
                    () = self.bell.rung.notified() => return true,
                    () = &mut *listening => sleep(left).await,
                    // Whether there is a socket may have changed meanwhile.
                    () = sleep(left.min(WITHOUT)) => {}
                }
            }
        })
    }
}

/// Listens for ever: to the next socket where one ends, after a pause that grows.
async fn listen(urls: Vec<Url>, account: String, bell: Arc<Bell>) {
    let mut pause = PAUSE;
    for url in urls.iter().cycle() {
        let opened = Instant::now();
        if hear(url, &account, &bell).await.is_none() {
            // Not why: that may hold the URL, and the URL a key.
            tracing::debug!(host = url.host_str(), "no subscription");
        }
        bell.subscribed.store(false, Ordering::Relaxed);
        pause = if opened.elapsed() >= LASTED { PAUSE } else { pause.saturating_mul(2).min(LONGEST_PAUSE) };
        sleep(jitter(pause)).await;
    }
}

/// Rings for everything that is heard, and once at the beginning, for what was missed. `None`, where it cannot subscribe.
async fn hear(url: &Url, account: &str, bell: &Bell) -> Option<()> {
    let client = timeout(OPENING, PubsubClient::new(url.as_str())).await.ok()?.ok()?;
    let mentions = RpcTransactionLogsFilter::Mentions(vec![account.to_owned()]);
    let finalized = RpcTransactionLogsConfig { commitment: Some(CommitmentConfig::finalized()) };
    let (mut logs, _unsubscribe) = timeout(OPENING, client.logs_subscribe(mentions, finalized)).await.ok()?.ok()?;
    bell.subscribed.store(true, Ordering::Relaxed);
    bell.rung.notify_one();
    while logs.next().await.is_some() {
        bell.rung.notify_one();
    }
    Some(())
}
