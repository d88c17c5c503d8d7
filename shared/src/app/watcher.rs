//! Who watches the chains.

use std::sync::Arc;

use super::StartError;
use super::chains::ChainParts;
use crate::domain::watch::EventFilter;
use crate::platform::clock::Clock;
use crate::platform::config::{ConfigError, Vars, WatchedFilter};
use crate::services::watch::Watcher;
use crate::store::{EventStore, Store};

/// `chain-watcher`.
///
/// # Errors
/// A variable that is invalid, named.
#[cfg(feature = "aws")]
pub async fn chain_watcher(vars: &Vars) -> Result<Watcher, StartError> {
    super::begin(vars)?;
    let clock: Arc<dyn Clock> = Arc::new(crate::platform::clock::SystemClock);
    let breakers = Arc::new(super::prices::breakers(super::redis::Redis::from_vars(vars)?.as_ref(), &clock));
    super::report(vars, [breakers.clone() as _]);
    let chains = ChainParts::new(vars, &clock, &breakers)?;
    let store = super::store(vars).await?;
    watcher(vars, &chains, &clock, super::waking(vars, store.clone(), &breakers)?, store)
}

/// A watcher of what `CHAIN_FILTERS` says, its events going to `events`.
#[cfg(any(feature = "local", feature = "aws"))]
pub(super) fn watcher(
    vars: &Vars,
    parts: &ChainParts,
    clock: &Arc<dyn Clock>,
    events: Arc<dyn EventStore>,
    store: Arc<dyn Store>,
) -> Result<Watcher, StartError> {
    let filters = filters(vars, parts)?;
    Ok(Watcher { chains: parts.chains.clone(), filters, store, events, clock: clock.clone() })
}

/// What `CHAIN_FILTERS` says, on these chains.
pub(super) fn filters(vars: &Vars, parts: &ChainParts) -> Result<Vec<EventFilter>, ConfigError> {
    let resolve = |watched: &WatchedFilter| {
        let wrong =
            |error| ConfigError { name: "CHAIN_FILTERS", problem: format!("filter {:?}: {error}", watched.name) };
        parts.chains.filter(watched).map_err(wrong)
    };
    WatchedFilter::from_vars(vars)?.iter().map(resolve).collect()
}
