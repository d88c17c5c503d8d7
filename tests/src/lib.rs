//! The integration tests are in main.rs.
