//! Several nodes of one chain as one: the best is asked first, the next where that fails or is slow.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::stream::{FuturesUnordered, StreamExt};
use reqwest::Url;
use tokio::time::{Instant, timeout, timeout_at};

use super::endpoint::{Endpoint, Session};
use super::message::RpcError;
use crate::breaker::Breakers;
use crate::domain::chain::ChainId;
use crate::platform::BoxFuture;
use crate::platform::clock::Clock;
use crate::sources::SourceError;
use crate::sources::chains::{ChainError, EndpointHealth};
use crate::sources::http::HttpClient;

/// How a node of some kind of chain says which chain it serves, and how far it has come.
pub(crate) trait Protocol: Send + Sync {
    /// Both, in one request where that is possible.
    fn probe<'a>(&'a self, session: &'a Session) -> BoxFuture<'a, Result<(ChainId, u64), RpcError>>;
}

/// How patient to be with the nodes of a chain.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// For one operation, over all nodes.
    pub(crate) deadline: Duration,
    /// How far behind the others a node may be, in blocks.
    pub(crate) max_lag: u64,
    /// How often nodes are asked how far they are, where there are several.
    pub(crate) probe_every: TimeDelta,
    /// How many must agree on a balance.
    pub(crate) quorum: usize,
}

impl Default for Patience {
    fn default() -> Self {
        Self { deadline: Duration::from_secs(10), max_lag: 5, probe_every: TimeDelta::seconds(10), quorum: 1 }
    }
}

/// Once one node has told, or where one is known to be good, how long is waited for the others.
const PROBE_GRACE: Duration = Duration::from_millis(150);
/// Nobody is waited for longer, before the second best is asked too; and nobody less.
const HEDGE: (f64, f64) = (100.0, 1000.0);
/// For what takes many requests: less than a round of the watcher.
const LONG: Duration = Duration::from_secs(18);
/// Nodes that told so shortly after one another are compared.
const TOGETHER: TimeDelta = TimeDelta::seconds(2);

/// The nodes of a chain.
pub(crate) struct Nodes {
    chain: ChainId,
    name: String,
    endpoints: Vec<Arc<Endpoint>>,
    protocol: Box<dyn Protocol>,
    patience: Patience,
    clock: Arc<dyn Clock>,
}

impl Nodes {
    /// The nodes at `urls` that should serve `chain`, called `name`. Nobody is asked yet.
    pub(crate) fn new(
        (chain, name): (ChainId, &str),
        urls: &[Url],
        protocol: Box<dyn Protocol>,
        patience: Patience,
        (http, clock, breakers): (&HttpClient, &Arc<dyn Clock>, &Breakers),
    ) -> Self {
        let mut names: Vec<String> = vec![];
        for url in urls {
            let host = url.host_str().unwrap_or("node");
            let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
            let same = names.iter().filter(|other| other.split('#').next() == Some(host.as_str())).count();
            names.push(if same == 0 { host } else { format!("{host}#{}", same + 1) });
        }
        let endpoint = |(url, endpoint): (&Url, String)| {
            Arc::new(Endpoint::new(name, endpoint, url.clone(), http.clone(), clock.clone(), breakers))
        };
        let endpoints = urls.iter().zip(names).map(endpoint).collect();
        Self { chain, name: name.to_owned(), endpoints, protocol, patience, clock: clock.clone() }
    }

    /// How many must agree on a balance.
    pub(crate) fn quorum(&self) -> usize {
        self.patience.quorum
    }

    /// What a caller is told.
    pub(crate) fn error(&self, error: RpcError) -> ChainError {
        let unavailable = |source| ChainError::Unavailable { chain: self.name.clone(), source };
        match error {
            RpcError::Answer(error) => ChainError::Refused(error.message),
            RpcError::Unsupported(method) => unavailable(SourceError::Malformed(format!("no node knows {method}"))),
            RpcError::Source(source) => unavailable(source),
        }
    }

    /// Carries out `operation` on the best node; on the next one, from its beginning, where that fails. All calls of one
    /// operation go to one node.
    ///
    /// # Errors
    /// [`RpcError::Answer`] of the first that gives one; that of the last node, where none gives any.
    #[cfg(any(feature = "solana", test))]
    pub(crate) async fn run<T, F: Future<Output = Result<T, RpcError>>>(
        &self,
        operation: impl Fn(Session) -> F,
    ) -> Result<T, RpcError> {
        self.race(operation, None, self.patience.deadline).await
    }

    /// The same for what takes many requests.
    ///
    /// # Errors
    /// As for [`run`](Self::run).
    pub(crate) async fn run_long<T, F: Future<Output = Result<T, RpcError>>>(
        &self,
        operation: impl Fn(Session) -> F,
    ) -> Result<T, RpcError> {
        self.race(operation, None, LONG).await
    }

