//! Namespace.

use crate::value::{self, Look, copy_field, object_made, set_default_zero};
use crate::{Context, Kind};
use k8s_types::names::{self, NameRule, invalid_each};
use k8s_types::{Errors, FieldError, Path};
use serde_json::{Value, json};

/// The kind.
#[derive(Debug)]
pub struct Namespace;

const NAME_LABEL: &str = "kubernetes.io/metadata.name";
/// What keeps a namespace until its content is gone.
const FINALIZER: &str = "kubernetes";

/// What a change through `/finalize` keeps from `old`: all but the finalizers of the spec.
pub fn prepare_finalize(object: &mut Value, old: &Value) {
    copy_field(object, old, "status");
}

/// What is wrong with a change through `/finalize`.
pub fn validate_finalize(object: &Value) -> Errors {
    let mut errors = Errors::new();
    for (at, finalizer) in object.at("spec").texts("finalizers").enumerate() {
        validate_finalizer(&mut errors, finalizer, &Path::new("spec.finalizers").index(at));
    }
    errors
}

fn validate_finalizer(errors: &mut Errors, finalizer: &str, path: &Path) {
    errors.extend(invalid_each(path, finalizer, names::qualified_name(finalizer)));
    if !finalizer.contains('/') && !matches!(finalizer, "kubernetes" | "orphan" | "foregroundDeletion") {
        let text = "name is neither a standard finalizer name nor is it fully qualified";
        errors.push(FieldError::invalid(path, finalizer, text));
    }
}

/// Every namespace can be selected by its name.
fn label_with_name(object: &mut Value) {
    let name = object.at("metadata").text("name").to_owned();
    if !name.is_empty()
        && let Some(labels) = object_made(object, "metadata").and_then(|it| object_made(it, "labels"))
    {
        value::set(labels, NAME_LABEL, name);
    }
}

impl Kind for Namespace {
    fn name_rule(&self) -> NameRule {
        names::name_is_label
    }

    fn default(&self, object: &mut Value, _cx: &Context<'_>) {
        label_with_name(object);
        object_made(object, "spec");
        if let Some(status) = object_made(object, "status") {
            set_default_zero(status, "phase", "Active");
        }
    }

    fn prepare_for_create(&self, object: &mut Value, _cx: &Context<'_>) {
        // A generated name came after the defaults.
        label_with_name(object);
        value::set(object, "status", json!({"phase": "Active"}));
        let Some(spec) = object_made(object, "spec") else { return };
        if !spec.texts("finalizers").any(|it| it == FINALIZER) {
            let mut finalizers = spec.items("finalizers").to_vec();
            finalizers.push(json!(FINALIZER));
            value::set(spec, "finalizers", finalizers);
        }
    }

    fn prepare_for_update(&self, object: &mut Value, old: &Value, _cx: &Context<'_>) {
        copy_field(object, old, "status");
        let before = old.at("spec");
        if let Some(spec) = object_made(object, "spec") {
            copy_field(spec, before, "finalizers");
        }
    }

    fn validate(&self, object: &Value, _cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        for finalizer in object.at("spec").texts("finalizers") {
            validate_finalizer(&mut errors, finalizer, &Path::new("spec.finalizers"));
        }
        errors
    }

    fn validate_update(&self, _object: &Value, _old: &Value, _cx: &Context<'_>) -> Errors {
        Errors::new()
    }

    fn validate_status_update(&self, object: &Value, _old: &Value, _cx: &Context<'_>) -> Errors {
        let phase = object.at("status").text("phase");
        let (want, text) = if object.at("metadata").has("deletionTimestamp") {
            ("Terminating", "may only be 'Terminating' if `deletionTimestamp` is not empty")
        } else {
            ("Active", "may only be 'Active' if `deletionTimestamp` is empty")
        };
        if phase == want { Errors::new() } else { vec![FieldError::invalid(&Path::new("status.Phase"), phase, text)] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CX: Context<'_> = Context { minor: 34, version: "v1", now: "" };

    #[test]
    fn a_namespace_has_its_finalizer_once() {
        let mut it = json!({"metadata": {"name": "a"}, "spec": {"finalizers": ["x.io/y"]}});
        Namespace.default(&mut it, &CX);
        Namespace.prepare_for_create(&mut it, &CX);
        assert_eq!(it["spec"]["finalizers"], json!(["x.io/y", "kubernetes"]));
        assert_eq!(it["metadata"]["labels"][NAME_LABEL], "a");
        assert!(validate_finalize(&it).is_empty());
    }

    #[test]
    fn the_phase_follows_deletion() {
        let it = json!({"metadata": {"deletionTimestamp": "x"}, "status": {"phase": "Active"}});
        assert_eq!(Namespace.validate_status_update(&it, &it, &CX).len(), 1);
    }
}
