//! Why a subscription's field is resolved. A subscription is no stream that a process holds: its field is resolved once,
//! when a client subscribes, for what it listens to; and then for each event of that, for what it says of it.

use std::sync::{Arc, Mutex, PoisonError};

use async_graphql::Context;
use futures_util::stream::{Iter, iter};

use crate::domain::{RecordedEvent, StreamId};
use crate::services::Error;

/// The occasion for which a subscription is executed.
pub(super) enum Occasion {
    /// A client subscribes: its field leaves here what it listens to.
    Opening(Mutex<Option<Vec<StreamId>>>),
    /// An event of a topic that it listens to.
    Event(Arc<RecordedEvent>),
}

impl Occasion {
    pub(super) fn opening() -> Arc<Self> {
        Arc::new(Self::Opening(Mutex::default()))
    }

    /// What was left here.
    pub(super) fn topics(&self) -> Option<Vec<StreamId>> {
        match self {
            Self::Opening(topics) => topics.lock().unwrap_or_else(PoisonError::into_inner).take(),
            Self::Event(_) => None,
        }
    }
}

/// The stream of a subscription's field: of nothing but its `topics` where a client subscribes; else of what it has to
/// `say` of the event, if anything.
pub(super) fn told<T>(
    ctx: &Context<'_>,
    topics: impl FnOnce() -> Result<Vec<StreamId>, Error>,
    say: impl FnOnce(&RecordedEvent) -> Option<T>,
) -> Result<Iter<std::option::IntoIter<T>>, Error> {
    let occasion = ctx.data::<Arc<Occasion>>().map_err(|error| Error::Internal(error.message))?;
    let said = match &**occasion {
        Occasion::Opening(left) => {
            *left.lock().unwrap_or_else(PoisonError::into_inner) = Some(topics()?);
            None
        }
        Occasion::Event(event) => say(event),
    };
    Ok(iter(said))
}
