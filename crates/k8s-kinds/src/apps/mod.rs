//! The group `apps`: what keeps pods running.

mod daemon_set;
mod deployment;
mod replica_set;
mod revision;
mod stateful_set;

pub(crate) use daemon_set::DaemonSet;
pub(crate) use deployment::Deployment;
pub(crate) use replica_set::ReplicaSet;
pub(crate) use revision::ControllerRevision;
pub(crate) use stateful_set::StatefulSet;

use crate::checks::{as_struct, is_usable, label_selector};
use crate::kind::Context;
use crate::meta::{selector_is_empty, selector_matches};
use crate::template;
use crate::value::Look;
use k8s_types::{Errors, FieldError, Path};
use serde_json::Value;

/// A strategy of a type that is not known, as errors print it.
fn told_strategy(strategy: &Value) -> Value {
    as_struct(strategy, &[("Type", "type"), ("RollingUpdate", "rollingUpdate")])
}

/// A selector that must be there and say something; `of` names the kind in the sentence.
fn own_selector(errors: &mut Errors, spec: &Value, path: &Path, of: &str) {
    let path = path.child("selector");
    let selector = spec.at("selector");
    if selector.is_null() {
        errors.push(FieldError::required(&path, ""));
        return;
    }
    label_selector(errors, selector, &path);
    if selector_is_empty(selector) {
        let why = format!("empty selector is invalid for {of}");
        errors.push(FieldError::invalid(&path, selector.clone(), &why));
    }
}

/// The template's labels are what the selector takes.
pub(crate) fn template_is_selected(errors: &mut Errors, spec: &Value, path: &Path) {
    let selector = spec.at("selector");
    let labels = spec.look(&["template", "metadata", "labels"]);
    let anything = !selector.is_null() && selector_is_empty(selector);
    if !anything && !selector_matches(selector, labels) {
        let path = path.child("template.metadata.labels");
        let why = "`selector` does not match template `labels`";
        errors.push(FieldError::invalid(&path, labels.clone(), why));
    }
}

/// Pods that are kept running are always started again.
fn restarts_always(errors: &mut Errors, spec: &Value, path: &Path) {
    let policy = spec.look(&["template", "spec"]).text("restartPolicy");
    if policy != "Always" {
        errors.push(FieldError::not_supported(&path.child("template.spec.restartPolicy"), policy, &["Always"]));
    }
}

fn no_deadline(errors: &mut Errors, spec: &Value, path: &Path, of: &str) {
    if spec.look(&["template", "spec"]).has("activeDeadlineSeconds") {
        let path = path.child("template.spec.activeDeadlineSeconds");
        errors.push(FieldError::forbidden(&path, &format!("activeDeadlineSeconds in {of} is not Supported")));
    }
}

/// What Deployments and ReplicaSets share: a selector, and a template that fits it.
fn replicated_template(errors: &mut Errors, spec: &Value, path: &Path, cx: &Context<'_>) {
    own_selector(errors, spec, path, "deployment");
    let selector = spec.at("selector");
    if !selector.is_null() && !is_usable(selector) {
        errors.push(FieldError::invalid(&path.child("selector"), selector.clone(), "invalid label selector"));
        return;
    }
    template_is_selected(errors, spec, path);
    template::validate(errors, spec.at("template"), &path.child("template"), cx);
    restarts_always(errors, spec, path);
    no_deadline(errors, spec, path, "ReplicaSet");
}
