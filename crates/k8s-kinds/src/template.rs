//! The pods and claims that other kinds have within them.

use crate::core::{claim, pod_template};
use crate::kind::Context;
use crate::value::{Look, object_made, object_mut, set, set_default};
use k8s_types::{Errors, Path, names};
use serde_json::{Map, Value, json};

/// Fills in `spec.template` of a kind that makes pods.
pub(crate) fn default(spec: &mut Value, cx: &Context<'_>) {
    if let Some(template) = object_made(spec, "template") {
        set_default(template, "metadata", Map::new());
        set_default(template, "spec", Map::new());
        pod_template::default_template(template, cx);
    }
}

/// Takes away what the minor has switched off in the pods that `object` makes, but for what `old` uses already; `way`
/// leads to their template.
pub(crate) fn drop_disabled(object: &mut Value, old: Option<&Value>, way: &[&str], cx: &Context<'_>) {
    let template = way.iter().try_fold(object, |it, step| object_mut(it, step));
    if let Some(template) = template {
        pod_template::drop_disabled(template, old.map(|old| old.look(way)), cx);
    }
}

/// What is wrong with a pod template.
pub(crate) fn validate(errors: &mut Errors, template: &Value, path: &Path, cx: &Context<'_>) {
    errors.extend(pod_template::validate_template(template, path, cx));
}

/// As [`validate`], with a volume for every claim of a set.
pub(crate) fn validate_with_claims(
    errors: &mut Errors,
    template: &Value,
    claims: &Value,
    path: &Path,
    cx: &Context<'_>,
) {
    let claims = claims.as_array().map(Vec::as_slice).unwrap_or_default();
    if claims.is_empty() {
        return validate(errors, template, path, cx);
    }
    let mut whole = template.clone();
    let names: Vec<&str> = claims.iter().map(|claim| claim.at("metadata").text("name")).collect();
    if let Some(spec) = object_made(&mut whole, "spec") {
        set_default(spec, "volumes", Value::Array(Vec::new()));
        if let Some(volumes) = spec.get_mut("volumes").and_then(Value::as_array_mut) {
            volumes.retain(|volume| !names.contains(&volume.text("name")));
            let claimed = |name: &&str| json!({"name": name, "persistentVolumeClaim": {"claimName": name}});
            volumes.extend(names.iter().map(claimed));
        }
    }
    validate(errors, &whole, path, cx);
}

/// Fills in the metadata of an object within another: before 1.34 the server writes a time that nothing has.
pub(crate) fn default_metadata(it: &mut Value, cx: &Context<'_>) {
    if let Some(metadata) = object_made(it, "metadata")
        && cx.minor < 34
    {
        set(metadata, "creationTimestamp", Value::Null);
    }
}

/// Fills in a claim of a set's.
pub(crate) fn default_claim(claim: &mut Value, cx: &Context<'_>) {
    default_metadata(claim, cx);
    set_default(claim, "spec", Map::new());
    claim::default_claim(claim, cx);
}

/// What is wrong with a claim of a set's.
pub(crate) fn validate_claim(errors: &mut Errors, claim: &Value, path: &Path, cx: &Context<'_>) {
    errors.extend(claim::validate_spec(claim.at("spec"), &path.child("spec"), cx));
}

/// What a writer is warned of about the pods that `object` makes; `way` leads to their template.
pub(crate) fn warnings(object: &Value, old: Option<&Value>, way: &[&str], cx: &Context<'_>) -> Vec<String> {
    let path = Path::new(&way.join("."));
    pod_template::warnings(object.look(way), old.map(|old| old.look(way)), &path, cx)
}

/// Pods are called by what makes them, and a pod's name is its host's.
pub(crate) fn name_warnings(object: &Value) -> Vec<String> {
    let faults = names::dns1123_label(object.at("metadata").text("name"));
    if faults.is_empty() {
        return Vec::new();
    }
    vec![format!(
        "metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label \
         is recommended: [{}]",
        faults.join(" ")
    )]
}
