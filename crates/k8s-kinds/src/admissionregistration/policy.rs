//! ValidatingAdmissionPolicy and MutatingAdmissionPolicy: expressions that are asked about writes.
//!
//! The expressions are not read here; what is checked needs no CEL.

use super::rules;
use crate::checks::{one_of, one_of_if_given, required};
use crate::kind::{Context, Kind};
use crate::value::{Look, copy_field, object_made, object_mut, set, set_default};
use k8s_types::{Errors, FieldError, Path, names};
use serde_json::{Value, json};

const REASONS: &[&str] = &["Forbidden", "Invalid", "RequestEntityTooLarge", "Unauthorized"];
const MOST_ANNOTATIONS: usize = 20;

/// See the module.
pub(crate) struct AdmissionPolicy {
    /// Whether it may change what it sees.
    pub(crate) mutating: bool,
}

impl Kind for AdmissionPolicy {
    fn default(&self, object: &mut Value, _cx: &Context<'_>) {
        if !self.mutating {
            set_default(object, "status", json!({}));
        }
        let Some(spec) = object_made(object, "spec") else { return };
        set_default(spec, "failurePolicy", "Fail");
        if self.mutating {
            set_default(spec, "reinvocationPolicy", "Never");
        }
        if let Some(constraints) = object_mut(spec, "matchConstraints") {
            rules::default_match(constraints, &["resourceRules", "excludeResourceRules"]);
        }
    }

    fn prepare_for_create(&self, object: &mut Value, _cx: &Context<'_>) {
        if !self.mutating {
            set(object, "status", json!({}));
        }
    }

