//! The schema's directives: declared here, applied at fields, printed in the SDL, and enforced from it: see
//! [`super::rules`]. There is no second place that says what a field demands.

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
#[TypeDirective(location = "FieldDefinition")]
pub fn auth(requires: Role) {}

/// A caller may resolve the field `limit` times in `duration` seconds.
#[TypeDirective(location = "FieldDefinition")]
pub fn rateLimit(limit: i32, duration: i32) {}

/// The answer may be kept for `maxAge` seconds; the lowest of an operation counts, 0 where a root field says nothing.
#[TypeDirective(location = "FieldDefinition")]
pub fn cacheControl(maxAge: i32) {}
