//! ResourceQuota: what a namespace may use in total.

use super::resources::{self, quantity, validate_amount, validate_quota_name};
use crate::meta::IMMUTABLE;
use crate::value::{self, Look, copy_field, object_made, object_mut};
use crate::{Context, Kind};
use k8s_types::{Errors, FieldError, Path};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// The kind.
#[derive(Debug)]
pub struct ResourceQuota;

/// Scopes that exclude each other.
const CONFLICTS: [[&str; 2]; 2] = [["BestEffort", "NotBestEffort"], ["Terminating", "NotTerminating"]];
/// Scopes that take no values.
const PLAIN: [&str; 5] = ["BestEffort", "NotBestEffort", "Terminating", "NotTerminating", "CrossNamespacePodAffinity"];
const COMPUTE: [&str; 6] = ["cpu", "memory", "limits.cpu", "limits.memory", "requests.cpu", "requests.memory"];

fn is_scope(scope: &str, cx: &Context<'_>) -> bool {
    PLAIN.contains(&scope) || scope == "PriorityClass" || (scope == "VolumeAttributesClass" && cx.minor >= 34)
}

/// Whether a scope makes a difference to what is used of a resource.
fn scope_fits(scope: &str, resource: &str) -> bool {
    match scope {
        "BestEffort" => resource == "pods",
        "VolumeAttributesClass" => matches!(resource, "persistentvolumeclaims" | "requests.storage"),
        _ if PLAIN.contains(&scope) || scope == "PriorityClass" => resource == "pods" || COMPUTE.contains(&resource),
        _ => true,
    }
}

impl Kind for ResourceQuota {
    fn default(&self, object: &mut Value, _cx: &Context<'_>) {
        if let Some(spec) = object_made(object, "spec") {
            resources::default_list(object_mut(spec, "hard"));
        }
        object_made(object, "status");
    }

    fn prepare_for_create(&self, object: &mut Value, _cx: &Context<'_>) {
        value::set(object, "status", Map::new());
    }

    fn prepare_for_update(&self, object: &mut Value, old: &Value, _cx: &Context<'_>) {
        copy_field(object, old, "status");
    }

    fn validate(&self, object: &Value, cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        let (spec, path) = (object.at("spec"), Path::new("spec"));
        validate_list(&mut errors, spec.at("hard"), &path.child("hard"));
        validate_scopes(&mut errors, spec, &path.child("scopes"), cx);
        validate_selector(&mut errors, spec, &path.child("scopeSelector.matchExpressions"), cx);
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value, cx: &Context<'_>) -> Errors {
        let mut errors = self.validate(object, cx);
        let scopes = |it: &Value| -> BTreeSet<String> { it.at("spec").texts("scopes").map(str::to_owned).collect() };
        if scopes(object) != scopes(old) {
            let scopes = object.at("spec").at("scopes").clone();
            errors.push(FieldError::invalid(&Path::new("spec.scopes"), scopes, IMMUTABLE));
        }
        errors
    }

    fn validate_status_update(&self, object: &Value, _old: &Value, _cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        for list in ["hard", "used"] {
            validate_list(&mut errors, object.at("status").at(list), &Path::new("status").child(list));
        }
        errors
    }
}

fn validate_list(errors: &mut Errors, list: &Value, path: &Path) {
    for (name, amount) in list.as_object().into_iter().flatten() {
        let path = path.key(name);
        validate_quota_name(errors, name, &path);
        validate_amount(errors, name, &quantity(amount), &path);
    }
}

fn misfits(spec: &Value, scope: &str) -> usize {
    spec.entries("hard").filter(|(name, _)| resources::is_quota_name(name) && !scope_fits(scope, name)).count()
}

fn validate_scopes(errors: &mut Errors, spec: &Value, path: &Path, cx: &Context<'_>) {
    let mut push = |text: &str| errors.push(FieldError::invalid(path, spec.at("scopes").clone(), text));
    for scope in spec.texts("scopes") {
        if !is_scope(scope, cx) {
            push("unsupported scope");
        }
        for _ in 0..misfits(spec, scope) {
            push("unsupported scope applied to resource");
        }
    }
    for pair in CONFLICTS {
        if pair.iter().all(|scope| spec.texts("scopes").any(|it| it == *scope)) {
            push("conflicting scopes");
        }
    }
}

fn validate_selector(errors: &mut Errors, spec: &Value, path: &Path, cx: &Context<'_>) {
    let selector = spec.at("scopeSelector");
    let expressions = selector.items("matchExpressions");
    for it in expressions {
        let (scope, operator, values) = (it.text("scopeName"), it.text("operator"), it.items("values"));
        if !is_scope(scope, cx) {
            errors.push(FieldError::invalid(&path.child("scopeName"), scope, "unsupported scope"));
        }
        for _ in 0..misfits(spec, scope) {
            errors.push(FieldError::invalid(path, selector.clone(), "unsupported scope applied to resource"));
        }
        if PLAIN.contains(&scope) && operator != "Exists" {
            let text = "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, \
                        ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or \
                        ResourceQuotaScopeCrossNamespacePodAffinity";
            errors.push(FieldError::invalid(&path.child("operator"), operator, text));
        }
        let at = path.child("values");
        match operator {
            "In" | "NotIn" => {
                if values.is_empty() {
                    let text = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector";
                    errors.push(FieldError::required(&at, text));
                }
            }
            "Exists" | "DoesNotExist" => {
                if !values.is_empty() {
                    let text = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector";
                    errors.push(FieldError::invalid(&at, values.to_vec(), text));
                }
            }
            _ => {
                let text = "not a valid selector operator";
                errors.push(FieldError::invalid(&path.child("operator"), operator, text));
            }
        }
    }
    for pair in CONFLICTS {
        if pair.iter().all(|scope| expressions.iter().any(|it| it.text("scopeName") == *scope)) {
            let scopes = spec.at("scopes").clone();
            errors.push(FieldError::invalid(path, scopes, "conflicting scopes"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn scopes_stay() {
        let cx = Context { minor: 34, version: "v1", now: "" };
        let with = |scopes: &[&str]| json!({"spec": {"hard": {"pods": "1"}, "scopes": scopes}});
        let (a, b) = (with(&["BestEffort", "Terminating"]), with(&["Terminating", "BestEffort"]));
        assert!(ResourceQuota.validate_update(&a, &b, &cx).is_empty());
        assert_eq!(ResourceQuota.validate_update(&with(&[]), &a, &cx).len(), 1);
    }
}