    /// The same for what only reads: where the best node is slower than it usually is, the next is asked as well.
    ///
    /// # Errors
    /// As for [`run`](Self::run).
    pub(crate) async fn read<T, F: Future<Output = Result<T, RpcError>>>(
        &self,
        operation: impl Fn(Session) -> F,
    ) -> Result<T, RpcError> {
        self.race(operation, Some(HEDGE), self.patience.deadline).await
    }

    async fn race<T, F: Future<Output = Result<T, RpcError>>>(
        &self,
        operation: impl Fn(Session) -> F,
        hedge: Option<(f64, f64)>,
        limit: Duration,
    ) -> Result<T, RpcError> {
        let deadline = Instant::now() + limit;
        let whole = async {
            let mut waiting = self.candidates().await?.into_iter();
            let mut under_way = FuturesUnordered::new();
            let mut hedge_at = None;
            let mut failure = None;
            loop {
                let hedged = hedge_at.is_some_and(|at| at <= Instant::now());
                if (under_way.is_empty() || hedged)
                    && let Some(endpoint) = waiting.next()
                {
                    let slower = endpoint.vitals().latency.unwrap_or(250.0) * 3.0;
                    hedge_at = hedge.map(|(least, most)| {
                        Instant::now() + Duration::from_secs_f64(slower.clamp(least, most) / 1000.0)
                    });
                    under_way.push(self.on(endpoint, &operation));
                }
                let wake = hedge_at.filter(|_| waiting.len() > 0).unwrap_or(deadline);
                match timeout_at(wake, under_way.next()).await {
                    Err(_) => {}
                    Ok(Some(Err(error @ (RpcError::Source(_) | RpcError::Unsupported(_))))) => {
                        tracing::debug!(chain = self.name, %error, "a node did not do it");
                        failure = Some(error);
                    }
                    Ok(Some(outcome)) => return outcome,
                    Ok(None) => return Err(failure.unwrap_or_else(|| self.nobody())),
                }
            }
        };
        timeout_at(deadline, whole).await.unwrap_or_else(|_| Err(SourceError::TimedOut(limit).into()))
    }

    /// Carries out `operation` on one node, which has said by then that it serves the chain.
    async fn on<T, F: Future<Output = Result<T, RpcError>>>(
        &self,
        endpoint: Arc<Endpoint>,
        operation: &impl Fn(Session) -> F,
    ) -> Result<T, RpcError> {
        let session = Session(endpoint);
        if session.0.vitals().chain.is_none() {
            self.probe_one(&session).await?;
            if let Some(reason) = self.left_out(&session.0) {
                return Err(SourceError::Unavailable(reason).into());
            }
        }
        operation(session).await
    }

    /// What as many nodes as the quorum asks for agree on. More are asked where some fail or differ.
    ///
    /// # Errors
    /// That of the last node that failed; [`SourceError::Malformed`], where too few agree.
    pub(crate) async fn agree<T: PartialEq, F: Future<Output = Result<T, RpcError>>>(
        &self,
        operation: impl Fn(Session) -> F,
    ) -> Result<T, RpcError> {
        let quorum = self.patience.quorum.max(1);
        let whole = async {
            let mut waiting = self.candidates().await?.into_iter();
            let mut under_way: FuturesUnordered<_> =
                waiting.by_ref().take(quorum).map(|endpoint| self.on(endpoint, &operation)).collect();
            let (mut answers, mut failure) = (Vec::<(T, usize)>::new(), None);
            while let Some(outcome) = under_way.next().await {
                match outcome {
                    Ok(answer) => match answers.iter_mut().find(|(other, _)| *other == answer) {
                        Some((_, votes)) => *votes += 1,
                        None => answers.push((answer, 1)),
                    },
                    // One that refuses is not believed alone, either.
                    Err(error) => failure = Some(error),
                }
                if let Some(place) = answers.iter().position(|(_, votes)| *votes >= quorum) {
                    return Ok(answers.swap_remove(place).0);
                }
                let best = answers.iter().map(|(_, votes)| *votes).max().unwrap_or(0);
                if best + under_way.len() < quorum
                    && let Some(endpoint) = waiting.next()
                {
                    under_way.push(self.on(endpoint, &operation));
                }
            }
            let differ = || SourceError::Malformed(format!("fewer than {quorum} nodes agree")).into();
            Err(failure.filter(|_| answers.len() < 2).unwrap_or_else(differ))
        };
        timeout(self.patience.deadline, whole)
            .await
            .unwrap_or_else(|_| Err(SourceError::TimedOut(self.patience.deadline).into()))
    }

    /// The newest block that the nodes that would be asked are sure to know.
    #[cfg(feature = "evm")]
    pub(crate) async fn common_head(&self) -> Result<u64, RpcError> {
        let candidates = self.candidates().await?;
        let known = candidates.iter().filter_map(|endpoint| endpoint.vitals().head.map(|(head, _)| head));
        known.min().ok_or_else(|| self.nobody())
    }

