//! Whether a quota is about an object at all.

use super::usage::{Traits, Usage};
use k8s_kinds::value::Look;
use serde_json::Value;

/// Whether an object is within all scopes of a quota.
pub(super) fn matches(quota: &Value, usage: &Usage) -> bool {
    let spec = quota.at("spec");
    let selected = spec.at("scopeSelector").items("matchExpressions");
    spec.texts("scopes").all(|scope| is_within(&usage.traits, scope, "Exists", &Value::Null))
        && selected.iter().all(|it| is_within(&usage.traits, it.text("scopeName"), it.text("operator"), it))
}

fn is_within(traits: &Traits, scope: &str, operator: &str, requirement: &Value) -> bool {
    match traits {
        Traits::Pod { terminating, best_effort, priority_class, cross_namespace } => match scope {
            "Terminating" => *terminating,
            "NotTerminating" => !terminating,
            "BestEffort" => *best_effort,
            "NotBestEffort" => !best_effort,
            "CrossNamespacePodAffinity" => *cross_namespace,
            "PriorityClass" => {
                let class = Some(priority_class.as_str()).filter(|it| !it.is_empty());
                is_chosen(class, operator, requirement)
            }
            _ => false,
        },
        Traits::Claim(classes) if scope == "VolumeAttributesClass" => match operator {
            "Exists" | "In" => classes.iter().any(|it| is_chosen(Some(it), operator, requirement)),
            _ => classes.iter().all(|it| is_chosen(Some(it), operator, requirement)),
        },
        _ => false,
    }
}

fn is_chosen(value: Option<&str>, operator: &str, requirement: &Value) -> bool {
    let listed = value.is_some_and(|value| requirement.texts("values").any(|it| it == value));
    match operator {
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "In" => listed,
        "NotIn" => !listed,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(class: &str) -> Usage {
        Usage::of("", "pods", &json!({"spec": {"priorityClassName": class}, "status": {"qosClass": "Burstable"}}))
    }

    #[test]
    fn all_scopes_must_match() {
        let quota = |spec: Value| json!({"spec": spec});
        assert!(matches(&quota(json!({})), &pod("")));
        assert!(matches(&quota(json!({"scopes": ["NotTerminating", "NotBestEffort"]})), &pod("")));
        assert!(!matches(&quota(json!({"scopes": ["NotTerminating", "BestEffort"]})), &pod("")));
        assert!(!matches(&quota(json!({"scopes": ["NotTerminating"]})), &Usage::of("", "services", &json!({}))));
    }

    #[test]
    fn classes_are_chosen() {
        for (operator, values, class, want) in [
            ("In", json!(["a"]), "a", true),
            ("In", json!(["a"]), "", false),
            ("NotIn", json!(["a"]), "a", false),
            ("NotIn", json!(["a"]), "", true),
            ("Exists", json!([]), "a", true),
            ("DoesNotExist", json!([]), "a", false),
        ] {
            let rule = json!({"scopeName": "PriorityClass", "operator": operator, "values": values});
            let quota = json!({"spec": {"scopeSelector": {"matchExpressions": [rule]}}});
            assert_eq!(matches(&quota, &pod(class)), want, "{operator} {class}");
        }
    }
}
