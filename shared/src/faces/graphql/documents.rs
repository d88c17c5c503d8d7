//! Documents that were parsed: who sends one that is known here saves us the parsing, and what follows from the text
//! alone.

use std::sync::Arc;

use async_graphql::ServerError;
use async_graphql::parser::parse_query;
use async_graphql::parser::types::ExecutableDocument;
use moka::sync::Cache;

use super::rules::Rules;
use super::{errors, lexical, proportion, variables};

/// The longest text of a document that is remembered, in bytes,
const LONGEST: usize = 8 * 1024;
/// and of all of them: parsed, each is some ten to thirty times as large.
const CAPACITY: u64 = 512 * 1024;
/// What remembering one takes, beside its text.
const OVERHEAD: usize = 256;

/// The documents that were sent last and most often.
pub(super) struct Documents(Cache<Arc<str>, Arc<ExecutableDocument>>);

impl Default for Documents {
    fn default() -> Self {
        let weigh =
            |text: &Arc<str>, _: &Arc<ExecutableDocument>| u32::try_from(text.len() + OVERHEAD).unwrap_or(u32::MAX);
        Self(Cache::builder().weigher(weigh).max_capacity(CAPACITY).build())
    }
}

impl Documents {
    /// A document that can be read and is in proportion.
    ///
    /// # Errors
    /// Why it is not.
    pub(super) fn get(&self, rules: &Rules, text: &str) -> Result<Arc<ExecutableDocument>, Vec<ServerError>> {
        if let Some(document) = self.0.get(text) {
            return Ok(document);
        }
        lexical::check(text).map_err(|error| vec![errors::from_api(&error)])?;
        let document = parse_query(text).map_err(|error| vec![errors::coded(error.into())])?;
        let shown = |refusal| vec![ServerError::from(refusal)];
        proportion::check(&document).map_err(shown)?;
        variables::check_types(rules, &document).map_err(shown)?;
        let document = Arc::new(document);
        if text.len() <= LONGEST {
            self.0.insert(text.into(), document.clone());
        }
        Ok(document)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_parsed_once_and_one_that_is_refused_is_refused_again() {
        let (documents, rules) = (Documents::default(), Rules::from_sdl("type Query { a: Int }").unwrap());
        let first = documents.get(&rules, "{ a }").unwrap();
        assert!(Arc::ptr_eq(&first, &documents.get(&rules, "{ a }").unwrap()));
        assert!(!Arc::ptr_eq(&first, &documents.get(&rules, "{ a  }").unwrap()));
        for refused in ["{", "query($x: Nope = 1) { a }", "{ ...F } fragment F on Query { ...F }"] {
            let message = |outcome: Result<_, Vec<ServerError>>| outcome.unwrap_err()[0].message.clone();
            let [first, second] = [documents.get(&rules, refused), documents.get(&rules, refused)].map(message);
            assert_eq!(first, second, "{refused}");
        }
    }

    #[test]
    fn a_long_document_is_read_and_not_remembered() {
        let (documents, rules) = (Documents::default(), Rules::from_sdl("type Query { a: Int }").unwrap());
        let long = format!("{{ a {} }}", " ".repeat(LONGEST));
        let first = documents.get(&rules, &long).unwrap();
        assert!(!Arc::ptr_eq(&first, &documents.get(&rules, &long).unwrap()));
    }
}
