//! Node selectors and affinities.

use super::check;
use crate::meta::validate_label_selector;
use crate::value::Look;
use k8s_types::{Errors, FieldError, Path};
use serde_json::Value;

/// What is wrong with a pod's affinities; `path` leads to them.
pub(crate) fn validate(errors: &mut Errors, it: &Value, path: &Path) {
    let node = it.at("nodeAffinity");
    let node_path = path.child("nodeAffinity");
    if node.has(REQUIRED) {
        errors.extend(validate_node_selector(node.at(REQUIRED), &node_path.child(REQUIRED)));
    }
    for (at, term) in node.items(PREFERRED).iter().enumerate() {
        let path = node_path.child(PREFERRED).index(at);
        validate_weight(errors, term, &path);
        validate_term(errors, term.at("preference"), false, &path.child("preference"));
    }
    for name in ["podAffinity", "podAntiAffinity"] {
        let (pods, path) = (it.at(name), path.child(name));
        for (at, term) in pods.items(REQUIRED).iter().enumerate() {
            validate_pod_term(errors, term, &path.child(REQUIRED).index(at));
        }
        for (at, term) in pods.items(PREFERRED).iter().enumerate() {
            let path = path.child(PREFERRED).index(at);
            validate_weight(errors, term, &path);
            validate_pod_term(errors, term.at("podAffinityTerm"), &path.child("podAffinityTerm"));
        }
    }
}

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

fn validate_weight(errors: &mut Errors, term: &Value, path: &Path) {
    let weight = term.int("weight");
    if !(1..=100).contains(&weight) {
        errors.push(FieldError::invalid(&path.child("weight"), weight, "must be in the range 1-100"));
    }
}

/// What is wrong with a node selector (`nodeSelectorTerms`).
pub fn validate_node_selector(selector: &Value, path: &Path) -> Errors {
    let mut errors = Errors::new();
    let path = path.child("nodeSelectorTerms");
    let terms = selector.items("nodeSelectorTerms");
    if terms.is_empty() {
        errors.push(FieldError::required(&path, "must have at least one node selector term"));
    }
    for (at, term) in terms.iter().enumerate() {
        validate_term(&mut errors, term, true, &path.index(at));
    }
    errors
}

/// Values that no label could have are refused only where they decide.
fn validate_term(errors: &mut Errors, term: &Value, strict: bool, path: &Path) {
    for (at, it) in term.items("matchExpressions").iter().enumerate() {
        validate_expression(errors, it, strict, &path.child("matchExpressions").index(at));
    }
    for (at, it) in term.items("matchFields").iter().enumerate() {
        validate_field(errors, it, &path.child("matchFields").index(at));
    }
}

fn validate_expression(errors: &mut Errors, it: &Value, strict: bool, path: &Path) {
    let (operator, values) = (it.text("operator"), it.items("values"));
    let at = path.child("values");
    match operator {
        "In" | "NotIn" => {
            if values.is_empty() {
                let text = "must be specified when `operator` is 'In' or 'NotIn'";
                errors.push(FieldError::required(&at, text));
            }
        }
        "Exists" | "DoesNotExist" => {
            if !values.is_empty() {
                let text = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
                errors.push(FieldError::forbidden(&at, text));
            }
        }
        "Gt" | "Lt" => {
            if values.len() != 1 {
                let text = "must be specified single value when `operator` is 'Lt' or 'Gt'";
                errors.push(FieldError::required(&at, text));
            }
        }
        _ => errors.push(FieldError::invalid(&path.child("operator"), operator, "not a valid selector operator")),
    }
    check::qualified(errors, it.text("key"), &path.child("key"));
    if strict {
        for (index, value) in it.texts("values").enumerate() {
            check::rule(errors, value, &at.index(index), k8s_types::names::label_value);
        }
    }
}

fn validate_field(errors: &mut Errors, it: &Value, path: &Path) {
    let (key, operator) = (it.text("key"), it.text("operator"));
    if !matches!(operator, "In" | "NotIn") {
        errors.push(FieldError::invalid(&path.child("operator"), operator, "not a valid selector operator"));
    } else if it.items("values").len() != 1 {
        let text = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector";
        errors.push(FieldError::required(&path.child("values"), text));
    }
    if key == "metadata.name" {
        for (at, name) in it.texts("values").enumerate() {
            check::subdomain(errors, name, &path.child("values").index(at));
        }
    } else {
        errors.push(FieldError::invalid(&path.child("key"), key, "not a valid field selector key"));
    }
}

