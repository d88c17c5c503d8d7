//! Quotes of swaps, and Chainlink's prices, as a caller gets them: through GraphQL, from contracts on a node of the test's own
//! and from services of its own.

mod chainlink;
mod costs;
mod dice;
mod market;
mod numbers;
mod outages;
mod refusals;
mod rehearsal;
mod services;
mod taxed;
mod upstreams;
mod wei;
mod world;
