//! The schema's directives: declared here, applied at fields, printed in the SDL, and enforced from it: see
//! [`super::rules`]. There is no second place that says what a field demands.
//!
//! Those of fields stay on the fields of a federated schema that this one is composed into. For that they need the
//! address of a specification; it names them, and nobody looks there.

#![expect(non_snake_case, reason = "a directive is named as its function")]

use async_graphql::{Enum, TypeDirective};

/// Who may ask for a field. ADMIN includes USER.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "crate::platform::auth::Role")]
pub enum Role {
    /// Whoever shows a valid token.
    User,
    /// An administrator.
    Admin,
}

/// The caller must have the role.
#[TypeDirective(location = "FieldDefinition", composable = "https://example.com/mcpServer/v1.0")]
pub fn auth(requires: Role) {}

/// A caller may resolve the field `limit` times in `duration` seconds.
#[TypeDirective(location = "FieldDefinition", composable = "https://example.com/mcpServer/v1.0")]
pub fn rateLimit(limit: i32, duration: i32) {}

/// The answer may be kept for `maxAge` seconds; the lowest of an operation counts, 0 where a root field says nothing.
#[TypeDirective(location = "FieldDefinition", composable = "https://example.com/mcpServer/v1.0")]
pub fn cacheControl(maxAge: i32) {}

// Federation's own, of which this is the part that is used here. The library has it too, but answers for entities itself
// then, and fails all of them where one fails.
/// Another subgraph may name an object by these of its fields.
#[TypeDirective(location = "Object")]
pub fn key(fields: String) {}
