//! What an operation is allowed to do, decided before any of it runs.
//!
//! One walk over the operation, fragments expanded, finds every field that it touches. From the fields' [`Rules`]
//! follow who may run it, what it takes from which quota, what it costs and how long its answer may be kept. Because
//! the whole operation is judged before its first resolver is called, no resolver can forget its guard: not in a
//! mutation's second field, and not in a subscription, whose stream would otherwise start first.

use std::collections::{BTreeSet, HashMap, HashSet};

use async_graphql::parser::types::{
    Directive, DocumentOperations, ExecutableDocument, Field, OperationDefinition, OperationType, Selection,
    SelectionSet,
};
use async_graphql::{Name, Pos, Positioned, Value, Variables};

use super::entities;
use super::rules::{Rule, Rules};
use crate::faces::error::{ApiError, Code};
use crate::limits::Charge;
use crate::platform::auth::Role;

/// What was decided about an operation that may run.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Admission {
    /// Query, mutation or subscription.
    pub(super) operation: OperationType,
    /// What it takes from the quotas of its fields.
    pub(super) charges: Vec<Charge>,
    /// For how many seconds its answer may be kept; 0: not at all.
    pub(super) max_age: u32,
    /// For how many seconds the same answer may be given again here, to anybody; 0: not at all.
    pub(super) repeatable: u32,
    /// Whether its answer depends on who asks.
    pub(super) private: bool,
    /// What it costs.
    pub(super) cost: u64,
    /// The fields that it touches, each once, by their indices.
    pub(super) fields: Vec<usize>,
}

/// Where an operation is judged.
#[derive(Clone, Copy)]
pub(super) struct Court<'a> {
    pub(super) rules: &'a Rules,
    /// Whether introspection is on.
    pub(super) introspection: bool,
    /// The most that an operation may cost: a field costs 1, and what lies below a list as often as the list is long.
    pub(super) max_cost: u64,
}

/// Why an operation may not run: an error, and where in the document and the answer.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) error: ApiError,
    pub(super) at: Option<Pos>,
    pub(super) path: Vec<String>,
}

impl Refusal {
    fn new(error: ApiError, at: Pos, path: &[&str]) -> Self {
        Self { error, at: Some(at), path: path.iter().map(|&key| key.to_owned()).collect() }
    }
}

/// Judges `operation` of a document in proportion, with its variables complete.
///
/// # Errors
/// All refusals for want of a role; else the first of any other kind.
pub(super) fn judge(
    court: Court<'_>,
    document: &ExecutableDocument,
    operation: &OperationDefinition,
    variables: &Variables,
    role: Option<Role>,
) -> Result<Admission, Vec<Refusal>> {
    let root = match operation.ty {
        OperationType::Query => "Query",
        OperationType::Mutation => "Mutation",
        OperationType::Subscription => "Subscription",
    };
    let mut walk = Walk {
        court,
        document,
        root,
        variables,
        role,
        path: vec![],
        commands: HashSet::new(),
        cost: 0,
        charges: HashMap::new(),
        max_age: None,
        repeatable: None,
        fields: vec![],
        private: false,
        refusals: vec![],
    };
    walk.selection_set(root, &operation.selection_set, 1).map_err(|refusal| vec![refusal])?;
    if !walk.refusals.is_empty() {
        return Err(walk.refusals);
    }
    walk.fields.sort_unstable();
    walk.fields.dedup();
    let query = operation.ty == OperationType::Query;
    Ok(Admission {
        operation: operation.ty,
        charges: walk.charges.into_values().collect(),
        max_age: walk.max_age.filter(|_| query).unwrap_or(0),
        repeatable: walk.repeatable.filter(|_| query && !walk.private).unwrap_or(0),
        private: walk.private,
        cost: walk.cost,
        fields: walk.fields,
    })
}

