//! One suite a capability: a function a promise, run against every backend as a test of its own
//! (`contracts::event_store::append::postgres::a_stale_writer_gets_a_conflict`). A backend is done when it passes all
//! of them against the real thing. `doubles` shows that the suites catch a backend that breaks its promises.

pub(crate) mod build;
mod bus;
pub(crate) mod cache;
mod chains;
pub(crate) mod circuits;
mod doubles;
mod dynamodb;
mod event_store;
mod fixture;
mod leases;
mod limits;
mod maintenance;
mod outbox;
mod projections;
mod read_models;
mod registry;

pub(crate) use bus::{kafka_at, message};
pub(crate) use fixture::{Database, Fixture};
pub(crate) use registry::Table;

/// Makes each promise a test on each backend.
macro_rules! contract {
    ($($promise:ident),* $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $promise() {
                    super::$promise($crate::contracts::Fixture::sqlite().await).await;
                }
            )*
        }

        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $promise() {
                    super::$promise($crate::contracts::Fixture::postgres().await).await;
                }
            )*
        }

        mod dynamodb {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $promise() {
                    super::$promise($crate::contracts::Fixture::dynamodb().await).await;
                }
            )*
        }
    };
}
pub(crate) use contract;