    fn prepare_for_update(&self, object: &mut Value, old: &Value, _cx: &Context<'_>) {
        if !self.mutating {
            copy_field(object, old, "status");
        }
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn allows_unconditional_update(&self) -> bool {
        false
    }

    fn validate(&self, object: &Value, _cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        let (spec, path) = (object.at("spec"), Path::new("spec"));
        one_of(&mut errors, spec, &path, "failurePolicy", &["Fail", "Ignore"]);
        if spec.has("paramKind") {
            validate_param_kind(&mut errors, spec.at("paramKind"), &path.child("paramKind"));
        }
        validate_constraints(&mut errors, spec, &path.child("matchConstraints"));
        rules::validate_conditions(&mut errors, spec, &path);
        validate_variables(&mut errors, spec.items("variables"), &path.child("variables"));
        if self.mutating {
            validate_mutations(&mut errors, spec, &path);
        } else {
            validate_validations(&mut errors, spec, &path);
            validate_annotations(&mut errors, spec.items("auditAnnotations"), &path.child("auditAnnotations"));
        }
        errors
    }
}

fn validate_param_kind(errors: &mut Errors, it: &Value, path: &Path) {
    let version = it.text("apiVersion");
    if version.is_empty() {
        errors.push(FieldError::required(&path.child("apiVersion"), ""));
    } else if version.matches('/').count() > 1 {
        let why = format!("unexpected GroupVersion string: {version}");
        errors.push(FieldError::invalid(&path.child("apiVersion"), version, &why));
    }
    let (kind, path) = (it.text("kind"), path.child("kind"));
    if kind.is_empty() {
        errors.push(FieldError::required(&path, ""));
    } else {
        let faults = names::dns1035_label(&kind.to_lowercase());
        if !faults.is_empty() {
            let why = format!("may have mixed case, but should otherwise match: {}", faults.join(","));
            errors.push(FieldError::invalid(&path, kind, &why));
        }
    }
}

fn validate_constraints(errors: &mut Errors, spec: &Value, path: &Path) {
    let it = spec.at("matchConstraints");
    if it.is_null() {
        errors.push(FieldError::required(path, ""));
        return;
    }
    if it.items("resourceRules").is_empty() {
        errors.push(FieldError::required(&path.child("resourceRules"), ""));
    }
    validate_resource_rules(errors, it, path);
}

/// Which requests are meant, by name too; also in a binding.
pub(super) fn validate_resource_rules(errors: &mut Errors, it: &Value, path: &Path) {
    rules::validate_match(errors, it, path);
    for field in ["resourceRules", "excludeResourceRules"] {
        for (index, rule) in it.items(field).iter().enumerate() {
            let path = path.child(field).index(index);
            let listed: Vec<&str> = rule.texts("resourceNames").collect();
            for (index, name) in listed.iter().enumerate() {
                let path = path.child("resourceNames").index(index);
                errors.extend(names::invalid_each(&path, *name, names::name_is_path_segment(name, false)));
                if listed.iter().take(index).any(|other| other == name) {
                    errors.push(FieldError::duplicate(&path, *name));
                }
            }
            rules::validate_rule(errors, rule, &path);
        }
    }
}

fn validate_variables(errors: &mut Errors, variables: &[Value], path: &Path) {
    for (index, it) in variables.iter().enumerate() {
        let (name, path) = (it.text("name"), path.index(index));
        let name_path = path.child("name");
        if name.is_empty() {
            errors.push(FieldError::required(&name_path, "name is not specified"));
        } else if !names::c_identifier(name).is_empty() {
            errors.push(FieldError::invalid(&name_path, name, "name is not a valid CEL identifier"));
        } else if variables.iter().take(index).any(|other| other.text("name") == name) {
            errors.push(FieldError::duplicate(&name_path, name));
        }
        expression(errors, it, &path, "expression");
    }
}

fn expression(errors: &mut Errors, it: &Value, path: &Path, field: &str) {
    if it.text(field).trim().is_empty() {
        errors.push(FieldError::required(&path.child(field), &format!("{field} is not specified")));
    }
}

fn validate_validations(errors: &mut Errors, spec: &Value, path: &Path) {
    let (validations, path) = (spec.items("validations"), path.child("validations"));
    if validations.is_empty() && spec.items("auditAnnotations").is_empty() {
        let why = "validations or auditAnnotations must contain at least one item";
        errors.push(FieldError::required(&path, why));
    }
    for (index, it) in validations.iter().enumerate() {
        let path = path.index(index);
        expression(errors, it, &path, "expression");
        let message = it.text("message");
        if it.has("message") && message.trim().is_empty() {
            let why = "message must be non-empty if specified";
            errors.push(FieldError::invalid(&path.child("message"), message, why));
        } else if message.trim().contains(['\n', '\r']) {
            let why = "message must not contain line breaks";
            errors.push(FieldError::invalid(&path.child("message"), message, why));
        }
        if it.has("messageExpression") && it.text("messageExpression").trim().is_empty() {
            let why = "must be non-empty if specified";
            errors.push(FieldError::invalid(&path.child("messageExpression"), it.text("messageExpression"), why));
        }
        one_of_if_given(errors, it, &path, "reason", REASONS);
    }
}

fn validate_annotations(errors: &mut Errors, annotations: &[Value], path: &Path) {
    if annotations.len() > MOST_ANNOTATIONS {
        errors.push(FieldError::too_many(path, annotations.len(), MOST_ANNOTATIONS));
    }
    for (index, it) in annotations.iter().enumerate() {
        let (key, path) = (it.text("key"), path.index(index));
        if key.is_empty() {
            errors.push(FieldError::required(&path.child("key"), "key is not specified"));
        } else {
            errors.extend(names::invalid_each(&path.child("key"), key, names::qualified_name(key)));
            if annotations.iter().take(index).any(|other| other.text("key") == key) {
                errors.push(FieldError::duplicate(&path.child("key"), key));
            }
        }
        expression(errors, it, &path, "valueExpression");
    }
}

fn validate_mutations(errors: &mut Errors, spec: &Value, path: &Path) {
    one_of(errors, spec, path, "reinvocationPolicy", &["IfNeeded", "Never"]);
    let (mutations, path) = (spec.items("mutations"), path.child("mutations"));
    if mutations.is_empty() {
        errors.push(FieldError::required(&path, "mutations must contain at least one item"));
    }
    for (index, it) in mutations.iter().enumerate() {
        let path = path.index(index);
        let field = match it.text("patchType") {
            "ApplyConfiguration" => "applyConfiguration",
            "JSONPatch" => "jsonPatch",
            "" => {
                required(errors, it, &path, "patchType", "");
                continue;
            }
            other => {
                let types = &["ApplyConfiguration", "JSONPatch"];
                errors.push(FieldError::not_supported(&path.child("patchType"), other, types));
                continue;
            }
        };
        if it.has(field) {
            expression(errors, it.at(field), &path.child(field), "expression");
        } else {
            let why = format!("must be specified when patchType is {}", it.text("patchType"));
            errors.push(FieldError::required(&path.child(field), &why));
        }
    }
}
