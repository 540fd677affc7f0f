//! What every object's `metadata` must be, and what may not change in it.

mod owners;
mod selector;

pub use selector::{selector_is_empty, selector_matches, validate_label_selector};

use crate::value::{Look, same};
use k8s_types::names::{self, NameRule, invalid_each, validate_annotations, validate_labels};
use k8s_types::status::quote;
use k8s_types::{Errors, FieldError, Path};
use serde_json::Value;

/// What an error about a changed field that may not change says.
pub const IMMUTABLE: &str = "field is immutable";
/// What an error about a negative number says.
pub const NEGATIVE: &str = "must be greater than or equal to 0";
/// Finalizers without a domain that the API itself uses.
const OWN_FINALIZERS: [&str; 3] = ["kubernetes", "orphan", "foregroundDeletion"];
/// A managed field entry's owner has at most so many bytes.
const MANAGER_MAX: usize = 128;

/// What is wrong with a new object's metadata; `path` is `metadata`. Names were generated before.
pub fn validate_object_meta(object: &Value, namespaced: bool, rule: NameRule, path: &Path) -> Errors {
    let meta = object.at("metadata");
    let mut errors = Errors::new();
    let generate = meta.text("generateName");
    if !generate.is_empty() {
        errors.extend(invalid_each(&path.child("generateName"), generate, rule(generate, true)));
    }
    let name = meta.text("name");
    if name.is_empty() {
        errors.push(FieldError::required(&path.child("name"), "name or generateName is required"));
    } else {
        errors.extend(invalid_each(&path.child("name"), name, rule(name, false)));
    }
    let namespace = meta.text("namespace");
    let at = path.child("namespace");
    match (namespaced, namespace.is_empty()) {
        (true, true) => errors.push(FieldError::required(&at, "")),
        (true, false) => errors.extend(invalid_each(&at, namespace, names::dns1123_label(namespace))),
        (false, false) => errors.push(FieldError::forbidden(&at, "not allowed on this type")),
        (false, true) => {}
    }
    errors.extend(nonnegative(meta.int("generation"), &path.child("generation")));
    errors.extend(validate_common(meta, path));
    errors.extend(validate_finalizers(meta, &path.child("finalizers")));
    errors
}

/// What is wrong with a change of metadata; `path` is `metadata`.
pub fn validate_object_meta_update(object: &Value, old: &Value, path: &Path) -> Errors {
    let (meta, before) = (object.at("metadata"), old.at("metadata"));
    let mut errors = Errors::new();
    if before.has("deletionTimestamp") {
        errors.extend(no_new_finalizers(meta, before, path));
    }
    if meta.text("resourceVersion").is_empty() {
        let at = path.child("resourceVersion");
        errors.push(FieldError::invalid(&at, meta.text("resourceVersion"), "must be specified for an update"));
    }
    if meta.int("generation") < before.int("generation") {
        let at = path.child("generation");
        errors.push(FieldError::invalid(&at, meta.int("generation"), "must not be decremented"));
    }
    let fixed = ["name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"];
    for name in fixed {
        errors.extend(immutable(meta.at(name), before.at(name), &path.child(name)));
    }
    errors.extend(validate_common(meta, path));
    errors
}

/// What holds for metadata at a create and at an update.
fn validate_common(meta: &Value, path: &Path) -> Errors {
    let mut errors = Errors::new();
    if let Some(labels) = meta.map("labels") {
        errors.extend(validate_labels(labels, &path.child("labels")));
    }
    if let Some(annotations) = meta.map("annotations") {
        errors.extend(validate_annotations(annotations, &path.child("annotations")));
    }
    errors.extend(owners::validate(meta.items("ownerReferences"), &path.child("ownerReferences")));
    errors.extend(validate_managed_fields(meta.items("managedFields"), &path.child("managedFields")));
    errors
}

fn validate_finalizers(meta: &Value, path: &Path) -> Errors {
    let mut errors = Errors::new();
    for finalizer in meta.texts("finalizers") {
        errors.extend(invalid_each(path, finalizer, names::qualified_name(finalizer)));
    }
    let has = |name: &str| meta.texts("finalizers").any(|it| it == name);
    if has("orphan") && has("foregroundDeletion") {
        let text = "finalizer orphan and foregroundDeletion cannot be both set";
        errors.push(FieldError::invalid(path, meta.at("finalizers").clone(), text));
    }
    for (at, finalizer) in meta.texts("finalizers").enumerate() {
        if !finalizer.contains('/') && !OWN_FINALIZERS.contains(&finalizer) {
            let text = "name is neither a standard finalizer name nor is it fully qualified";
            errors.push(FieldError::invalid(&path.index(at), finalizer, text));
        }
    }
    errors
}

