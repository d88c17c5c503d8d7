//! Variables, completed before anything looks at them: the walk that judges an operation and the executor that runs
//! it must see the same values, and an operation with a value missing must not run by half.

use async_graphql::parser::types::{BaseType, ExecutableDocument, OperationDefinition, Type};
use async_graphql::{Value, Variables};

use super::admission::Refusal;
use super::rules::Rules;
use crate::faces::error::ApiError;

/// Refuses variables of a type that cannot be put in, in any operation: the executor's validation does not survive a
/// list of them with a default.
///
/// # Errors
/// `BAD_USER_INPUT`.
pub(super) fn check_types(rules: &Rules, document: &ExecutableDocument) -> Result<(), Refusal> {
    for (_, operation) in document.operations.iter() {
        for definition in &operation.node.variable_definitions {
            let name = innermost(&definition.node.var_type.node);
            if !rules.is_input(name) {
                let message = format!("${} is of type {name:?}, which is no input type", definition.node.name.node);
                return Err(refusal(message, definition.pos));
            }
        }
    }
    Ok(())
}

/// Gives each variable that was not sent its default.
///
/// # Errors
/// `BAD_USER_INPUT` for one that must have a value and has none.
pub(super) fn complete(operation: &OperationDefinition, variables: &mut Variables) -> Result<(), Refusal> {
    for definition in &operation.variable_definitions {
        let name = &definition.node.name.node;
        if !variables.contains_key(name)
            && let Some(default) = definition.node.default_value()
        {
            variables.insert(name.clone(), default.clone());
        }
        let missing = variables.get(name).is_none_or(|value| *value == Value::Null);
        if missing && !definition.node.var_type.node.nullable {
            return Err(refusal(format!("${name} needs a value"), definition.pos));
        }
    }
    Ok(())
}

fn refusal(message: String, at: async_graphql::Pos) -> Refusal {
    Refusal { error: ApiError::bad_input(message), at: Some(at), path: vec![] }
}

fn innermost(ty: &Type) -> &str {
    match &ty.base {
        BaseType::Named(name) => name,
        BaseType::List(inner) => innermost(inner),
    }
}
