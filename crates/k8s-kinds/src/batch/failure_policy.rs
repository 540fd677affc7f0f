//! A job's `podFailurePolicy`: what becomes of the job when a pod of it fails.

use crate::checks::invalid_without_value;
use crate::value::Look;
use k8s_types::{Errors, FieldError, Path, names};
use serde_json::Value;

const MOST_RULES: usize = 20;
const MOST_CONDITIONS: usize = 20;
const MOST_EXIT_CODES: usize = 255;
const ACTIONS: &[&str] = &["Count", "FailIndex", "FailJob", "Ignore"];
const OPERATORS: &[&str] = &["In", "NotIn"];
const STATUSES: &[&str] = &["False", "True", "Unknown"];

/// What is wrong with the policy in `spec`.
pub(super) fn validate(errors: &mut Errors, spec: &Value, path: &Path) {
    let rules = spec.at("podFailurePolicy").items("rules");
    let rules_path = path.child("podFailurePolicy.rules");
    if rules.len() > MOST_RULES {
        errors.push(FieldError::too_many(&rules_path, rules.len(), MOST_RULES));
    }
    for (index, rule) in rules.iter().enumerate() {
        validate_rule(errors, spec, rule, &rules_path.index(index));
    }
}

fn validate_rule(errors: &mut Errors, spec: &Value, rule: &Value, path: &Path) {
    choice(errors, rule, path, "action", ACTIONS);
    if rule.text("action") == "FailIndex" && !spec.has("backoffLimitPerIndex") {
        let why = "requires the backoffLimitPerIndex to be set";
        errors.push(FieldError::invalid(&path.child("action"), "FailIndex", why));
    }
    let conditions = rule.items("onPodConditions");
    match (rule.has("onExitCodes"), conditions.is_empty()) {
        (true, false) => {
            let why = "specifying both OnExitCodes and OnPodConditions is not supported";
            errors.push(invalid_without_value(path, why));
        }
        (false, true) => {
            let why = "specifying one of OnExitCodes and OnPodConditions is required";
            errors.push(invalid_without_value(path, why));
        }
        _ => {}
    }
    if rule.has("onExitCodes") {
        validate_exit_codes(errors, spec, rule.at("onExitCodes"), &path.child("onExitCodes"));
    }
    let path = path.child("onPodConditions");
    if conditions.len() > MOST_CONDITIONS {
        errors.push(FieldError::too_many(&path, conditions.len(), MOST_CONDITIONS));
    }
    for (index, condition) in conditions.iter().enumerate() {
        let path = path.index(index);
        let kind = condition.text("type");
        errors.extend(names::invalid_each(&path.child("type"), kind, names::qualified_name(kind)));
        choice(errors, condition, &path, "status", STATUSES);
    }
}

fn validate_exit_codes(errors: &mut Errors, spec: &Value, codes: &Value, path: &Path) {
    choice(errors, codes, path, "operator", OPERATORS);
    if codes.has("containerName") {
        let name = codes.text("containerName");
        let pod = spec.look(&["template", "spec"]);
        let mut containers = pod.items("containers").iter().chain(pod.items("initContainers"));
        if !containers.any(|container| container.text("name") == name) {
            let why = "must be one of the container or initContainer names in the pod template";
            errors.push(FieldError::invalid(&path.child("containerName"), name, why));
        }
    }
    let (values, path) = (codes.items("values"), path.child("values"));
    if values.is_empty() {
        errors.push(FieldError::invalid(&path, codes.at("values").clone(), "at least one value is required"));
    } else if values.len() > MOST_EXIT_CODES {
        errors.push(FieldError::too_many(&path, values.len(), MOST_EXIT_CODES));
    }
    let numbers: Vec<i64> = values.iter().map(|it| it.as_i64().unwrap_or_default()).collect();
    for (index, number) in numbers.iter().enumerate() {
        if *number == 0 && codes.text("operator") == "In" {
            errors.push(FieldError::invalid(&path.index(index), 0, "must not be 0 for the In operator"));
        }
        if numbers.iter().take(index).any(|other| other == number) {
            errors.push(FieldError::duplicate(&path.index(index), *number));
        }
    }
    if !numbers.is_sorted() {
        errors.push(FieldError::invalid(&path, codes.at("values").clone(), "must be ordered"));
    }
}

/// A text that must be there and be one of `supported`.
fn choice(errors: &mut Errors, it: &Value, path: &Path, field: &str, supported: &[&str]) {
    match it.text(field) {
        "" => {
            let quoted: Vec<String> = supported.iter().map(|it| format!("{it:?}")).collect();
            let why = format!("valid values: [{}]", quoted.join(" "));
            errors.push(FieldError::required(&path.child(field), &why));
        }
        other if !supported.contains(&other) => {
            errors.push(FieldError::not_supported(&path.child(field), other, supported));
        }
        _ => {}
    }
}