/// The operation that is to run, as GraphQL selects it.
///
/// # Errors
/// `BAD_USER_INPUT` where the name selects none, or is needed and missing.
pub(super) fn select<'a>(
    document: &'a ExecutableDocument,
    name: Option<&str>,
) -> Result<&'a OperationDefinition, Refusal> {
    let selected = match (&document.operations, name) {
        (DocumentOperations::Single(operation), None) => Ok(operation),
        (DocumentOperations::Multiple(operations), None) if operations.len() == 1 => {
            operations.values().next().ok_or_else(|| "the document has no operation".to_owned())
        }
        (DocumentOperations::Multiple(_), None) => Err("operationName must say which operation to run".to_owned()),
        (DocumentOperations::Multiple(operations), Some(name)) => {
            operations.get(name).ok_or_else(|| format!("the document has no operation {name:?}"))
        }
        (DocumentOperations::Single(_), Some(name)) => Err(format!("the document has no operation {name:?}")),
    };
    selected.map(|operation| &operation.node).map_err(|message| Refusal {
        error: ApiError::bad_input(message),
        at: None,
        path: vec![],
    })
}

struct Walk<'a> {
    court: Court<'a>,
    document: &'a ExecutableDocument,
    root: &'static str,
    variables: &'a Variables,
    role: Option<Role>,
    path: Vec<&'a str>,
    /// The response keys of a mutation's root fields; of a subscription, whether there is one.
    commands: HashSet<&'a str>,
    cost: u64,
    charges: HashMap<String, Charge>,
    max_age: Option<u32>,
    repeatable: Option<u32>,
    fields: Vec<usize>,
    private: bool,
    refusals: Vec<Refusal>,
}

impl<'a> Walk<'a> {
    /// Everything that `set` selects of type `parent`, which stands in the answer `times` times.
    fn selection_set(&mut self, parent: &str, set: &'a Positioned<SelectionSet>, times: u64) -> Result<(), Refusal> {
        for selection in &set.node.items {
            if self.is_skipped(selection.node.directives()) {
                continue;
            }
            match &selection.node {
                Selection::Field(field) => self.field(parent, field, times)?,
                Selection::FragmentSpread(spread) => {
                    // An unknown fragment is left to validation.
                    if let Some(fragment) = self.document.fragments.get(&spread.node.fragment_name.node) {
                        let on = &fragment.node.type_condition.node.on.node;
                        self.selection_set(on, &fragment.node.selection_set, times)?;
                    }
                }
                Selection::InlineFragment(fragment) => {
                    let on = fragment.node.type_condition.as_ref().map_or(parent, |on| on.node.on.node.as_str());
                    self.selection_set(on, &fragment.node.selection_set, times)?;
                }
            }
        }
        Ok(())
    }

    fn field(&mut self, parent: &str, field: &'a Positioned<Field>, times: u64) -> Result<(), Refusal> {
        let key = field.node.response_key().node.as_str();
        let name = field.node.name.node.as_str();
        self.path.push(key);
        self.cost = self.cost.saturating_add(times);
        let max_cost = self.court.max_cost;
        if self.cost > max_cost {
            let limit = format!("the operation costs more than {max_cost}: ask for fewer items or fields");
            return Err(Refusal::new(ApiError::new(Code::QueryTooComplex, limit), field.pos, &self.path));
        }
        if self.root == "Mutation" && parent == self.root && !self.commands.insert(key) {
            // The executor would run it twice and show one result.
            let twice = ApiError::bad_input(format!("{key} is asked for twice: give one of them an alias"));
            return Err(Refusal::new(twice, field.pos, &self.path));
        }
        if name.starts_with("__") && name != "__typename" && !self.court.introspection {
            let refusal = ApiError::bad_input("introspection is off: the schema is at /schema.graphql");
            return Err(Refusal::new(refusal, field.pos, &self.path));
        }
        if self.root == "Subscription" && parent == self.root && !self.first_of_subscription(name) {
            // <https://spec.graphql.org/October2021/#sec-Single-root-field>
            let one = ApiError::bad_input("a subscription has one root field, which is not introspection");
            return Err(Refusal::new(one, field.pos, &self.path));
        }
        let rule = self.court.rules.of(parent, name);
        if parent == self.root && name != "__typename" {
            // What a root field does not allow to be kept is not kept.
            lower(&mut self.max_age, rule.and_then(|rule| rule.max_age).unwrap_or(0));
            lower(&mut self.repeatable, rule.and_then(|rule| rule.repeatable).unwrap_or(0));
        }
        if let Some(rule) = rule {
            self.fields.push(rule.index);
            self.apply(rule, field.pos);
            if parent == "Query" && name == entities::FIELD {
                self.entities(field)?;
            }
            let times = times.saturating_mul(self.length(rule, &field.node));
            self.selection_set(&rule.returns, &field.node.selection_set, times)?;
        } else {
            // Introspection, or what validation will not find: it counts, and has no rules.
            self.selection_set("", &field.node.selection_set, times)?;
        }
        self.path.pop();
        Ok(())
    }

