//! ReplicaSet: keeps a number of equal pods.

use super::replicated_template;
use crate::checks::{counts, immutable, not_negative, within_replicas};
use crate::kind::{Context, Kind};
use crate::template;
use crate::value::{Look, copy_field, object_made, set, set_default};
use k8s_types::{Errors, FieldError, Path};
use serde_json::{Value, json};

/// See the module.
pub(crate) struct ReplicaSet;

impl Kind for ReplicaSet {
    fn default(&self, object: &mut Value, cx: &Context<'_>) {
        if let Some(status) = object_made(object, "status") {
            set_default(status, "replicas", 0);
        }
        let Some(spec) = object_made(object, "spec") else { return };
        template::default(spec, cx);
        set_default(spec, "replicas", 1);
    }

    fn prepare_for_create(&self, object: &mut Value, cx: &Context<'_>) {
        set(object, "status", json!({"replicas": 0}));
        template::drop_disabled(object, None, &["spec", "template"], cx);
    }

    fn prepare_for_update(&self, object: &mut Value, old: &Value, cx: &Context<'_>) {
        copy_field(object, old, "status");
        template::drop_disabled(object, Some(old), &["spec", "template"], cx);
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn validate(&self, object: &Value, cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        let (spec, path) = (object.at("spec"), Path::new("spec"));
        not_negative(&mut errors, spec, &path, "replicas");
        not_negative(&mut errors, spec, &path, "minReadySeconds");
        replicated_template(&mut errors, spec, &path, cx);
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value, cx: &Context<'_>) -> Errors {
        let mut errors = self.validate(object, cx);
        immutable(&mut errors, object.at("spec"), old.at("spec"), &Path::new("spec"), "selector");
        errors
    }

    fn validate_status_update(&self, object: &Value, _old: &Value, _cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        let (status, path) = (object.at("status"), Path::new("status"));
        let ready = ["fullyLabeledReplicas", "readyReplicas", "availableReplicas"];
        counts(&mut errors, status, &path, &["replicas", "observedGeneration", "terminatingReplicas"]);
        counts(&mut errors, status, &path, &ready);
        within_replicas(&mut errors, status, &path, &ready);
        available_within_ready(&mut errors, status, &path, "cannot be greater than readyReplicas");
        errors
    }

    fn warnings(&self, object: &Value, old: Option<&Value>, cx: &Context<'_>) -> Vec<String> {
        let mut warnings = if old.is_none() { template::name_warnings(object) } else { Vec::new() };
        warnings.extend(template::warnings(object, old, &["spec", "template"], cx));
        warnings
    }
}

/// What is available is ready.
pub(super) fn available_within_ready(errors: &mut Errors, status: &Value, path: &Path, why: &str) {
    let available = status.opt_int("availableReplicas").unwrap_or_default();
    if available > status.opt_int("readyReplicas").unwrap_or_default() {
        errors.push(FieldError::invalid(&path.child("availableReplicas"), available, why));
    }
}
