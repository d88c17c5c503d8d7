//! What every registry of connections promises. The clock is handed in, and nothing waits.

mod build;
mod connections;
mod consumption;
mod doubles;
mod due;
mod dynamodb;
mod gap;
mod operations;
mod slots;
mod topics;

use std::sync::Arc;

use chrono::TimeDelta;
use mcp_core::platform::clock::ManualClock;
use mcp_core::push::Registry;
use mcp_core::push::memory::MemoryRegistry;

use crate::contracts::build::at;

pub(crate) use dynamodb::{EveryFirstAnswer, Meter, Table};

/// A registry without connections, and the clock that it goes by, which shows `at(0)`.
#[derive(Clone)]
struct Fixture {
    registry: Arc<dyn Registry>,
    clock: ManualClock,
}

impl Fixture {
    fn memory() -> Self {
        let clock = ManualClock::at(at(0));
        Self { registry: Arc::new(MemoryRegistry::new(Arc::new(clock.clone()))), clock }
    }

    async fn dynamodb() -> Self {
        let clock = ManualClock::at(at(0));
        Self { registry: Arc::new(dynamodb::Table::fresh().await.registry(&clock)), clock }
    }

    fn pass(&self, seconds: i64) {
        self.clock.advance(TimeDelta::seconds(seconds));
    }
}

/// Makes each promise a test on each registry.
macro_rules! contract {
    ($($promise:ident),* $(,)?) => {
        mod in_memory {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $promise() {
                    super::$promise($crate::contracts::registry::Fixture::memory()).await;
                }
            )*
        }

        mod in_dynamodb {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $promise() {
                    super::$promise($crate::contracts::registry::Fixture::dynamodb().await).await;
                }
            )*
        }
    };
}
use contract;
