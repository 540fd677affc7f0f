//! Tolerations, taints, spreading, and what keeps a pod from being scheduled.

use super::check::{self, NOT_POSITIVE};
use crate::meta::validate_label_selector;
use crate::value::Look;
use k8s_types::names;
use k8s_types::{Errors, FieldError, Path};
use serde_json::Value;

/// What a taint does.
const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

/// What is wrong with a pod's tolerations.
pub fn validate_tolerations(tolerations: &[Value], path: &Path) -> Errors {
    let mut errors = Errors::new();
    for (at, it) in tolerations.iter().enumerate() {
        validate_toleration(&mut errors, it, &path.index(at));
    }
    errors
}

fn validate_toleration(errors: &mut Errors, it: &Value, path: &Path) {
    let (key, operator, value, effect) = (it.text("key"), it.text("operator"), it.text("value"), it.text("effect"));
    let at = path.child("operator");
    if !key.is_empty() {
        check::qualified(errors, key, &path.child("key"));
    } else if operator != "Exists" {
        let text = "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
        errors.push(FieldError::invalid(&at, operator, text));
    }
    if it.has("tolerationSeconds") && effect != "NoExecute" {
        let text = "effect must be 'NoExecute' when `tolerationSeconds` is set";
        errors.push(FieldError::invalid(&path.child("effect"), effect, text));
    }
    match operator {
        "Equal" | "" => {
            let texts = names::label_value(value);
            if !texts.is_empty() {
                errors.push(FieldError::invalid(&at, value, &texts.join(";")));
            }
        }
        "Exists" => {
            if !value.is_empty() {
                errors.push(FieldError::invalid(&at, value, "value must be empty when `operator` is 'Exists'"));
            }
        }
        _ => check::one_of(errors, operator, &["Equal", "Exists"], &at),
    }
    if !effect.is_empty() {
        check::one_of(errors, effect, &EFFECTS, &path.child("effect"));
    }
}

/// What is wrong with a node's taints.
pub(crate) fn validate_taints(errors: &mut Errors, taints: &[Value], path: &Path) {
    for (at, it) in taints.iter().enumerate() {
        let path = path.index(at);
        check::qualified(errors, it.text("key"), &path.child("key"));
        let texts = names::label_value(it.text("value"));
        if !texts.is_empty() {
            errors.push(FieldError::invalid(&path.child("value"), it.text("value"), &texts.join(";")));
        }
        check::needed_one_of(errors, it.text("effect"), &EFFECTS, &path.child("effect"));
        let same = |other: &Value| other.text("key") == it.text("key") && other.text("effect") == it.text("effect");
        if taints.iter().take(at).any(same) {
            let mut error = FieldError::duplicate(&path, it.clone());
            error.message.push_str(": taints must be unique by key and effect pair");
            errors.push(error);
        }
    }
}

/// What is wrong with the ways in which a pod is to be spread.
pub(crate) fn validate_spread(errors: &mut Errors, constraints: &[Value], path: &Path) {
    for (at, it) in constraints.iter().enumerate() {
        let path = path.index(at);
        let action = it.text("whenUnsatisfiable");
        if it.int("maxSkew") <= 0 {
            errors.push(FieldError::invalid(&path.child("maxSkew"), it.int("maxSkew"), NOT_POSITIVE));
        }
        if it.text("topologyKey").is_empty() {
            errors.push(FieldError::required(&path.child("topologyKey"), "can not be empty"));
        }
        check::one_of(errors, action, &["DoNotSchedule", "ScheduleAnyway"], &path.child("whenUnsatisfiable"));
        let same = |other: &Value| {
            other.text("topologyKey") == it.text("topologyKey") && other.text("whenUnsatisfiable") == action
        };
        if constraints.iter().skip(at + 1).any(same) {
            let shown = format!("{{{}, {action}}}", it.text("topologyKey"));
            errors.push(FieldError::duplicate(&path.child("{topologyKey, whenUnsatisfiable}"), shown));
        }
        if let Some(least) = it.opt_int("minDomains") {
            let path = path.child("minDomains");
            if least <= 0 {
                errors.push(FieldError::invalid(&path, least, NOT_POSITIVE));
            }
            if action != "DoNotSchedule" {
                let text = format!("can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}");
                errors.push(FieldError::invalid(&path, least, &text));
            }
        }
        for name in ["nodeAffinityPolicy", "nodeTaintsPolicy"].into_iter().filter(|it2| it.has(it2)) {
            check::one_of(errors, it.text(name), &["Honor", "Ignore"], &path.child(name));
        }
        validate_match_keys(errors, it, &path.child("matchLabelKeys"));
        errors.extend(validate_label_selector(it.at("labelSelector"), &path.child("labelSelector")));
    }
}

fn validate_match_keys(errors: &mut Errors, it: &Value, path: &Path) {
    let selector = it.at("labelSelector");
    if !it.items("matchLabelKeys").is_empty() && selector.is_null() {
        errors.push(FieldError::forbidden(path, "must not be specified when labelSelector is not set"));
    }
    for (at, key) in it.texts("matchLabelKeys").enumerate() {
        let path = path.index(at);
        check::qualified(errors, key, &path);
        let expressed = selector.items("matchExpressions").iter().any(|it| it.text("key") == key);
        if expressed || selector.at("matchLabels").has(key) {
            errors.push(FieldError::invalid(&path, key, "exists in both matchLabelKeys and labelSelector"));
        }
    }
}

/// What is wrong with the gates that keep a pod from being scheduled.
pub(crate) fn validate_gates(errors: &mut Errors, gates: &[Value], path: &Path) {
    for (at, gate) in gates.iter().enumerate() {
        let name = gate.text("name");
        check::qualified(errors, name, &path.index(at));
        if gates.iter().take(at).any(|it| it.text("name") == name) {
            errors.push(FieldError::duplicate(&path.index(at), name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tolerations() {
        let it = [json!({"operator": "Equal"}), json!({"key": "a", "operator": "Exists", "value": "v", "effect": "X"})];
        let texts: Vec<String> = validate_tolerations(&it, &Path::new("t")).iter().map(ToString::to_string).collect();
        assert_eq!(texts.len(), 3);
        assert!(texts[1].starts_with("t[1].operator: Invalid value: \"v\": value must be empty"));
    }

    #[test]
    fn gates_are_unique() {
        let mut errors = Errors::new();
        validate_gates(&mut errors, &[json!({"name": "a.b/c"}), json!({"name": "a.b/c"})], &Path::new("g"));
        assert_eq!(errors[0].to_string(), "g[1]: Duplicate value: \"a.b/c\"");
    }

    #[test]
    fn least_domains_go_with_one_action() {
        let mut errors = Errors::new();
        let it = json!({"maxSkew": 1, "topologyKey": "a", "whenUnsatisfiable": "ScheduleAnyway", "minDomains": 0});
        validate_spread(&mut errors, &[it], &Path::new("s"));
        assert_eq!(errors.len(), 2);
    }
}
