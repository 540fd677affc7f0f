//! Which requests a webhook or a policy is asked about.

use crate::checks::{label_selector, one_of, one_of_if_given};
use crate::value::{Look, items_mut, set_default};
use k8s_types::{Errors, FieldError, Path, names};
use serde_json::{Value, json};

const OPERATIONS: &[&str] = &["*", "CONNECT", "CREATE", "DELETE", "UPDATE"];
const SCOPES: &[&str] = &["*", "Cluster", "Namespaced"];
const MATCH_POLICIES: &[&str] = &["Equivalent", "Exact"];
const MOST_CONDITIONS: usize = 64;

/// Fills in what selects requests: in a webhook, or in a policy's constraints.
pub(super) fn default_match(it: &mut Value, rules: &[&str]) {
    set_default(it, "matchPolicy", "Equivalent");
    set_default(it, "namespaceSelector", json!({}));
    set_default(it, "objectSelector", json!({}));
    for field in rules {
        for rule in items_mut(it, field) {
            set_default(rule, "scope", "*");
        }
    }
}

/// The match policy and the selectors.
pub(super) fn validate_match(errors: &mut Errors, it: &Value, path: &Path) {
    one_of_if_given(errors, it, path, "matchPolicy", MATCH_POLICIES);
    for field in ["namespaceSelector", "objectSelector"] {
        label_selector(errors, it.at(field), &path.child(field));
    }
}

/// One rule: operations on resources.
pub(super) fn validate_rule(errors: &mut Errors, rule: &Value, path: &Path) {
    if rule.items("operations").is_empty() {
        errors.push(FieldError::required(&path.child("operations"), ""));
    }
    alone(errors, rule, path, "operations", "operations");
    for (index, operation) in rule.texts("operations").enumerate() {
        if !OPERATIONS.contains(&operation) {
            let path = path.child("operations").index(index);
            errors.push(FieldError::not_supported(&path, operation, OPERATIONS));
        }
    }
    for (field, others) in [("apiGroups", "API groups"), ("apiVersions", "API versions")] {
        if rule.items(field).is_empty() {
            errors.push(FieldError::required(&path.child(field), ""));
        }
        alone(errors, rule, path, field, others);
    }
    for (index, version) in rule.texts("apiVersions").enumerate() {
        if version.is_empty() {
            errors.push(FieldError::required(&path.child("apiVersions").index(index), ""));
        }
    }
    validate_resources(errors, rule, &path.child("resources"));
    if rule.has("scope") {
        one_of(errors, rule, path, "scope", SCOPES);
    }
}

/// A `*` leaves no room for others.
fn alone(errors: &mut Errors, rule: &Value, path: &Path, field: &str, others: &str) {
    if rule.items(field).len() > 1 && rule.texts(field).any(|it| it == "*") {
        let why = format!("if '*' is present, must not specify other {others}");
        errors.push(FieldError::invalid(&path.child(field), rule.at(field).clone(), &why));
    }
}

fn validate_resources(errors: &mut Errors, rule: &Value, path: &Path) {
    let resources: Vec<&str> = rule.texts("resources").collect();
    if resources.is_empty() {
        errors.push(FieldError::required(path, ""));
    }
    let has = |it: &str| resources.contains(&it);
    for (index, resource) in resources.iter().enumerate() {
        let path = path.index(index);
        if resource.is_empty() {
            errors.push(FieldError::required(&path, ""));
        }
        let Some((parent, sub)) = resource.split_once('/').filter(|(parent, sub)| *parent != "*" && *sub != "*") else {
            continue;
        };
        for wider in [format!("{parent}/*"), format!("*/{sub}")].iter().filter(|wider| has(wider)) {
            let why = format!("if '{wider}' is present, must not specify {resource}");
            errors.push(FieldError::invalid(&path, *resource, &why));
        }
    }
    let value = || rule.at("resources").clone();
    if resources.len() > 1 && has("*/*") {
        let why = "if '*/*' is present, must not specify other resources";
        errors.push(FieldError::invalid(path, value(), why));
    }
    if has("*") && resources.iter().any(|it| *it != "*" && !it.contains('/')) {
        let why = "if '*' is present, must not specify other resources without subresources";
        errors.push(FieldError::invalid(path, value(), why));
    }
}

/// Conditions in CEL: what can be told without reading the language.
pub(super) fn validate_conditions(errors: &mut Errors, it: &Value, path: &Path) {
    let (conditions, path) = (it.items("matchConditions"), path.child("matchConditions"));
    if conditions.len() > MOST_CONDITIONS {
        errors.push(FieldError::too_many(&path, conditions.len(), MOST_CONDITIONS));
    }
    for (index, condition) in conditions.iter().enumerate() {
        let (name, path) = (condition.text("name"), path.index(index));
        if condition.text("expression").trim().is_empty() {
            errors.push(FieldError::required(&path.child("expression"), ""));
        }
        if name.is_empty() {
            errors.push(FieldError::required(&path.child("name"), ""));
        } else {
            errors.extend(names::invalid_each(&path.child("name"), name, names::qualified_name(name)));
            if conditions.iter().take(index).any(|other| other.text("name") == name) {
                errors.push(FieldError::duplicate(&path.child("name"), name));
            }
        }
    }
}