    /// What entities of each type that is asked for demand: the same as the root field that gives such a thing.
    fn entities(&mut self, field: &'a Positioned<Field>) -> Result<(), Refusal> {
        let Some(Value::List(representations)) = self.argument(&field.node, "representations") else {
            let message = "representations must be a list, of which every value is known";
            return Err(Refusal::new(ApiError::bad_input(message), field.pos, &self.path));
        };
        if representations.len() > entities::MAX {
            let message = format!("{} takes at most {} representations", entities::FIELD, entities::MAX);
            return Err(Refusal::new(ApiError::new(Code::QueryTooComplex, message), field.pos, &self.path));
        }
        let roots: BTreeSet<_> =
            representations.iter().filter_map(|it| entities::root_of(entities::typename(it)?)).collect();
        let rules = self.court.rules;
        for rule in roots.into_iter().filter_map(|root| rules.of("Query", root)) {
            self.apply(rule, field.pos);
        }
        Ok(())
    }

    /// Whether this is the only root field so far of a subscription, and a real one.
    fn first_of_subscription(&mut self, name: &'a str) -> bool {
        self.commands.insert("") && name != "__typename"
    }

    fn apply(&mut self, rule: &Rule, at: Pos) {
        if let Some(required) = rule.requires {
            self.private = true;
            if let Some(error) = denial(required, self.role) {
                self.refusals.push(Refusal::new(error, at, &self.path));
            }
        }
        if let Some(quota) = &rule.quota {
            let charge = || Charge { quota: quota.clone(), cost: 0 };
            self.charges.entry(quota.name.clone()).or_insert_with(charge).cost += 1;
        }
        if let Some(max_age) = rule.max_age {
            lower(&mut self.max_age, max_age);
            lower(&mut self.repeatable, max_age);
        }
    }

    /// How many items a field's value has at most: as many as `first` asks for, or as there are `coins`, or
    /// `representations`.
    fn length(&self, rule: &Rule, field: &Field) -> u64 {
        if field.arguments.is_empty() {
            return rule.default_first.unwrap_or(1);
        }
        for list in ["coins", "representations"] {
            if let Some(Value::List(items)) = self.argument(field, list) {
                return items.len() as u64;
            }
        }
        match self.argument(field, "first") {
            Some(Value::Number(first)) => first.as_u64().unwrap_or(1),
            _ => rule.default_first.unwrap_or(1),
        }
    }

    /// The value of an argument, if all of it is known.
    fn argument(&self, field: &Field, name: &str) -> Option<Value> {
        field.get_argument(name)?.node.clone().into_const_with(|name| self.variable(&name)).ok()
    }

    /// Whether `@skip` or `@include` leave a selection out, decided as the executor decides it: of the same variables,
    /// and taking for false what is no boolean.
    fn is_skipped(&self, directives: &[Positioned<Directive>]) -> bool {
        directives.iter().any(|Positioned { node: directive, .. }| {
            let wanted = match directive.name.node.as_str() {
                "skip" => false,
                "include" => true,
                _ => return false,
            };
            directive.get_argument("if").is_some_and(|condition| {
                let condition = condition.node.clone().into_const_with(|name| self.variable(&name));
                wanted != (condition == Ok(Value::Boolean(true)))
            })
        })
    }

    fn variable(&self, name: &Name) -> Result<Value, Undefined> {
        self.variables.get(name).cloned().ok_or(Undefined)
    }
}

fn lower(lowest: &mut Option<u32>, seconds: u32) {
    *lowest = Some(lowest.map_or(seconds, |lowest| lowest.min(seconds)));
}

/// A variable without a value: validation will say so.
#[derive(PartialEq)]
struct Undefined;

pub(in crate::faces) fn denial(required: Role, role: Option<Role>) -> Option<ApiError> {
    match role {
        None => Some((&crate::services::Error::Unauthenticated).into()),
        Some(role) if role < required => Some(ApiError::new(Code::Forbidden, "this needs the role ADMIN")),
        Some(_) => None,
    }
}
