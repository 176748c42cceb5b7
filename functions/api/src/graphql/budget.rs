//! How much a query document may ask for, counted before anything walks it.
//!
//! Fragments that spread fragments let a short document stand for an astronomically long one, and validation visits it
//! expanded. So the expanded size is computed first, each fragment once.

use std::collections::HashMap;

use async_graphql::Name;
use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};

/// Most selections of a document after expansion. The CLI's largest document has 40, an introspection query some 200.
pub(crate) const MAX_SELECTIONS: usize = 2_000;

/// Whether a document stays within [`MAX_SELECTIONS`]. One whose fragments spread themselves does not.
pub(crate) fn fits(document: &ExecutableDocument) -> bool {
    let mut sizes = HashMap::new();
    let mut operations = document.operations.iter();
    let total = operations
        .try_fold(0_usize, |sum, (_, operation)| sum.checked_add(size(document, &operation.node.selection_set.node, &mut sizes)?));
    let mut fragments = document.fragments.values();
    let largest =
        fragments.try_fold(0, |largest: usize, fragment| Some(largest.max(size(document, &fragment.node.selection_set.node, &mut sizes)?)));
    matches!((total, largest), (Some(total), Some(largest)) if total <= MAX_SELECTIONS && largest <= MAX_SELECTIONS)
}

/// The expanded number of selections; none where it has no bound.
fn size<'a>(document: &'a ExecutableDocument, set: &'a SelectionSet, known: &mut HashMap<&'a Name, Option<usize>>) -> Option<usize> {
    let mut sum = 0_usize;
    for item in &set.items {
        let inner = match &item.node {
            Selection::Field(field) => size(document, &field.node.selection_set.node, known)?,
            Selection::InlineFragment(fragment) => size(document, &fragment.node.selection_set.node, known)?,
            Selection::FragmentSpread(spread) => match document.fragments.get_key_value(&spread.node.fragment_name.node) {
                // An unknown fragment is for validation to complain about.
                None => 0,
                Some((name, fragment)) => match known.get(name) {
                    Some(size) => (*size)?,
                    None => {
                        // Met again before it is known: it spreads itself.
                        known.insert(name, None);
                        let size = size(document, &fragment.node.selection_set.node, known)?;
                        known.insert(name, Some(size));
                        size
                    }
                },
            },
        };
        sum = sum.checked_add(inner)?.checked_add(1)?;
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    fn is_fitting(query: &str) -> bool {
        fits(&parse_query(query).expect("parses"))
    }

    #[test]
    fn ordinary_documents_fit() {
        assert!(is_fitting("{user{id,orgs{id,name}}}"));
        assert!(is_fitting("query A { user { ...U } } fragment U on User { id ...V } fragment V on User { id }"));
        assert!(is_fitting("{ user { ...Unknown } }"));
    }

    #[test]
    fn a_short_document_that_expands_without_end_does_not() {
        let mut bomb = "{ user { ...F0 } }".to_owned();
        for level in 0..60 {
            bomb.push_str(&format!(" fragment F{level} on User {{ ...F{0} ...F{0} }}", level + 1));
        }
        bomb.push_str(" fragment F60 on User { id }");
        assert!(!is_fitting(&bomb));
        assert!(!is_fitting("{ user { ...A } } fragment A on User { ...B ...B } fragment B on User { ...A ...A }"));
        assert!(!is_fitting("{ user { id } } fragment A on User { ...A }"));
    }

    #[test]
    fn a_wide_document_does_not_fit() {
        assert!(!is_fitting(&format!("{{ user {{ {} }} }}", "id ".repeat(MAX_SELECTIONS))));
    }
}
