//! The group `authorization.k8s.io`: asking who may do what. Nothing of it is stored.

use crate::kind::{Context, Kind};
use crate::value::{Look, object_made, set_default};
use k8s_types::{Errors, FieldError, Path};
use serde_json::{Value, json};

/// Whose access a review is about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reviewed {
    /// SubjectAccessReview: somebody's.
    Subject,
    /// SelfSubjectAccessReview: the asker's own.
    Oneself,
    /// LocalSubjectAccessReview: somebody's in the namespace.
    Local,
}

/// A review of access.
pub(crate) struct AccessReview(pub(crate) Reviewed);

/// SelfSubjectRulesReview: all that the asker may do in a namespace.
pub(crate) struct RulesReview;

impl Kind for AccessReview {
    fn default(&self, object: &mut Value, _cx: &Context<'_>) {
        object_made(object, "spec");
        if let Some(status) = object_made(object, "status") {
            set_default(status, "allowed", false);
        }
    }

    fn validate(&self, object: &Value, _cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        let (spec, path) = (object.at("spec"), Path::new("spec"));
        let (resource, other) = ("resourceAttributes", "nonResourceAttributes");
        match (spec.has(resource), spec.has(other)) {
            (true, true) => {
                let why = "cannot be specified in combination with resourceAttributes";
                errors.push(FieldError::invalid(&path.child(other), spec.at(other).clone(), why));
            }
            (false, false) => {
                let why = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
                errors.push(FieldError::invalid(&path.child(resource), "null", why));
            }
            _ => {}
        }
        if self.0 != Reviewed::Oneself && spec.text("user").is_empty() && spec.items("groups").is_empty() {
            let why = "at least one of user or group must be specified";
            errors.push(FieldError::invalid(&path.child("user"), "", why));
        }
        if self.0 == Reviewed::Local {
            validate_local(&mut errors, object);
        }
        errors
    }
}

fn validate_local(errors: &mut Errors, object: &Value) {
    let (spec, metadata) = (object.at("spec"), object.at("metadata"));
    let bare = metadata.as_object().is_none_or(|map| {
        let ours = ["namespace", "managedFields", "creationTimestamp", "uid"];
        map.iter().all(|(key, value)| ours.contains(&key.as_str()) || crate::value::is_empty(value))
    });
    if !bare {
        let why = "must be empty except for namespace";
        errors.push(FieldError::invalid(&Path::new("metadata"), metadata.clone(), why));
    }
    let namespace = spec.at("resourceAttributes").text("namespace");
    if spec.has("resourceAttributes") && namespace != metadata.text("namespace") {
        let path = Path::new("spec.resourceAttributes.namespace");
        errors.push(FieldError::invalid(&path, namespace, "must match metadata.namespace"));
    }
    if spec.has("nonResourceAttributes") {
        let path = Path::new("spec.nonResourceAttributes");
        let value = spec.at("nonResourceAttributes").clone();
        errors.push(FieldError::invalid(&path, value, "disallowed on this kind of request"));
    }
}

impl Kind for RulesReview {
    fn default(&self, object: &mut Value, _cx: &Context<'_>) {
        object_made(object, "spec");
        if let Some(status) = object_made(object, "status") {
            set_default(status, "resourceRules", json!([]));
            set_default(status, "nonResourceRules", json!([]));
            set_default(status, "incomplete", false);
        }
    }
}
