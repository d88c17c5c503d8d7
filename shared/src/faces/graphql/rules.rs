//! What each field demands, read from the exported SDL: the very declaration that a client sees is what is enforced.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use async_graphql::Value;
use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{BaseType, ConstDirective, FieldDefinition, Type, TypeKind, TypeSystemDefinition};

use crate::limits::Quota;
use crate::platform::auth::Role;

/// The rules of every field of a schema, and what can be put into it.
pub(super) struct Rules {
    fields: HashMap<String, HashMap<String, Rule>>,
    inputs: HashSet<String>,
    /// `Query.mcp`, by the rules' indices.
    names: Vec<String>,
}

/// Fields whose answers may be given again here for so many seconds, though their declaration tells clients to keep
/// nothing: short beside the time between two prices. The declaration of these is not ours to change.
const REPEATABLE: [(&str, &str, u32); 2] = [("Query", "cryptoPrices", 1), ("Query", "priceResults", 1)];

/// The scalars that every schema has without declaring them.
const BUILT_IN: [&str; 5] = ["Int", "Float", "String", "Boolean", "ID"];

/// What one field demands.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Rule {
    /// The type of the field's value, without list and non-null.
    pub(super) returns: String,
    /// `@auth`.
    pub(super) requires: Option<Role>,
    /// `@rateLimit`.
    pub(super) quota: Option<Quota>,
    /// `@cacheControl`, in seconds.
    pub(super) max_age: Option<u32>,
    /// For how many seconds its answer may be given again here.
    pub(super) repeatable: Option<u32>,
    /// Its place among all fields of the schema.
    pub(super) index: usize,
    /// The default of the argument `first`: how many items a list has where the caller does not say.
    pub(super) default_first: Option<u64>,
}

impl Rules {
    /// Reads the rules of a schema.
    ///
    /// # Errors
    /// A sentence that says which directive cannot be read: a fault of the schema, found at start.
    pub(super) fn from_sdl(sdl: &str) -> Result<Self, String> {
        let document = parse_schema(sdl).map_err(|error| format!("the SDL cannot be read: {error}"))?;
        let (mut fields, mut names) = (HashMap::new(), vec![]);
        let mut inputs: HashSet<_> = BUILT_IN.into_iter().map(str::to_owned).collect();
        for definition in document.definitions {
            let TypeSystemDefinition::Type(definition) = definition else { continue };
            let parent = definition.node.name.node.to_string();
            let object = match definition.node.kind {
                TypeKind::Object(object) => object,
                TypeKind::Scalar | TypeKind::Enum(_) | TypeKind::InputObject(_) => {
                    inputs.insert(parent);
                    continue;
                }
                TypeKind::Interface(_) | TypeKind::Union(_) => continue,
            };
            let mut rules = HashMap::new();
            for field in &object.fields {
                let name = field.node.name.node.to_string();
                let index = names.len();
                names.push(format!("{parent}.{name}"));
                rules.insert(name, Rule { index, ..Rule::of(&parent, &field.node)? });
            }
            fields.insert(parent, rules);
        }
        Ok(Self { fields, inputs, names })
    }

    /// The rule of a field; `None` for a field that the schema does not have.
    pub(super) fn of(&self, parent: &str, field: &str) -> Option<&Rule> {
        self.fields.get(parent)?.get(field)
    }

    /// The fields of the schema, in the order of their indices.
    pub(super) fn names(&self) -> impl Iterator<Item = String> {
        self.names.iter().cloned()
    }

    /// Whether a variable can be of this type.
    pub(super) fn is_input(&self, name: &str) -> bool {
        self.inputs.contains(name)
    }

    #[cfg(test)]
    pub(super) fn guarded(&self) -> impl Iterator<Item = (&str, &str, Role)> {
        self.fields.iter().flat_map(|(parent, rules)| {
            rules.iter().filter_map(|(name, rule)| Some((parent.as_str(), name.as_str(), rule.requires?)))
        })
    }
}

impl Rule {
    fn of(parent: &str, field: &FieldDefinition) -> Result<Self, String> {
        let mut rule = Self { returns: base(&field.ty.node).to_owned(), ..Self::default() };
        for directive in field.directives.iter().map(|directive| &directive.node) {
            rule.read(parent, field, directive)
                .ok_or_else(|| format!("@{} of {parent}.{} cannot be read", directive.name.node, field.name.node))?;
        }
        let name = field.name.node.as_str();
        let repeatable = REPEATABLE.into_iter().find(|(of, field, _)| (*of, *field) == (parent, name));
        rule.repeatable = rule.max_age.or(repeatable.map(|(_, _, seconds)| seconds));
        let first = field.arguments.iter().find(|argument| argument.node.name.node == "first");
        rule.default_first =
            first.and_then(|first| first.node.default_value.as_ref()).and_then(|value| number(&value.node));
        Ok(rule)
    }

    fn read(&mut self, parent: &str, field: &FieldDefinition, directive: &ConstDirective) -> Option<()> {
        let argument = |name| directive.get_argument(name).map(|value| &value.node);
        match directive.name.node.as_str() {
            "auth" => {
                self.requires = Some(match argument("requires")? {
                    Value::Enum(role) if role == "USER" => Role::User,
                    Value::Enum(role) if role == "ADMIN" => Role::Admin,
                    _ => return None,
                });
            }
            "rateLimit" => {
                self.quota = Some(Quota {
                    name: format!("{parent}.{}", field.name.node),
                    limit: u32::try_from(number(argument("limit")?)?).ok()?,
                    window: Duration::from_secs(number(argument("duration")?)?),
                });
            }
            "cacheControl" => self.max_age = Some(u32::try_from(number(argument("maxAge")?)?).ok()?),
            _ => {}
        }
        Some(())
    }
}

fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        _ => None,
    }
}

fn base(ty: &Type) -> &str {
    match &ty.base {
        BaseType::Named(name) => name,
        BaseType::List(inner) => base(inner),
    }
}
