//! Selectors: the first line is one of labels, the second one of fields.

use crate::world::MINOR;
use k8s_types::selectors::{FieldLabels, FieldSelector, LabelSelector};
use serde_json::json;

/// Reads both and asks them.
pub fn run(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (labels, fields) = text.split_once('\n').unwrap_or((&text, ""));
    let object = json!({"metadata": {"name": "a", "namespace": "b", "labels": {"a": "1", "b": ""}}, "spec": {}});
    if let Ok(selector) = LabelSelector::parse(labels) {
        let _ = selector.matches_object(&object);
    }
    let known = FieldLabels::of("", "v1", "Pod", u32::from(MINOR));
    if let Ok(selector) = FieldSelector::parse(fields, &known) {
        let _ = selector.matches(&object);
        for term in selector.terms() {
            // A term that was read names a field that can be selected by.
            let again = FieldSelector::parse(&format!("{}=x", term.field), &known);
            assert!(again.is_ok(), "{}", term.field);
        }
    }
}
