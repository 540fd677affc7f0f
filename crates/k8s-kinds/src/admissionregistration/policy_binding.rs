//! ValidatingAdmissionPolicyBinding and MutatingAdmissionPolicyBinding: where a policy holds, and with what parameters.

use super::policy::validate_resource_rules;
use super::rules;
use crate::checks::{label_selector, one_of, required};
use crate::kind::{Context, Kind};
use crate::value::{Look, object_mut};
use k8s_types::{Errors, FieldError, Path, names};
use serde_json::Value;

const ACTIONS: &[&str] = &["Audit", "Deny", "Warn"];

/// See the module.
pub(crate) struct PolicyBinding {
    /// Whether its policy may change what it sees.
    pub(crate) mutating: bool,
}

impl Kind for PolicyBinding {
    fn default(&self, object: &mut Value, _cx: &Context<'_>) {
        if let Some(resources) = object_mut(object, "spec").and_then(|spec| object_mut(spec, "matchResources")) {
            rules::default_match(resources, &["resourceRules", "excludeResourceRules"]);
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
        let policy = spec.text("policyName");
        required(&mut errors, spec, &path, "policyName", "");
        if !policy.is_empty() {
            let faults = names::dns1123_subdomain(policy);
            errors.extend(names::invalid_each(&path.child("policyName"), policy, faults));
        }
        if spec.has("paramRef") {
            validate_parameters(&mut errors, spec.at("paramRef"), &path.child("paramRef"));
        }
        if spec.has("matchResources") {
            validate_resource_rules(&mut errors, spec.at("matchResources"), &path.child("matchResources"));
        }
        if !self.mutating {
            validate_actions(&mut errors, spec, &path.child("validationActions"));
        }
        errors
    }
}

fn validate_parameters(errors: &mut Errors, it: &Value, path: &Path) {
    let name = it.text("name");
    match (name.is_empty(), it.has("selector")) {
        (true, false) => errors.push(FieldError::required(path, "one of name or selector must be specified")),
        (false, true) => {
            let why = "name and selector are mutually exclusive";
            errors.push(FieldError::forbidden(&path.child("name"), why));
        }
        (false, false) => {
            let faults = names::name_is_path_segment(name, false);
            errors.extend(names::invalid_each(&path.child("name"), name, faults));
        }
        (true, true) => label_selector(errors, it.at("selector"), &path.child("selector")),
    }
    if it.has("parameterNotFoundAction") {
        one_of(errors, it, path, "parameterNotFoundAction", &["Allow", "Deny"]);
    } else {
        errors.push(FieldError::required(&path.child("parameterNotFoundAction"), ""));
    }
}

fn validate_actions(errors: &mut Errors, spec: &Value, path: &Path) {
    let actions: Vec<&str> = spec.texts("validationActions").collect();
    if actions.is_empty() {
        errors.push(FieldError::required(path, "at least one validation action is required"));
    }
    for (index, action) in actions.iter().enumerate() {
        if !ACTIONS.contains(action) {
            errors.push(FieldError::not_supported(&path.index(index), *action, ACTIONS));
        }
        if actions.iter().take(index).any(|other| other == action) {
            errors.push(FieldError::duplicate(&path.index(index), *action));
        }
    }
    if actions.contains(&"Deny") && actions.contains(&"Warn") {
        let why = "must not contain both Deny and Warn (repeating the same validation failure information in the API \
                   response and headers serves no purpose)";
        errors.push(FieldError::invalid(path, spec.at("validationActions").clone(), why));
    }
}
