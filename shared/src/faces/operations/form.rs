//! An operation's input out of what is all text, a URL's parameters: read as the input's schema says.

use serde_json::{Map, Value};

use super::Operation;
use crate::faces::error::ApiError;

/// The input out of parameters. A list is one parameter, its items between commas, or one that comes several times.
///
/// # Errors
/// `BAD_USER_INPUT` for what is twice there and no list, or no number where one is needed.
pub(in crate::faces) fn read(
    operation: &Operation,
    parameters: impl IntoIterator<Item = (String, String)>,
) -> Result<Map<String, Value>, ApiError> {
    let mut members: Map<String, Value> = Map::new();
    for (name, text) in parameters {
        let value = match Kind::of(&operation.input["properties"][&name]) {
            Kind::List => {
                let items = text.split(',').filter(|item| !item.is_empty()).map(Value::from);
                if let Some(Value::Array(known)) = members.get_mut(&name) {
                    known.extend(items);
                    continue;
                }
                items.collect()
            }
            Kind::Integer => {
                let number = text.parse::<i32>();
                number
                    .map(Value::from)
                    .map_err(|_| ApiError::bad_input(format!("{name} must be a whole number of 32 bits")))?
            }
            Kind::Text => Value::String(text),
        };
        if members.insert(name.clone(), value).is_some() {
            return Err(ApiError::bad_input(format!("{name} is there twice")));
        }
    }
    Ok(members)
}

/// How the text of a parameter is read.
#[derive(Debug, PartialEq, Eq)]
enum Kind {
    List,
    Integer,
    /// As it is. So is what the schema does not know, which is refused with the rest.
    Text,
}

impl Kind {
    fn of(property: &Value) -> Self {
        let is = |wanted: &str| match &property["type"] {
            Value::String(kind) => kind == wanted,
            Value::Array(kinds) => kinds.iter().any(|kind| kind == wanted),
            _ => false,
        };
        if is("array") {
            Self::List
        } else if is("integer") {
            Self::Integer
        } else {
            Self::Text
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::all;
    use super::*;

    fn read(name: &str, parameters: &[(&str, &str)]) -> Result<Value, ApiError> {
        let operation = all().iter().find(|operation| operation.about.name == name).unwrap();
        let parameters = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        super::read(operation, parameters).map(Value::Object)
    }

    #[test]
    fn lists_numbers_and_texts_are_read_as_the_schema_says() {
        assert_eq!(
            read("crypto_prices", &[("coins", "bitcoin, ethereum"), ("coins", "solana,")]),
            Ok(json!({ "coins": ["bitcoin", " ethereum", "solana"] }))
        );
        assert_eq!(
            read("price_history", &[("first", "7"), ("after", "12"), ("later", "1")]),
            Ok(json!({ "first": 7, "after": "12", "later": "1" }))
        );
    }

    #[test]
    fn what_is_no_number_or_there_twice_is_refused() {
        assert!(read("memories", &[("first", "many")]).is_err());
        assert!(read("memories", &[("search", "a"), ("search", "b")]).is_err());
    }
}
