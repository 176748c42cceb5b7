//! Decoding as the clients of the stock CLI do: what was not asked for is an error, and so is what is missing.

use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};
use async_graphql::parser::{parse_query, types::OperationDefinition};
use serde_json::Value;

/// Checks that an answer has the selected keys and no others, all the way down.
pub(crate) fn assert_selected(document: &str, data: &Value) {
    let document = parse_query(document).expect("a document");
    let operations: Vec<&OperationDefinition> = document.operations.iter().map(|(_, operation)| &operation.node).collect();
    let [operation] = operations.as_slice() else { panic!("one operation") };
    check(&document, &operation.selection_set.node, data, "data");
}

fn check(document: &ExecutableDocument, set: &SelectionSet, value: &Value, path: &str) {
    match value {
        Value::Null => {}
        Value::Array(items) => items.iter().for_each(|item| check(document, set, item, path)),
        Value::Object(object) => {
            let mut selected = Vec::new();
            fields(document, set, value, &mut selected);
            let mut keys: Vec<&str> = object.keys().map(String::as_str).collect();
            let mut wanted: Vec<&str> = selected.iter().map(|(key, _)| key.as_str()).collect();
            keys.sort_unstable();
            wanted.sort_unstable();
            wanted.dedup();
            assert_eq!(keys, wanted, "at {path}");
            for (key, set) in selected.iter().filter(|(_, set)| !set.items.is_empty()) {
                check(document, set, &object[key], &format!("{path}.{key}"));
            }
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) => panic!("{path} is no object"),
    }
}

/// The selected keys of an object and what is selected below each.
fn fields<'a>(document: &'a ExecutableDocument, set: &'a SelectionSet, value: &Value, into: &mut Vec<(String, &'a SelectionSet)>) {
    // Only members of unions say what they are, and only there does a condition leave something out.
    let is_meant = |on: &str| value.get("__typename").is_none_or(|name| name == on);
    for item in &set.items {
        match &item.node {
            Selection::Field(field) => into.push((field.node.response_key().node.to_string(), &field.node.selection_set.node)),
            Selection::InlineFragment(fragment) => {
                if fragment.node.type_condition.as_ref().is_none_or(|on| is_meant(&on.node.on.node)) {
                    fields(document, &fragment.node.selection_set.node, value, into);
                }
            }
            Selection::FragmentSpread(spread) => {
                let fragment = document.fragments.get(&spread.node.fragment_name.node).expect("a fragment");
                if is_meant(&fragment.node.type_condition.node.on.node) {
                    fields(document, &fragment.node.selection_set.node, value, into);
                }
            }
        }
    }
}
