//! The parameters of a GraphQL operation, whatever carries them.

use async_graphql::{Request, Variables};
use serde_json::{Map, Value};

/// The parameters of one operation.
#[derive(Debug, Default)]
pub(super) struct Parameters {
    pub(super) query: Option<String>,
    /// Instead of the query: which of those that are known here.
    pub(super) document_id: Option<String>,
    pub(super) operation_name: Option<String>,
    pub(super) variables: Map<String, Value>,
    pub(super) extensions: Map<String, Value>,
}

impl Parameters {
    /// Reads them from JSON.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub(super) fn read(value: Value) -> Result<Self, String> {
        let Value::Object(mut members) = value else {
            return Err("a request is a JSON object, or an array of them".to_owned());
        };
        let mut text = |name: &str| match members.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(format!("{name} must be a string")),
        };
        let (query, document_id, operation_name) = (text("query")?, text("documentId")?, text("operationName")?);
        let mut object = |name: &str| match members.remove(name) {
            None | Some(Value::Null) => Ok(Map::new()),
            Some(Value::Object(members)) => Ok(members),
            Some(_) => Err(format!("{name} must be an object")),
        };
        Ok(Self {
            query,
            document_id,
            operation_name: operation_name.filter(|name| !name.is_empty()),
            variables: object("variables")?,
            extensions: object("extensions")?,
        })
    }

    /// Whether they carry a document, or say which.
    pub(super) fn name_a_document(&self) -> bool {
        self.query.is_some() || self.document_id.is_some() || self.extensions.contains_key("persistedQuery")
    }

    /// The executor's request for `query`.
    pub(super) fn into_request(self, query: String) -> Request {
        let mut request = Request::new(query).variables(Variables::from_json(Value::Object(self.variables)));
        request.operation_name = self.operation_name;
        request
    }
}
