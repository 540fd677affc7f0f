//! PersistentVolumeClaim: what a pod asks of storage.

use super::resources::{self, quantity};
use super::{check, pod_warnings};
use crate::meta::{immutable, validate_label_selector};
use crate::value::{self, Look, copy_field, object_made, object_mut, same, set_default, set_default_zero};
use crate::{Context, Kind};
use k8s_types::{Errors, FieldError, Path};
use serde_json::{Map, Value, json};

/// How nodes may use a volume.
pub(crate) const ACCESS_MODES: [&str; 4] = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
/// Whether a volume is a file system or a device.
pub(crate) const VOLUME_MODES: [&str; 2] = ["Block", "Filesystem"];
const CLASS_ANNOTATION: &str = "volume.beta.kubernetes.io/storage-class";

/// The kind.
#[derive(Debug)]
pub struct PersistentVolumeClaim;

/// Fills in a claim, which may also be a StatefulSet's template of claims.
pub fn default_claim(claim: &mut Value, _cx: &Context<'_>) {
    default_spec(claim);
    if let Some(status) = object_made(claim, "status") {
        set_default_zero(status, "phase", "Pending");
    }
}

/// Fills in the spec of what has a claim's spec.
pub(super) fn default_spec(claim: &mut Value) {
    let Some(spec) = object_made(claim, "spec") else { return };
    set_default(spec, "volumeMode", "Filesystem");
    if let Some(it) = object_made(spec, "resources") {
        resources::default_list(object_mut(it, "requests"));
        resources::default_list(object_mut(it, "limits"));
    }
}

/// What is wrong with a claim's spec.
pub fn validate_spec(spec: &Value, path: &Path, cx: &Context<'_>) -> Errors {
    let mut errors = Errors::new();
    if spec.items("accessModes").is_empty() {
        errors.push(FieldError::required(&path.child("accessModes"), "at least 1 access mode is required"));
    }
    errors.extend(validate_label_selector(spec.at("selector"), &path.child("selector")));
    validate_access_modes(&mut errors, spec, path);
    validate_size(&mut errors, spec, &path.child("resources").key("storage"));
    let class = spec.text("storageClassName");
    if !class.is_empty() {
        check::subdomain(&mut errors, class, &path.child("storageClassName"));
    }
    if spec.has("volumeMode") {
        check::one_of(&mut errors, spec.text("volumeMode"), &VOLUME_MODES, &path.child("volumeMode"));
    }
    validate_sources(&mut errors, spec, path);
    let class = spec.text("volumeAttributesClassName");
    if !class.is_empty() && cx.minor >= 34 {
        check::subdomain(&mut errors, class, &path.child("volumeAttributesClassName"));
    }
    errors
}

/// What is wrong with the modes of a claim or a volume.
pub(crate) fn validate_access_modes(errors: &mut Errors, spec: &Value, path: &Path) {
    let at = path.child("accessModes");
    for mode in spec.texts("accessModes") {
        check::one_of(errors, mode, &ACCESS_MODES, &at);
    }
    let once = |mode: &str| mode == "ReadWriteOncePod";
    let other = |mode: &str| !once(mode) && ACCESS_MODES.contains(&mode);
    if spec.texts("accessModes").any(once) && spec.texts("accessModes").any(other) {
        errors.push(FieldError::forbidden(&at, "may not use ReadWriteOncePod with other access modes"));
    }
}

fn validate_size(errors: &mut Errors, spec: &Value, path: &Path) {
    match spec.look(&["resources", "requests"]).get("storage") {
        None => errors.push(FieldError::required(path, "")),
        Some(size) => {
            let size = quantity(size);
            if size.signum() <= 0 {
                errors.push(FieldError::invalid(path, size.to_string(), check::NOT_POSITIVE));
            }
        }
    }
}

/// What the volume's content is copied from.
fn validate_sources(errors: &mut Errors, spec: &Value, path: &Path) {
    for name in ["dataSource", "dataSourceRef"].into_iter().filter(|it| spec.has(it)) {
        let (source, at) = (spec.at(name), path.child(name));
        check::text_needed(errors, source, "name", &at);
        check::text_needed(errors, source, "kind", &at);
        let (group, kind) = (source.text("apiGroup"), source.text("kind"));
        if group.is_empty() && kind != "PersistentVolumeClaim" {
            let text = "must be 'PersistentVolumeClaim' when referencing the default apiGroup";
            errors.push(FieldError::invalid(&at, kind, text));
        }
        if !group.is_empty() {
            check::subdomain(errors, group, &at.child("apiGroup"));
        }
        let namespace = source.text("namespace");
        if name == "dataSourceRef" && !namespace.is_empty() {
            check::label(errors, namespace, &at.child("namespace"));
        }
    }
    let (source, reference) = (spec.at("dataSource"), spec.at("dataSourceRef"));
    if source.is_null() || reference.is_null() {
        return;
    }
    let shown = path.child("dataSource").to_string();
    let equal = ["apiGroup", "kind", "name"].iter().all(|it| source.at(it) == reference.at(it));
    if !reference.text("namespace").is_empty() {
        let text = "may not be specified when dataSourceRef.namespace is specified";
        errors.push(FieldError::invalid(path, shown, text));
    } else if !equal {
        errors.push(FieldError::invalid(path, shown, "must match dataSourceRef"));
    }
}