fn no_new_finalizers(meta: &Value, before: &Value, path: &Path) -> Errors {
    let mut added: Vec<&str> =
        meta.texts("finalizers").filter(|it| !before.texts("finalizers").any(|old| old == *it)).collect();
    if added.is_empty() {
        return Errors::new();
    }
    added.sort_unstable();
    added.dedup();
    let list: Vec<String> = added.iter().map(|it| quote(it)).collect();
    let text = format!(
        "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
        list.join(", ")
    );
    vec![FieldError::forbidden(&path.child("finalizers"), &text)]
}

fn validate_managed_fields(entries: &[Value], path: &Path) -> Errors {
    let mut errors = Errors::new();
    for (at, entry) in entries.iter().enumerate() {
        let path = path.index(at);
        let operation = entry.text("operation");
        if operation != "Apply" && operation != "Update" {
            errors.push(FieldError::invalid(&path.child("operation"), operation, "must be `Apply` or `Update`"));
        }
        let fields_type = entry.text("fieldsType");
        if !fields_type.is_empty() && fields_type != "FieldsV1" {
            errors.push(FieldError::invalid(&path.child("fieldsType"), fields_type, "must be `FieldsV1`"));
        }
        let manager = entry.text("manager");
        if manager.len() > MANAGER_MAX {
            errors.push(FieldError::too_long(&path.child("manager"), MANAGER_MAX));
        }
        if let Some(c) = manager.chars().find(|c| c.is_control()) {
            let text = format!("invalid character {} (at position {})", quote(&c.to_string()), position(manager, c));
            errors.push(FieldError::invalid(&path.child("manager"), manager, &text));
        }
    }
    errors
}

fn position(text: &str, c: char) -> usize {
    text.find(c).unwrap_or_default()
}

/// The error about a field that changed although it may not.
pub fn immutable(new: &Value, old: &Value, path: &Path) -> Errors {
    if same(new, old) { Errors::new() } else { vec![FieldError::invalid(path, new.clone(), IMMUTABLE)] }
}

/// The error about a number below 0.
pub fn nonnegative(value: i64, path: &Path) -> Errors {
    if value >= 0 { Errors::new() } else { vec![FieldError::invalid(path, value, NEGATIVE)] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn texts(errors: &Errors) -> Vec<String> {
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_name_and_a_namespace_are_needed() {
        let path = Path::new("metadata");
        let errors = validate_object_meta(&json!({"metadata": {}}), true, names::name_is_subdomain, &path);
        assert_eq!(
            texts(&errors),
            ["metadata.name: Required value: name or generateName is required", "metadata.namespace: Required value"]
        );
        let it = json!({"metadata": {"name": "a", "namespace": "b"}});
        let errors = validate_object_meta(&it, false, names::name_is_subdomain, &path);
        assert_eq!(texts(&errors), ["metadata.namespace: Forbidden: not allowed on this type"]);
    }

    #[test]
    fn what_the_server_set_stays() {
        let path = Path::new("metadata");
        let old = json!({"metadata": {"name": "a", "uid": "1", "deletionTimestamp": "x", "finalizers": ["a/b"]}});
        let new = json!({"metadata": {"name": "a", "uid": "2", "deletionTimestamp": "x", "resourceVersion": "1",
            "finalizers": ["a/b", "c/d"]}});
        assert_eq!(
            texts(&validate_object_meta_update(&new, &old, &path)),
            [
                "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new \
                 finalizers []string{\"c/d\"}",
                "metadata.uid: Invalid value: \"2\": field is immutable"
            ]
        );
    }

    #[test]
    fn finalizers_have_a_domain_or_are_the_apis() {
        let it = json!({"finalizers": ["x", "orphan", "foregroundDeletion"]});
        assert_eq!(
            texts(&validate_finalizers(&it, &Path::new("f"))),
            [
                "f: Invalid value: [\"x\",\"orphan\",\"foregroundDeletion\"]: finalizer orphan and foregroundDeletion cannot \
                 be both set",
                "f[0]: Invalid value: \"x\": name is neither a standard finalizer name nor is it fully qualified"
            ]
        );
    }
}
