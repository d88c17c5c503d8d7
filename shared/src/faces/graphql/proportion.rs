//! How large a parsed document is, whatever of it would run.
//!
//! The executor expands fragments again and again before it looks at what is selected, in operations that will not
//! run and behind `@skip` too, and no deadline can interrupt it. So all of a document is measured, fragments expanded,
//! before the executor sees it.

use async_graphql::Positioned;
use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};

use super::admission::Refusal;
use crate::faces::error::{ApiError, Code};

/// How deep selections may nest, fragments included. The introspection query of the usual clients has 19 levels.
const MAX_DEPTH: usize = 24;
/// The most selections, fragments expanded.
const MAX_SELECTIONS: usize = 3_000;
/// The most aliases.
const MAX_ALIASES: usize = 200;
/// The most directives.
const MAX_DIRECTIVES: usize = 50;

/// Refuses a document out of proportion.
///
/// # Errors
/// `QUERY_TOO_COMPLEX`.
pub(super) fn check(document: &ExecutableDocument) -> Result<(), Refusal> {
    let mut measure = Measure { document, selections: 0, aliases: 0, directives: 0 };
    for (_, operation) in document.operations.iter() {
        measure.directives += operation.node.directives.len();
        measure.add(&operation.node.selection_set, 1)?;
    }
    // Those that no operation uses are validated too.
    for fragment in document.fragments.values() {
        measure.add(&fragment.node.selection_set, 1)?;
    }
    Ok(())
}

struct Measure<'a> {
    document: &'a ExecutableDocument,
    selections: usize,
    aliases: usize,
    directives: usize,
}

impl Measure<'_> {
    fn add(&mut self, set: &Positioned<SelectionSet>, depth: usize) -> Result<(), Refusal> {
        let too_complex = |what: &str, limit: usize| {
            let message = format!("the document has more than {limit} {what}");
            Err(Refusal { error: ApiError::new(Code::QueryTooComplex, message), at: Some(set.pos), path: vec![] })
        };
        if depth > MAX_DEPTH {
            return too_complex("levels", MAX_DEPTH);
        }
        for selection in &set.node.items {
            self.selections += 1;
            self.directives += selection.node.directives().len();
            if self.selections > MAX_SELECTIONS {
                return too_complex("selections", MAX_SELECTIONS);
            }
            if self.directives > MAX_DIRECTIVES {
                return too_complex("directives", MAX_DIRECTIVES);
            }
            match &selection.node {
                Selection::Field(field) => {
                    self.aliases += usize::from(field.node.alias.is_some());
                    if self.aliases > MAX_ALIASES {
                        return too_complex("aliases", MAX_ALIASES);
                    }
                    self.add(&field.node.selection_set, depth + 1)?;
                }
                Selection::FragmentSpread(spread) => {
                    // An unknown fragment is left to validation.
                    if let Some(fragment) = self.document.fragments.get(&spread.node.fragment_name.node) {
                        self.add(&fragment.node.selection_set, depth + 1)?;
                    }
                }
                Selection::InlineFragment(fragment) => self.add(&fragment.node.selection_set, depth + 1)?,
            }
        }
        Ok(())
    }
}