    /// What is known of the nodes.
    pub(crate) fn health(&self) -> Vec<EndpointHealth> {
        self.endpoints.iter().map(|endpoint| endpoint.health(self.left_out(endpoint))).collect()
    }

    /// Those that may be asked, the best first.
    async fn candidates(&self) -> Result<Vec<Arc<Endpoint>>, RpcError> {
        self.probe().await;
        let mut candidates: Vec<_> =
            self.endpoints.iter().filter(|endpoint| self.left_out(endpoint).is_none()).cloned().collect();
        candidates.sort_by(|one, other| one.score().total_cmp(&other.score()));
        if candidates.is_empty() { Err(self.nobody()) } else { Ok(candidates) }
    }

    /// Why nobody can be asked.
    fn nobody(&self) -> RpcError {
        let reason = self.endpoints.iter().find_map(|endpoint| self.left_out(endpoint));
        SourceError::Unavailable(reason.unwrap_or_else(|| "no node answers".to_owned())).into()
    }

    /// Why a node is not to be asked, whatever its circuit says.
    fn left_out(&self, endpoint: &Endpoint) -> Option<String> {
        let vitals = endpoint.vitals();
        if let Some(chain) = vitals.chain.as_ref().filter(|chain| **chain != self.chain) {
            return Some(format!("a node serves {chain}, not {}", self.chain));
        }
        (vitals.lag > self.patience.max_lag).then(|| format!("a node is {} blocks behind", vitals.lag))
    }

    /// Asks nodes which chain they serve and how far they are: each before its first use, and again now and then where
    /// there are others to compare it with. Nobody who is not needed is waited for longer than [`PROBE_GRACE`].
    async fn probe(&self) {
        let now = self.clock.now();
        let several = self.endpoints.len() > 1;
        let due = |endpoint: &&Arc<Endpoint>| {
            let vitals = endpoint.vitals();
            let again = several || vitals.chain.is_none();
            vitals.probed_at.is_none_or(|at| again && now - at >= self.patience.probe_every)
        };
        let due: Vec<_> = self.endpoints.iter().filter(due).cloned().collect();
        let mut probes: FuturesUnordered<_> =
            due.into_iter().map(|endpoint| async move { self.probe_one(&Session(endpoint)).await.is_ok() }).collect();
        let known = |endpoint: &Arc<Endpoint>| {
            endpoint.vitals().chain.is_some() && endpoint.is_closed() && self.left_out(endpoint).is_none()
        };
        let grace = || Some(Instant::now() + PROBE_GRACE);
        let mut until = if self.endpoints.iter().any(known) { grace() } else { None };
        loop {
            let next = match until {
                None => probes.next().await,
                Some(until) => timeout_at(until, probes.next()).await.unwrap_or(None),
            };
            match next {
                None => break,
                Some(true) => until = until.or_else(grace),
                Some(false) => {}
            }
        }
        self.compare();
    }

    /// Says of each node that told lately how far it is behind the others that told at about the same time. Of others it
    /// stays as it was said: an old number says nothing of how far a node is now.
    fn compare(&self) {
        let told = |endpoint: &Arc<Endpoint>| {
            let vitals = endpoint.vitals();
            vitals.head.filter(|_| vitals.chain.as_ref() == Some(&self.chain))
        };
        let told: Vec<_> = self.endpoints.iter().filter_map(|endpoint| Some((endpoint, told(endpoint)?))).collect();
        let Some(last) = told.iter().map(|(_, (_, at))| *at).max() else { return };
        let recent = told.iter().filter(|(_, (_, at))| last - *at <= TOGETHER);
        let newest = recent.clone().map(|(_, (head, _))| *head).max().unwrap_or_default();
        for (endpoint, (head, _)) in recent {
            endpoint.vitals().lag = newest.saturating_sub(*head);
        }
    }

    async fn probe_one(&self, session: &Session) -> Result<(), RpcError> {
        let endpoint = &session.0;
        endpoint.vitals().probed_at = Some(self.clock.now());
        let (chain, head) = match self.protocol.probe(session).await {
            Ok(told) => told,
            Err(error) => {
                tracing::debug!(endpoint = endpoint.name, %error, "a node does not tell how far it is");
                return Err(error);
            }
        };
        let mut vitals = endpoint.vitals();
        if chain != self.chain && vitals.chain.as_ref() != Some(&chain) {
            tracing::error!(endpoint = endpoint.name, serves = %chain, expected = %self.chain, "a node serves another chain");
        }
        vitals.chain = Some(chain);
        vitals.head = Some((head, self.clock.now()));
        Ok(())
    }
}
