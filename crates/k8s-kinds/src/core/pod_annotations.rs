//! Annotations of pods that mean something to the API: what came before fields, and what has no field.

use super::security::{self, APPARMOR_PREFIX};
use super::{containers, scheduling};
use crate::value::Look;
use k8s_types::{Errors, FieldError, Path};
use serde_json::Value;

/// On pods that a kubelet runs without being told.
pub(crate) const MIRROR: &str = "kubernetes.io/config.mirror";
const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";
const TOLERATIONS: &str = "scheduler.alpha.kubernetes.io/tolerations";
const SECCOMP_POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
const SECCOMP_PREFIX: &str = "container.seccomp.security.alpha.kubernetes.io/";

/// What is wrong with a pod's or template's annotations; `path` leads to them.
pub(crate) fn validate(errors: &mut Errors, meta: &Value, spec: &Value, path: &Path) {
    let annotations = meta.at("annotations");
    if annotations.is_null() {
        return;
    }
    if annotations.has(MIRROR) && spec.text("nodeName").is_empty() {
        let text = "must set spec.nodeName if mirror pod annotation is set";
        errors.push(FieldError::invalid(&path.key(MIRROR), annotations.text(MIRROR), text));
    }
    let tolerations = annotations.text(TOLERATIONS);
    if !tolerations.is_empty() {
        match serde_json::from_str::<Vec<Value>>(tolerations) {
            Ok(it) => errors.extend(scheduling::validate_tolerations(&it, &path.child(TOLERATIONS))),
            Err(error) => errors.push(FieldError::invalid(path, TOLERATIONS, &error.to_string())),
        }
    }
    if let Some(cost) = annotations.at(DELETION_COST).as_str()
        && !is_deletion_cost(cost)
    {
        errors.push(FieldError::invalid(&path.key(DELETION_COST), cost, "must be a 32bit integer"));
    }
    security::validate_annotations(errors, meta, spec, path);
}

/// A number as Go reads it, without a sign or zeros before it that are not needed.
fn is_deletion_cost(text: &str) -> bool {
    let plain = text == "0" || !(text.starts_with('+') || text.starts_with('0'));
    plain && text.parse::<i32>().is_ok()
}

/// What is wrong with profiles that annotations and fields both name; `path` is the spec's.
pub(crate) fn validate_against_fields(errors: &mut Errors, meta: &Value, spec: &Value, path: &Path) {
    let annotations = meta.at("annotations");
    if annotations.is_null() {
        return;
    }
    let pod = spec.at("securityContext");
    let seccomp = path.child("securityContext.seccompProfile");
    compare(errors, annotations.at(SECCOMP_POD), pod.at("seccompProfile"), "seccomp", &seccomp);
    let containers = containers::visit(spec, path);
    for (container, path) in &containers {
        let key = format!("{SECCOMP_PREFIX}{}", container.text("name"));
        let profile = container.at("securityContext").at("seccompProfile");
        let at = path.child("securityContext.seccompProfile");
        compare(errors, annotations.at(&key), profile, "seccomp", &at);
    }
    if spec.at("os").text("name") == "windows" {
        return;
    }
    for (container, path) in &containers {
        let key = format!("{APPARMOR_PREFIX}{}", container.text("name"));
        let own = container.at("securityContext").at("appArmorProfile");
        let profile = if own.is_null() { pod.at("appArmorProfile") } else { own };
        let at = path.child("securityContext.appArmorProfile");
        compare(errors, annotations.at(&key), profile, "apparmor", &at);
    }
}

fn compare(errors: &mut Errors, annotation: &Value, profile: &Value, what: &str, path: &Path) {
    let Some(annotation) = annotation.as_str().filter(|_| !profile.is_null()) else { return };
    let type_fits = match profile.text("type") {
        "Unconfined" => annotation == "unconfined",
        "RuntimeDefault" => annotation == "runtime/default" || (what == "seccomp" && annotation == "docker/default"),
        "Localhost" => annotation.starts_with("localhost/"),
        _ => return,
    };
    if !type_fits {
        let text = format!("{what} type in annotation and field must match");
        errors.push(FieldError::forbidden(&path.child("type"), &text));
    } else if let Some(name) = annotation.strip_prefix("localhost/")
        && profile.text("localhostProfile") != name
    {
        let text = format!("{what} profile in annotation and field must match");
        errors.push(FieldError::forbidden(&path.child("localhostProfile"), &text));
    }
}

/// What is wrong with a change of annotations that stay as they are; `path` leads to them.
pub(crate) fn validate_update(errors: &mut Errors, object: &Value, old: &Value, path: &Path) {
    let (new, before) = (object.look(&["metadata", "annotations"]), old.look(&["metadata", "annotations"]));
    let fixed = |key: &str| match key {
        MIRROR => Some("mirror pod annotation"),
        _ if key.starts_with(APPARMOR_PREFIX) => Some("AppArmor annotations"),
        _ => None,
    };
    for (key, value) in before.as_object().into_iter().flatten() {
        if let Some(what) = fixed(key).filter(|_| new.get(key) != Some(value)) {
            errors.push(FieldError::forbidden(&path.key(key), &format!("may not remove or update {what}")));
        }
    }
    for (key, _) in new.as_object().into_iter().flatten() {
        if let Some(what) = fixed(key).filter(|_| before.get(key).is_none()) {
            errors.push(FieldError::forbidden(&path.key(key), &format!("may not add {what}")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_are_plain() {
        assert!(["0", "-5", "100"].iter().all(|it| is_deletion_cost(it)));
        assert!(["+1", "01", "x", "9999999999", ""].iter().all(|it| !is_deletion_cost(it)));
    }

    #[test]
    fn a_profile_is_said_once_or_alike() {
        let meta = json!({"annotations": {"container.apparmor.security.beta.kubernetes.io/c": "localhost/a"}});
        let spec = |profile: &str| {
            json!({"containers": [{"name": "c",
                "securityContext": {"appArmorProfile": {"type": "Localhost", "localhostProfile": profile}}}]})
        };
        let count = |profile: &str| {
            let mut errors = Errors::new();
            validate_against_fields(&mut errors, &meta, &spec(profile), &Path::new("spec"));
            errors.len()
        };
        assert_eq!((count("a"), count("b")), (0, 1));
    }
}
