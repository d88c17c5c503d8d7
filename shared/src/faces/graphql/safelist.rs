//! The operations that alone may run, where that is wanted: a persisted-query manifest, as Apollo's tools write it.
//! <https://www.apollographql.com/docs/graphos/platform/security/persisted-queries#manifest-format>
//!
//! A client names one by its id, or sends its very text. Nobody can add to the list.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use async_graphql::parser::parse_query;
use async_graphql::parser::types::{DocumentOperations, OperationType};
use serde::Deserialize;
use serde_json::Value;

use crate::faces::error::{ApiError, Code};
use crate::faces::parameters::Parameters;

/// The operations that may run.
#[derive(Debug)]
pub struct Safelist {
    by_id: HashMap<String, Arc<str>>,
    texts: HashSet<Arc<str>>,
}

#[derive(Deserialize)]
struct Manifest {
    format: String,
    version: u64,
    operations: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    id: String,
    name: String,
    #[serde(rename = "type")]
    kind: String,
    body: String,
}

impl Listed {
    /// # Errors
    /// A sentence, where the text is not of an operation of this name and type.
    fn check(&self) -> Result<(), String> {
        let Self { id, name, kind, body } = self;
        let document =
            parse_query(body).map_err(|error| format!("the body of {id} ({name}) is no document: {error}"))?;
        let DocumentOperations::Multiple(operations) = document.operations else {
            return Err(format!("the operation of {id} has no name; {name} is expected"));
        };
        let operation = operations.get(name.as_str()).ok_or_else(|| format!("{id} has no operation {name}"))?;
        let is = match operation.node.ty {
            OperationType::Query => "query",
            OperationType::Mutation => "mutation",
            OperationType::Subscription => "subscription",
        };
        if is == kind { Ok(()) } else { Err(format!("{name} of {id} is a {is}, not a {kind}")) }
    }
}

impl Safelist {
    /// Reads a manifest.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn read(path: &Path) -> Result<Self, String> {
        let named = |problem: String| format!("GRAPHQL_SAFELIST {}: {problem}", path.display());
        let text = std::fs::read_to_string(path).map_err(|error| named(error.to_string()))?;
        Self::parse(&text).map_err(named)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let manifest: Manifest =
            serde_json::from_str(text).map_err(|error| format!("this is no persisted-query manifest: {error}"))?;
        if (manifest.format.as_str(), manifest.version) != ("apollo-persisted-query-manifest", 1) {
            let Manifest { format, version, .. } = manifest;
            return Err(format!("expected apollo-persisted-query-manifest of version 1, not {format} of {version}"));
        }
        let (mut by_id, mut texts) = (HashMap::new(), HashSet::new());
        for listed in manifest.operations {
            listed.check()?;
            let body: Arc<str> = listed.body.into();
            texts.insert(body.clone());
            if by_id.insert(listed.id.clone(), body).is_some() {
                return Err(format!("{} is there twice", listed.id));
            }
        }
        Ok(Self { by_id, texts })
    }

    /// The text of the operation that the parameters name or carry.
    ///
    /// # Errors
    /// `PERSISTED_QUERY_NOT_IN_LIST`; `BAD_USER_INPUT` where they do neither.
    pub(super) fn find(&self, parameters: &mut Parameters) -> Result<String, ApiError> {
        let refused =
            |what: &str| ApiError::new(Code::PersistedQueryNotInList, format!("{what} is not on the list here"));
        let hash = parameters.extensions.get("persistedQuery").and_then(|persisted| persisted.get("sha256Hash"));
        let id = parameters.document_id.as_deref().or_else(|| hash.and_then(Value::as_str));
        match (id, parameters.query.take()) {
            (None, None) => Err(ApiError::bad_input("query is missing, and so is the id of a listed one")),
            (None, Some(text)) if self.has(&text) => Ok(text),
            (None, Some(_)) => Err(refused("the operation")),
            (Some(id), text) => match self.by_id.get(id) {
                Some(listed) if text.as_deref().is_none_or(|text| *text == **listed) => Ok(listed.as_ref().to_owned()),
                Some(_) => Err(refused("the operation, under that id,")),
                None => Err(refused("the id")),
            },
        }
    }

    /// Whether this is the text of one of them.
    pub(super) fn has(&self, text: &str) -> bool {
        self.texts.contains(text)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const BODY: &str = "query Prices($coins: [String!]!) { cryptoPrices(coins: $coins) { usd } }";

    fn manifest(operations: &Value) -> String {
        json!({ "format": "apollo-persisted-query-manifest", "version": 1, "operations": operations }).to_string()
    }

    fn listed(id: &str, name: &str, kind: &str, body: &str) -> Value {
        json!({ "id": id, "name": name, "type": kind, "body": body })
    }

    fn find(parameters: Value) -> Result<String, Code> {
        let list = Safelist::parse(&manifest(&json!([listed("abc", "Prices", "query", BODY)]))).unwrap();
        list.find(&mut Parameters::read(parameters).unwrap()).map_err(|error| error.code)
    }

    #[test]
    fn a_listed_operation_is_found_by_its_id_or_its_text() {
        let persisted = json!({ "persistedQuery": { "version": 1, "sha256Hash": "abc" } });
        for parameters in [
            json!({ "query": BODY }),
            json!({ "documentId": "abc" }),
            json!({ "documentId": "abc", "query": BODY }),
            json!({ "extensions": persisted }),
            json!({ "extensions": persisted, "query": BODY }),
        ] {
            assert_eq!(find(parameters.clone()).unwrap(), BODY, "{parameters}");
        }
    }

    #[test]
    fn nothing_else_is_found() {
        let other = "{ __typename }";
        for parameters in [
            json!({ "query": other }),
            json!({ "query": format!("{BODY} ") }),
            json!({ "documentId": "def" }),
            json!({ "documentId": "def", "query": BODY }),
            json!({ "documentId": "abc", "query": other }),
            json!({ "extensions": { "persistedQuery": { "version": 1, "sha256Hash": "def" } } }),
        ] {
            assert_eq!(find(parameters.clone()), Err(Code::PersistedQueryNotInList), "{parameters}");
        }
        assert_eq!(find(json!({})), Err(Code::BadUserInput));
    }

    #[test]
    fn a_broken_manifest_says_what_is_wrong_with_it() {
        let read = |text: &str| Safelist::parse(text).unwrap_err();
        let of = |operations: Value| read(&manifest(&operations));
        for (problem, said) in [
            (read("{"), "no persisted-query manifest"),
            (read(r#"{"format":"other","version":1,"operations":[]}"#), "expected apollo-persisted-query-manifest"),
            (of(json!([listed("a", "Prices", "query", "{")])), "the body of a (Prices) is no document"),
            (of(json!([listed("a", "Other", "query", BODY)])), "a has no operation Other"),
            (of(json!([listed("a", "Prices", "mutation", BODY)])), "Prices of a is a query, not a mutation"),
            (of(json!([listed("a", "Prices", "query", "{ __typename }")])), "has no name"),
            (
                of(json!([listed("a", "Prices", "query", BODY), listed("a", "Prices", "query", BODY)])),
                "a is there twice",
            ),
        ] {
            assert!(problem.contains(said), "{problem}");
        }
        let missing = Safelist::read(Path::new("no/such/file.json")).unwrap_err();
        assert!(missing.starts_with("GRAPHQL_SAFELIST no/such/file.json: "), "{missing}");
    }
}
