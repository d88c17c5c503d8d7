//! The chains that there are, by name and by CAIP-2 id.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{ChainAdapter, ChainError, ChainSet};
use crate::domain::chain::ChainId;
use crate::domain::watch::EventFilter;
use crate::platform::config::WatchedFilter;

/// The chains of a process.
#[derive(Default)]
pub struct Chains {
    by_id: BTreeMap<ChainId, Arc<dyn ChainAdapter>>,
}

impl Chains {
    /// These chains. The first of an id counts.
    pub fn new(adapters: impl IntoIterator<Item = Arc<dyn ChainAdapter>>) -> Self {
        let mut by_id = BTreeMap::new();
        for adapter in adapters {
            by_id.entry(adapter.chain().id.clone()).or_insert(adapter);
        }
        Self { by_id }
    }

    /// The chain of that name, in any case, or CAIP-2 id.
    ///
    /// # Errors
    /// [`ChainError::Invalid`], which lists those that there are.
    pub fn find(&self, name: &str) -> Result<&Arc<dyn ChainAdapter>, ChainError> {
        let wanted = name.trim();
        let named = |adapter: &&Arc<dyn ChainAdapter>| {
            let chain = adapter.chain();
            chain.name.eq_ignore_ascii_case(wanted) || chain.id.as_str() == wanted
        };
        self.by_id.values().find(named).ok_or_else(|| {
            let all: Vec<_> = self.all().map(|adapter| adapter.chain().name.as_str()).collect();
            let supported = if all.is_empty() { "there are none here".to_owned() } else { all.join(", ") };
            let asked: String = wanted.chars().take(80).collect();
            ChainError::Invalid(format!("unsupported chain {asked:?}; supported: {supported}"))
        })
    }

    /// The chain of that id.
    pub fn get(&self, id: &ChainId) -> Option<&Arc<dyn ChainAdapter>> {
        self.by_id.get(id)
    }

    /// A filter, its chain known and its addresses checked.
    ///
    /// # Errors
    /// [`ChainError::Invalid`]: an unknown chain, what is no address there, or what that kind of chain cannot filter by.
    pub fn filter(&self, watched: &WatchedFilter) -> Result<EventFilter, ChainError> {
        let adapter = self.find(&watched.chain)?;
        let chain = adapter.chain().id.clone();
        let addresses =
            watched.addresses.iter().map(|address| adapter.check_address(address)).collect::<Result<_, _>>()?;
        let filter = EventFilter {
            name: watched.name.clone(),
            addresses,
            topics: watched.topics.iter().map(|topics| topics.0.clone()).collect(),
            from_block: watched.from_block,
            chain,
        };
        if filter.chain.namespace() == "solana" && (filter.addresses.len() != 1 || !filter.topics.is_empty()) {
            return Err(ChainError::Invalid("on Solana, one address is watched, without topics".to_owned()));
        }
        Ok(filter)
    }

    /// All of them, by id.
    pub fn all(&self) -> impl Iterator<Item = &Arc<dyn ChainAdapter>> {
        self.by_id.values()
    }
}

impl ChainSet for Chains {
    fn adapter(&self, chain: &ChainId) -> Option<Arc<dyn ChainAdapter>> {
        self.get(chain).cloned()
    }
}