fn validate_pod_term(errors: &mut Errors, term: &Value, path: &Path) {
    errors.extend(validate_label_selector(term.at("labelSelector"), &path.child("labelSelector")));
    errors.extend(validate_label_selector(term.at("namespaceSelector"), &path.child("namespaceSelector")));
    for name in term.texts("namespaces") {
        check::label(errors, name, &path.child("namespace"));
    }
    validate_match_keys(errors, term, path);
    if term.text("topologyKey").is_empty() {
        errors.push(FieldError::required(&path.child("topologyKey"), "can not be empty"));
    }
    check::qualified(errors, term.text("topologyKey"), &path.child("topologyKey"));
}

/// Keys whose values the pod's own labels give.
fn validate_match_keys(errors: &mut Errors, term: &Value, path: &Path) {
    let selector = term.at("labelSelector");
    for name in ["matchLabelKeys", "mismatchLabelKeys"] {
        let path = path.child(name);
        if term.items(name).is_empty() {
            continue;
        }
        if selector.is_null() {
            errors.push(FieldError::forbidden(&path, "must not be specified when labelSelector is not set"));
            continue;
        }
        for (at, key) in term.texts(name).enumerate() {
            check::qualified(errors, key, &path.index(at));
        }
    }
    for (at, key) in term.texts("matchLabelKeys").enumerate() {
        // The selector has one expression that was made from the key; a second one is the client's.
        let labels = usize::from(selector.at("matchLabels").has(key));
        let expressions = selector.items("matchExpressions").iter().filter(|it| it.text("key") == key).count();
        if expressions > 0 && labels + expressions > 1 {
            errors.push(FieldError::invalid(&path.index(at), key, "exists in both matchLabelKeys and labelSelector"));
        }
    }
    for (at, key) in term.texts("matchLabelKeys").enumerate() {
        if term.texts("mismatchLabelKeys").any(|it| it == key) {
            let text = "exists in both matchLabelKeys and mismatchLabelKeys";
            errors.push(FieldError::invalid(&path.child("matchLabelKeys").index(at), key, text));
        }
    }
}

/// What is wrong with the terms that tell where a class' volumes may be (`matchLabelExpressions`).
pub fn validate_topology_selector_terms(terms: &[Value], path: &Path) -> Errors {
    let mut errors = Errors::new();
    for (at, term) in terms.iter().enumerate() {
        let path = path.index(at).child("matchLabelExpressions");
        let expressions = term.items("matchLabelExpressions");
        for (at, it) in expressions.iter().enumerate() {
            let path = path.index(at);
            let values = it.items("values");
            if values.is_empty() {
                errors.push(FieldError::required(&path.child("values"), ""));
            }
            for (index, value) in values.iter().enumerate() {
                if values.iter().take(index).any(|other| other == value) {
                    errors.push(FieldError::duplicate(&path.child("values").index(index), value.clone()));
                }
            }
            check::qualified(&mut errors, it.text("key"), &path.child("key"));
            if expressions.iter().take(at).any(|other| other.text("key") == it.text("key")) {
                errors.push(FieldError::duplicate(&path.child("key"), it.text("key")));
            }
        }
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn node_fields_are_names() {
        let it = json!({"nodeSelectorTerms": [{"matchFields": [{"key": "spec.x", "operator": "Exists"}]}]});
        assert_eq!(validate_node_selector(&it, &Path::new("p")).len(), 2);
        let it = json!({"nodeSelectorTerms": [{"matchFields": [
            {"key": "metadata.name", "operator": "In", "values": ["a"]}]}]});
        assert!(validate_node_selector(&it, &Path::new("p")).is_empty());
    }

    #[test]
    fn keys_from_the_pod_need_a_selector() {
        let mut errors = Errors::new();
        let term = json!({"topologyKey": "a", "matchLabelKeys": ["x"], "mismatchLabelKeys": ["x"]});
        validate_pod_term(&mut errors, &term, &Path::new("p"));
        assert_eq!(errors.len(), 3);
    }

    #[test]
    fn topology_values_are_unique() {
        let it = [json!({"matchLabelExpressions": [{"key": "a", "values": ["b", "b"]}, {"key": "a", "values": []}]})];
        assert_eq!(validate_topology_selector_terms(&it, &Path::new("p")).len(), 3);
    }
}