/// A claim's two ways to name what it is copied from say the same.
fn mirror_sources(spec: &mut Value) {
    match (spec.has("dataSource"), spec.has("dataSourceRef")) {
        (true, false) => {
            let source = spec.at("dataSource").clone();
            value::set(spec, "dataSourceRef", source);
        }
        (false, true) if spec.at("dataSourceRef").text("namespace").is_empty() => {
            let mut source = spec.at("dataSourceRef").clone();
            value::remove(&mut source, "namespace");
            value::set(spec, "dataSource", source);
        }
        _ => {}
    }
}

/// The older field knows claims and snapshots only, and drops all else without a word.
fn drop_useless_source(spec: &mut Value) {
    let source = spec.at("dataSource");
    let (group, kind) = (source.text("apiGroup"), source.text("kind"));
    let known = (group, kind) == ("", "PersistentVolumeClaim")
        || (group, kind) == ("snapshot.storage.k8s.io", "VolumeSnapshot");
    if source.is_object() && !known {
        value::remove(spec, "dataSource");
    }
}

fn drop_disabled(object: &mut Value, old: Option<&Value>, cx: &Context<'_>) {
    let used = old.is_some_and(|it| it.look(&["spec", "volumeAttributesClassName"]).is_string());
    if let Some(spec) = object_mut(object, "spec")
        && cx.minor < 34
        && !used
    {
        value::remove(spec, "volumeAttributesClassName");
    }
}

impl Kind for PersistentVolumeClaim {
    fn default(&self, object: &mut Value, cx: &Context<'_>) {
        default_claim(object, cx);
    }

    fn prepare_for_create(&self, object: &mut Value, cx: &Context<'_>) {
        value::set(object, "status", json!({"phase": "Pending"}));
        drop_disabled(object, None, cx);
        if let Some(spec) = object_mut(object, "spec") {
            drop_useless_source(spec);
            mirror_sources(spec);
        }
    }

    fn prepare_for_update(&self, object: &mut Value, old: &Value, cx: &Context<'_>) {
        copy_field(object, old, "status");
        drop_disabled(object, Some(old), cx);
        if let Some(spec) = object_mut(object, "spec") {
            mirror_sources(spec);
        }
    }

    fn validate(&self, object: &Value, cx: &Context<'_>) -> Errors {
        validate_spec(object.at("spec"), &Path::new("spec"), cx)
    }

    fn validate_update(&self, object: &Value, old: &Value, cx: &Context<'_>) -> Errors {
        let mut errors = self.validate(object, cx);
        validate_change(&mut errors, object, old, cx);
        errors
    }

    fn validate_status_update(&self, object: &Value, _old: &Value, _cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        for (name, amount) in object.at("status").entries("capacity") {
            let amount = quantity(amount);
            if amount.signum() < 0 {
                let path = Path::new("status.capacity").key(name);
                errors.push(FieldError::invalid(&path, amount.value(), "must be a valid resource quantity"));
            }
        }
        errors
    }

    fn warnings(&self, object: &Value, _old: Option<&Value>, cx: &Context<'_>) -> Vec<String> {
        let mut found = Vec::new();
        if object.look(&["metadata", "annotations"]).has(CLASS_ANNOTATION) {
            let text = "deprecated since v1.8; use \"storageClassName\" attribute instead";
            found.push(format!("metadata.annotations[{CLASS_ANNOTATION}]: {text}"));
        }
        found.extend(pod_warnings::storage_warnings(object.at("spec"), &["resources", "requests"], cx));
        found
    }
}

