//! What sandboxes tell each other about one service: that its circuit opened or closed, and who may try it next.
//!
//! Each counts for itself and tells transitions alone. Where the store does not answer, each goes on by itself.

use std::time::Duration;

use crate::platform::BoxFuture;

/// The state of a circuit as all sandboxes see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SharedState {
    /// Nobody ever said anything, or it is forgotten.
    Unknown,
    /// It is closed.
    Closed,
    /// It is open,
    Open {
        /// for so long from now; nothing: it is time that somebody tried.
        remaining: Duration,
        /// The how-manieth time in a row it is.
        openings: u32,
    },
    /// It is isolated, until somebody closes it.
    Isolated,
}

/// What the store knows of a circuit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Its state,
    pub state: SharedState,
    /// and when that was decided: of two verdicts, the one with the greater number is the newer.
    pub epoch: i64,
}

/// Who may try a service that is half-open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Election {
    /// The asker, alone.
    Elected,
    /// Another, for at most so long.
    Another(Duration),
    /// Nobody: something newer was decided.
    Decided(Verdict),
}

/// The store did not answer in time, or not with anything of use. Always transient.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the shared state of circuits: {problem}")]
pub struct SharedError {
    /// What went wrong, without addresses or secrets.
    pub problem: String,
    /// It did answer, and refused.
    pub answered: bool,
}

/// The store of what is shared. `holder` is one breaker of one sandbox.
pub trait SharedCircuits: Send + Sync {
    /// What is known of circuit `name`.
    fn read<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Verdict, SharedError>>;

    /// `holder` opened it for `reset`. The first opening counts: another's, that is not over, is left as it is. Where
    /// `trial`, the service failed when `holder` tried it: it is open once more, unless another was elected meanwhile.
    fn opened<'a>(
        &'a self,
        name: &'a str,
        holder: &'a str,
        reset: Duration,
        trial: bool,
    ) -> BoxFuture<'a, Result<Verdict, SharedError>>;

    /// The service answered `holder`, who knows all up to the epoch `seen`: it is closed, unless another is just trying it,
    /// or something newer was decided.
    fn closed<'a>(&'a self, name: &'a str, holder: &'a str, seen: i64) -> BoxFuture<'a, Result<Verdict, SharedError>>;

    /// `holder`, who knows all up to the epoch `seen`, wants to try the service, and to say how that went within `lease`.
    fn elect<'a>(
        &'a self,
        name: &'a str,
        holder: &'a str,
        lease: Duration,
        seen: i64,
    ) -> BoxFuture<'a, Result<Election, SharedError>>;

    /// Isolates the circuit for all (`true`), or closes it (`false`).
    fn isolate<'a>(&'a self, name: &'a str, isolated: bool) -> BoxFuture<'a, Result<Verdict, SharedError>>;
}
