//! Label selectors as they stand in objects (`matchLabels`, `matchExpressions`).

use crate::value::Look;
use k8s_types::names::{self, invalid_each, validate_labels};
use k8s_types::{Errors, FieldError, Path};
use serde_json::Value;

/// What is wrong with a selector; nothing where there is none.
pub fn validate_label_selector(selector: &Value, path: &Path) -> Errors {
    let mut errors = Errors::new();
    if let Some(labels) = selector.map("matchLabels") {
        errors.extend(validate_labels(labels, &path.child("matchLabels")));
    }
    for (at, requirement) in selector.items("matchExpressions").iter().enumerate() {
        errors.extend(validate_requirement(requirement, &path.child("matchExpressions").index(at)));
    }
    errors
}

fn validate_requirement(requirement: &Value, path: &Path) -> Errors {
    let mut errors = Errors::new();
    let operator = requirement.text("operator");
    let values = requirement.items("values");
    match operator {
        "In" | "NotIn" if values.is_empty() => {
            let text = "must be specified when `operator` is 'In' or 'NotIn'";
            errors.push(FieldError::required(&path.child("values"), text));
        }
        "In" | "NotIn" => {}
        "Exists" | "DoesNotExist" if !values.is_empty() => {
            let text = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
            errors.push(FieldError::forbidden(&path.child("values"), text));
        }
        "Exists" | "DoesNotExist" => {}
        _ => errors.push(FieldError::invalid(&path.child("operator"), operator, "not a valid selector operator")),
    }
    let key = requirement.text("key");
    errors.extend(invalid_each(&path.child("key"), key, names::qualified_name(key)));
    for (at, value) in requirement.texts("values").enumerate() {
        errors.extend(invalid_each(&path.child("values").index(at), value, names::label_value(value)));
    }
    errors
}

/// Whether a selector asks for nothing, so that it selects everything.
pub fn selector_is_empty(selector: &Value) -> bool {
    selector.map("matchLabels").is_none_or(serde_json::Map::is_empty) && selector.items("matchExpressions").is_empty()
}

/// Whether a selector selects a set of labels. No selector at all selects nothing.
pub fn selector_matches(selector: &Value, labels: &Value) -> bool {
    if selector.is_null() {
        return false;
    }
    let value = |key: &str| labels.get(key).and_then(Value::as_str);
    let labels_fit = selector.entries("matchLabels").all(|(key, want)| value(key) == want.as_str());
    labels_fit
        && selector.items("matchExpressions").iter().all(|it| {
            let found = value(it.text("key"));
            let among = |found: &str| it.texts("values").any(|want| want == found);
            match it.text("operator") {
                "In" => found.is_some_and(among),
                "NotIn" => !found.is_some_and(among),
                "Exists" => found.is_some(),
                "DoesNotExist" => found.is_none(),
                _ => false,
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn operators_want_values_or_none() {
        let it = json!({"matchExpressions": [
            {"key": "a", "operator": "In"}, {"key": "a", "operator": "Exists", "values": ["b"]}, {"key": "", "operator": "Is"},
        ]});
        let errors = validate_label_selector(&it, &Path::new("s"));
        assert_eq!(errors.len(), 5);
        assert!(errors[2].to_string().contains("operator: Invalid value: \"Is\": not a valid selector operator"));
    }

    #[test]
    fn matching() {
        let labels = json!({"a": "b"});
        assert!(selector_matches(&json!({}), &labels) && !selector_matches(&Value::Null, &labels));
        assert!(selector_matches(&json!({"matchLabels": {"a": "b"}}), &labels));
        assert!(selector_matches(
            &json!({"matchExpressions": [{"key": "x", "operator": "NotIn", "values": ["b"]}]}),
            &labels
        ));
        assert!(!selector_matches(&json!({"matchExpressions": [{"key": "x", "operator": "Exists"}]}), &labels));
    }
}
