//! From claims to a [`Principal`]: the same reading for a token and for what an API Gateway authorizer passes on.

use chrono::DateTime;
use serde_json::{Map, Value};

use super::{Principal, Role};
use crate::platform::clock::Timestamp;

/// Longest subject, in characters.
const LONGEST_SUBJECT: usize = 256;

/// Where issuers put roles: our own claim, the common one, and Cognito's.
const ROLE_CLAIMS: [&str; 3] = ["role", "roles", "cognito:groups"];

/// The caller whom an API Gateway authorizer verified, or `None` where there is none.
///
/// Takes `requestContext.authorizer` of a payload of version 2 (`jwt.claims`, `lambda`) or 1 (`claims`, or the context of
/// a Lambda authorizer), or the claims themselves.
///
/// **Threat**: nothing is verified here. Whoever can choose the map is whoever they say they are. It must come from the
/// request context of a Lambda event, which API Gateway writes and no client can; never from a header, a body or a query,
/// and never where the function can be reached around API Gateway (a function URL, an open `lambda:Invoke`).
pub fn principal_from_claims(authorizer: &Map<String, Value>) -> Option<Principal> {
    let inner = |map: &'_ Map<String, Value>, name: &str| map.get(name).and_then(Value::as_object).cloned();
    let nested = inner(authorizer, "jwt")
        .and_then(|jwt| inner(&jwt, "claims"))
        .or_else(|| inner(authorizer, "claims"))
        .or_else(|| inner(authorizer, "lambda"));
    principal(nested.as_ref().unwrap_or(authorizer))
}

/// The subject and the highest role. A token without a known role is a USER's: Cognito's have none unless their user is
/// in a group. `None` if the subject is missing or unfit: 1 to 256 characters, none of them a control character.
pub(super) fn principal(claims: &Map<String, Value>) -> Option<Principal> {
    let subject = claims.get("sub")?.as_str()?;
    let fits = (1..=LONGEST_SUBJECT).contains(&subject.chars().count()) && !subject.chars().any(char::is_control);
    let roles = ROLE_CLAIMS.iter().filter_map(|name| claims.get(*name)).filter_map(highest);
    fits.then(|| Principal {
        user_id: subject.to_owned(),
        role: roles.max().unwrap_or(Role::User),
        expires_at: claims.get("exp").and_then(time),
    })
}

/// A `NumericDate`, as a number or, from API Gateway, as text.
fn time(claim: &Value) -> Option<Timestamp> {
    let seconds = claim.as_f64().or_else(|| claim.as_str()?.parse().ok())?;
    #[expect(clippy::cast_possible_truncation, reason = "what is too large for a date is none")]
    DateTime::from_timestamp_millis((seconds * 1000.0) as i64)
}

/// The highest role that a claim names. It may be a name, an array of names, or an array flattened to a string, as API
/// Gateway's authorizers do: `[A B]` (HTTP APIs) or `A,B` (REST APIs).
fn highest(claim: &Value) -> Option<Role> {
    match claim {
        Value::String(text) => match text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(inside) => inside.split([' ', ',']).filter_map(role).max(),
            None => text.split(',').filter_map(role).max(),
        },
        Value::Array(names) => names.iter().filter_map(Value::as_str).filter_map(role).max(),
        _ => None,
    }
}

fn role(name: &str) -> Option<Role> {
    match name.trim().trim_matches('"') {
        "ADMIN" => Some(Role::Admin),
        "USER" => Some(Role::User),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(authorizer: &Value) -> Option<Principal> {
        principal_from_claims(authorizer.as_object().unwrap())
    }

    fn role_of(claims: Value) -> Role {
        let mut claims = claims;
        claims["sub"] = json!("ann");
        read(&claims).unwrap().role
    }

    #[test]
    fn roles_come_in_many_shapes_and_the_highest_wins() {
        for admin in [
            json!({"role": "ADMIN"}),
            json!({"roles": ["USER", "ADMIN"]}),
            json!({"cognito:groups": ["traders", "ADMIN"]}),
            json!({"cognito:groups": "[USER ADMIN]"}),
            json!({"cognito:groups": "[ADMIN]"}),
            json!({"cognito:groups": "USER,ADMIN"}),
            json!({"roles": "[\"USER\", \"ADMIN\"]"}),
            json!({"role": "USER", "roles": ["ADMIN"]}),
        ] {
            assert_eq!(role_of(admin.clone()), Role::Admin, "{admin}");
        }
    }

    #[test]
    fn without_a_known_role_a_caller_is_a_user() {
        for user in [
            json!({}),
            json!({"role": "USER"}),
            json!({"role": "admin"}),
            json!({"role": "NOT ADMIN"}),
            json!({"role": "ADMINISTRATOR"}),
            json!({"roles": [["ADMIN"], {"ADMIN": true}, 1, null]}),
            json!({"roles": {"ADMIN": true}}),
            json!({"role": true}),
            json!({"cognito:groups": "[]"}),
            json!({"scope": "ADMIN"}),
        ] {
            assert_eq!(role_of(user.clone()), Role::User, "{user}");
        }
    }

    #[test]
    fn both_payload_versions_are_understood() {
        let claims = json!({"sub": "ann", "cognito:groups": "[ADMIN]", "exp": "1700000000"});
        let expires_at = DateTime::from_timestamp(1_700_000_000, 0);
        let ann = Some(Principal { user_id: "ann".to_owned(), role: Role::Admin, expires_at });
        assert_eq!(read(&json!({"jwt": {"claims": claims, "scopes": null}})), ann);
        assert_eq!(read(&json!({"claims": claims})), ann);
        assert_eq!(read(&json!({"lambda": claims})), ann);
        assert_eq!(read(&json!({"principalId": "x", "sub": "ann", "role": "ADMIN", "exp": 1_700_000_000})), ann);
    }

    #[test]
    fn without_a_fit_subject_there_is_no_caller() {
        let long = "x".repeat(257);
        for claims in [
            json!({}),
            json!({"principalId": "user"}),
            json!({"sub": ""}),
            json!({"sub": 7}),
            json!({"sub": "a\nb"}),
            json!({"sub": "a\u{0}"}),
            json!({"sub": "a\u{85}"}),
            json!({"sub": long}),
            json!({"jwt": {"claims": {"role": "ADMIN"}}, "sub": "eve"}),
            json!({"iam": {"userId": "AIDA"}}),
        ] {
            assert_eq!(read(&claims), None, "{claims}");
        }
        assert!(read(&json!({"sub": "ü".repeat(256)})).is_some());
    }
}
