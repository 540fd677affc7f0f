//! ReplicationController.

use super::{check, pod_template};
use crate::value::{self, Look, copy_field, object_made, object_mut, set_default};
use crate::{Context, Kind};
use k8s_types::{Errors, FieldError, Path};
use serde_json::{Value, json};

/// The kind.
#[derive(Debug)]
pub struct ReplicationController;

impl Kind for ReplicationController {
    fn default(&self, object: &mut Value, cx: &Context<'_>) {
        let labels = object.look(&["spec", "template", "metadata", "labels"]).clone();
        let Some(spec) = object_made(object, "spec") else { return };
        set_default(spec, "replicas", 1);
        if let Some(template) = object_mut(spec, "template") {
            pod_template::default_template(template, cx);
        }
        if labels.is_object() {
            if value::is_empty(spec.at("selector")) {
                value::set(spec, "selector", labels.clone());
            }
            if let Some(meta) = object_made(object, "metadata")
                && value::is_empty(meta.at("labels"))
            {
                value::set(meta, "labels", labels);
            }
        }
        if let Some(status) = object_made(object, "status") {
            set_default(status, "replicas", 0);
        }
    }

    fn prepare_for_create(&self, object: &mut Value, cx: &Context<'_>) {
        value::set(object, "status", json!({"replicas": 0}));
        if let Some(template) = object_mut(object, "spec").and_then(|it| object_mut(it, "template")) {
            pod_template::drop_disabled(template, None, cx);
        }
    }

    fn prepare_for_update(&self, object: &mut Value, old: &Value, cx: &Context<'_>) {
        copy_field(object, old, "status");
        let before = old.look(&["spec", "template"]);
        if let Some(template) = object_mut(object, "spec").and_then(|it| object_mut(it, "template")) {
            pod_template::drop_disabled(template, Some(before), cx);
        }
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn validate(&self, object: &Value, cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        let (spec, path) = (object.at("spec"), Path::new("spec"));
        check::nonnegative(&mut errors, spec.int("minReadySeconds"), &path.child("minReadySeconds"));
        if value::is_empty(spec.at("selector")) {
            errors.push(FieldError::required(&path.child("selector"), ""));
        }
        check::nonnegative(&mut errors, spec.int("replicas"), &path.child("replicas"));
        validate_template(&mut errors, spec, &path.child("template"), cx);
        errors
    }

    fn validate_status_update(&self, object: &Value, _old: &Value, _cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        let (status, path) = (object.at("status"), Path::new("status"));
        let counts = ["replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas"];
        for name in counts.into_iter().chain(["observedGeneration"]) {
            check::nonnegative(&mut errors, status.int(name), &path.child(name));
        }
        for name in counts.into_iter().filter(|it| status.int(it) > status.int("replicas")) {
            let text = "cannot be greater than status.replicas";
            errors.push(FieldError::invalid(&path.child(name), status.int(name), text));
        }
        if status.int("availableReplicas") > status.int("readyReplicas") {
            let available = status.int("availableReplicas");
            let text = "cannot be greater than readyReplicas";
            errors.push(FieldError::invalid(&path.child("availableReplicas"), available, text));
        }
        errors
    }

    fn warnings(&self, object: &Value, old: Option<&Value>, cx: &Context<'_>) -> Vec<String> {
        let template = object.look(&["spec", "template"]);
        let old = old.map(|it| it.look(&["spec", "template"]));
        pod_template::warnings(template, old, &Path::new("spec.template"), cx)
    }
}

fn validate_template(errors: &mut Errors, spec: &Value, path: &Path, cx: &Context<'_>) {
    let template = spec.at("template");
    if template.is_null() {
        errors.push(FieldError::required(path, ""));
        return;
    }
    let labels = template.look(&["metadata", "labels"]);
    if spec.entries("selector").any(|(key, want)| labels.get(key) != Some(want)) {
        let text = "`selector` does not match template `labels`";
        errors.push(FieldError::invalid(&path.child("metadata.labels"), labels.clone(), text));
    }
    errors.extend(pod_template::validate_template(template, path, cx));
    check::one_of(errors, template.at("spec").text("restartPolicy"), &["Always"], &path.child("spec.restartPolicy"));
    if template.at("spec").has("activeDeadlineSeconds") {
        let text = "activeDeadlineSeconds in ReplicationController is not Supported";
        errors.push(FieldError::forbidden(&path.child("spec.activeDeadlineSeconds"), text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_fit_together() {
        let cx = Context { minor: 34, version: "v1", now: "" };
        let it = json!({"status": {"replicas": 1, "readyReplicas": 2, "availableReplicas": 3}});
        assert_eq!(ReplicationController.validate_status_update(&it, &Value::Null, &cx).len(), 3);
    }
}