fn validate_change(errors: &mut Errors, object: &Value, old: &Value, cx: &Context<'_>) {
    let (spec, before) = (object.at("spec"), old.at("spec"));
    let bound = object.at("status").text("phase") == "Bound";
    let class = |it: &Value| it.look(&["metadata", "annotations"]).text(CLASS_ANNOTATION).to_owned();
    let (class_new, class_old) = (class(object), class(old));
    if class_new != class_old {
        let path = Path::new("metadata.annotations").child(CLASS_ANNOTATION);
        errors.push(FieldError::invalid(&path, class_new, crate::meta::IMMUTABLE));
    }
    if !same(&without_free_fields(spec, before, bound, &class_old), before) {
        let text = if cx.minor >= 34 {
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
        } else {
            "spec is immutable after creation except resources.requests for bound claims"
        };
        errors.push(FieldError::forbidden(&Path::new("spec"), &format!("{text}\n{}", difference(before, spec))));
    }
    let size = |it: &Value, path: &[&str]| quantity(it.look(path));
    let (new, previous) = (size(spec, REQUESTED), size(before, REQUESTED));
    if new < previous {
        let path = Path::new("spec.resources.requests.storage");
        // From 1.32 on a claim that could not be grown may be shrunk to what it has.
        if cx.minor < 32 {
            errors.push(FieldError::forbidden(&path, "field can not be less than previous value"));
        } else if new <= size(old, &["status", "capacity", "storage"]) {
            errors.push(FieldError::forbidden(&path, "field can not be less than status.capacity"));
        }
    }
    errors.extend(immutable(spec.at("volumeMode"), before.at("volumeMode"), &Path::new("volumeMode")));
    let attributes = "volumeAttributesClassName";
    if spec.at(attributes) != before.at(attributes) && before.has(attributes) {
        let path = Path::new("spec").child(attributes);
        if !spec.has(attributes) {
            errors.push(FieldError::forbidden(&path, "update from non-nil value to nil is forbidden"));
        } else if spec.text(attributes).is_empty() {
            errors.push(FieldError::forbidden(&path, "update from non-nil value to an empty string is forbidden"));
        }
    }
}

const REQUESTED: &[&str] = &["resources", "requests", "storage"];

/// The new spec with the old values of what may change: the size and the attributes of a bound claim, the volume once,
/// the class where there was none.
fn without_free_fields(spec: &Value, before: &Value, bound: bool, class: &str) -> Value {
    let mut munged = spec.clone();
    if before.text("volumeName").is_empty() {
        copy_field(&mut munged, before, "volumeName");
    }
    let new_class = spec.text("storageClassName");
    if spec.has("storageClassName") && !before.has("storageClassName") && (class.is_empty() || class == new_class) {
        value::remove(&mut munged, "storageClassName");
    }
    if bound {
        if let Some(requests) = object_mut(&mut munged, "resources").and_then(|it| object_mut(it, "requests")) {
            let size = before.look(REQUESTED).clone();
            value::set(requests, "storage", size);
        }
        if spec.has("volumeAttributesClassName") {
            copy_field(&mut munged, before, "volumeAttributesClassName");
        }
    }
    munged
}

/// The fields that differ, one a line, as a text for people.
pub(crate) fn difference(old: &Value, new: &Value) -> String {
    let empty = Map::new();
    let (old, new) = (old.as_object().unwrap_or(&empty), new.as_object().unwrap_or(&empty));
    let mut lines = String::new();
    let keys = old.keys().chain(new.keys().filter(|key| !old.contains_key(*key)));
    for key in keys {
        let (a, b) = (old.get(key).unwrap_or(&Value::Null), new.get(key).unwrap_or(&Value::Null));
        if !same(a, b) {
            lines.push_str(&format!("- \t{key}: {a}\n+ \t{key}: {b}\n"));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const CX: Context<'_> = Context { minor: 34, version: "v1", now: "" };

    fn claim(size: &str, phase: &str) -> Value {
        json!({"metadata": {}, "spec": {"accessModes": ["ReadWriteOnce"], "volumeMode": "Filesystem",
            "resources": {"requests": {"storage": size}}}, "status": {"phase": phase, "capacity": {"storage": "1Gi"}}})
    }

    #[test]
    fn a_bound_claim_may_grow() {
        let grow = |phase| PersistentVolumeClaim.validate_update(&claim("2Gi", phase), &claim("1Gi", phase), &CX).len();
        assert_eq!((grow("Bound"), grow("Pending")), (0, 1));
        let errors = PersistentVolumeClaim.validate_update(&claim("1Gi", "Bound"), &claim("2Gi", "Bound"), &CX);
        assert_eq!(errors[0].message, "Forbidden: field can not be less than status.capacity");
    }

    #[test]
    fn sources_say_the_same() {
        let mut it = claim("1Gi", "Pending");
        it["spec"]["dataSource"] = json!({"kind": "PersistentVolumeClaim", "name": "a"});
        PersistentVolumeClaim.prepare_for_create(&mut it, &CX);
        assert_eq!(it["spec"]["dataSourceRef"]["name"], "a");
        it["spec"]["dataSourceRef"]["name"] = json!("b");
        assert_eq!(
            PersistentVolumeClaim.validate(&it, &CX)[0].message,
            "Invalid value: \"spec.dataSource\": must match dataSourceRef"
        );
    }

    #[test]
    fn bytes_come_whole() {
        let text = "spec.resources.requests[storage]: fractional byte value \"100m\" is invalid, must be an integer";
        assert_eq!(PersistentVolumeClaim.warnings(&claim("100m", "Pending"), None, &CX), [text]);
    }

    #[test]
    fn one_pod_excludes_other_modes() {
        let mut it = claim("1Gi", "Pending");
        it["spec"]["accessModes"] = json!(["ReadWriteOncePod", "ReadWriteMany"]);
        assert_eq!(PersistentVolumeClaim.validate(&it, &CX).len(), 1);
    }
}
