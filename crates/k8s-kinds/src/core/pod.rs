//! Pod.

use super::pod_spec::{self, In};
use super::{containers, gates, pod_affinity, pod_annotations, pod_defaults, pod_status, pod_template, pod_update};
use super::{pod_warnings, security};
use crate::value::{self, Look, copy_field, items_mut, object_made, object_mut};
use crate::{Context, Kind};
use k8s_types::{Errors, FieldError, Path};
use serde_json::{Value, json};

pub use super::totals::qos_class;

/// The kind.
#[derive(Debug)]
pub struct Pod;

/// Why a pod can't be given to a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AssignError {
    /// It is on its way out, or has a node already: a conflict, with the sentence about it.
    Conflict(String),
    /// Something else holds it back: a bad request, with the sentence about it.
    BadRequest(String),
}

/// Gives a pod to the node of a binding: node, annotations and labels of the binding, and the condition.
pub fn assign(pod: &mut Value, binding: &Value, cx: &Context<'_>) -> Result<(), AssignError> {
    let name = pod.at("metadata").text("name").to_owned();
    if pod.at("metadata").has("deletionTimestamp") {
        let text = format!("pod {name} is being deleted, cannot be assigned to a host");
        return Err(AssignError::Conflict(text));
    }
    let node = pod.at("spec").text("nodeName");
    if !node.is_empty() {
        let node = k8s_types::status::quote(node);
        return Err(AssignError::Conflict(format!("pod {name} is already assigned to node {node}")));
    }
    if !pod.at("spec").items("schedulingGates").is_empty() {
        return Err(AssignError::BadRequest(format!("pod {name} has non-empty .spec.schedulingGates")));
    }
    if let Some(spec) = object_made(pod, "spec") {
        value::set(spec, "nodeName", binding.at("target").text("name"));
    }
    for part in ["annotations", "labels"] {
        if let Some(given) = binding.at("metadata").map(part).filter(|it| !it.is_empty())
            && let Some(own) = object_made(pod, "metadata").and_then(|it| object_made(it, part))
        {
            for (key, text) in given {
                value::set(own, key, text.clone());
            }
        }
    }
    let condition =
        json!({"type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": cx.now});
    if let Some(status) = object_made(pod, "status") {
        pod_status::set_condition(status, condition);
    }
    Ok(())
}

/// What a change through `/ephemeralcontainers` keeps from `old`: all but the ephemeral containers.
pub fn prepare_ephemeral_containers(object: &mut Value, old: &Value, cx: &Context<'_>) {
    let containers = object.at("spec").at("ephemeralContainers").clone();
    keep_all_but_spec(object, old);
    if let Some(spec) = object_mut(object, "spec") {
        value::set(spec, "ephemeralContainers", containers);
        pod_defaults::default_spec(spec, cx);
    }
}

/// What is wrong with a change through `/ephemeralcontainers`.
pub fn validate_ephemeral_containers(object: &Value, old: &Value, cx: &Context<'_>) -> Errors {
    if old.look(&["metadata", "annotations"]).has(pod_annotations::MIRROR) {
        let text = "static pods do not support ephemeral containers";
        return vec![FieldError::forbidden(&Path::default(), text)];
    }
    let mut errors = validate_common(object, cx);
    pod_update::validate_ephemeral(&mut errors, object, old);
    errors
}

/// What a change through `/resize` keeps from `old`: all but containers' resources and how they are resized.
pub fn prepare_resize(object: &mut Value, old: &Value, cx: &Context<'_>) {
    let new = object.at("spec").clone();
    keep_all_but_spec(object, old);
    let Some(spec) = object_mut(object, "spec") else { return };
    for list in ["containers", "initContainers"] {
        for container in items_mut(spec, list) {
            let name = container.text("name").to_owned();
            if let Some(changed) = new.items(list).iter().find(|it| it.text("name") == name) {
                copy_field(container, changed, "resources");
                copy_field(container, changed, "resizePolicy");
            }
        }
    }
    pod_defaults::default_spec(spec, cx);
    pod_defaults::default_pod(spec, cx);
}

/// What is wrong with a change through `/resize`.
pub fn validate_resize(object: &Value, old: &Value, cx: &Context<'_>) -> Errors {
    pod_update::validate_resize(object, old, validate_common(object, cx), cx)
}

/// Subresources of the spec leave the rest of the pod as it is, but for the version that a client has seen.
fn keep_all_but_spec(object: &mut Value, old: &Value) {
    let version = object.at("metadata").at("resourceVersion").clone();
    let managed = object.at("metadata").at("managedFields").clone();
    for part in ["metadata", "spec", "status"] {
        copy_field(object, old, part);
    }
    if let Some(meta) = object_mut(object, "metadata") {
        for (name, kept) in [("resourceVersion", version), ("managedFields", managed)] {
            if !kept.is_null() {
                value::set(meta, name, kept);
            }
        }
    }
}

/// What holds for new and for changed pods.
fn validate_common(object: &Value, cx: &Context<'_>) -> Errors {
    let mut errors = Errors::new();
    let (meta, spec) = (object.at("metadata"), object.at("spec"));
    let path = Path::new("spec");
    pod_annotations::validate(&mut errors, meta, spec, &Path::new("metadata.annotations"));
    pod_spec::validate(&mut errors, spec, In::Pod(meta.text("name")), &path, cx);
    if spec.text("serviceAccountName").is_empty() {
        for (at, volume) in spec.items("volumes").iter().enumerate() {
            for (source_at, source) in volume.at("projected").items("sources").iter().enumerate() {
                if source.has("serviceAccountToken") {
                    let path = path.child("volumes").index(at).child("projected.sources").index(source_at);
                    let text = "must not be specified when serviceAccountName is not set";
                    errors.push(FieldError::forbidden(&path.child("serviceAccountToken"), text));
                }
            }
        }
    }
    for list in ["containers", "initContainers"] {
        for (at, container) in spec.items(list).iter().enumerate() {
            containers::validate_image_form(&mut errors, container, &path.child(list).index(at));
        }
    }
    errors
}

/// Profiles that only annotations or only fields name are named by both; kubelets of other minors read one of them.
fn mirror_apparmor(object: &mut Value) {
    let spec = object.at("spec");
    if spec.at("os").text("name") == "windows" {
        return;
    }
    let pod = spec.look(&["securityContext", "appArmorProfile"]).clone();
    let mut added: Vec<(String, String)> = Vec::new();
    for (container, _) in containers::visit(spec, &Path::default()) {
        let own = container.at("securityContext").at("appArmorProfile");
        let profile = if own.is_null() { &pod } else { own };
        let text = match profile.text("type") {
            "Unconfined" => "unconfined".to_owned(),
            "RuntimeDefault" => "runtime/default".to_owned(),
            "Localhost" => format!("localhost/{}", profile.text("localhostProfile")),
            _ => continue,
        };
        added.push((format!("{}{}", security::APPARMOR_PREFIX, container.text("name")), text));
    }
    let annotations = object.look(&["metadata", "annotations"]).clone();
    for list in ["initContainers", "containers"] {
        let Some(spec) = object_mut(object, "spec") else { return };
        for container in items_mut(spec, list) {
            let key = format!("{}{}", security::APPARMOR_PREFIX, container.text("name"));
            let has_field = container.at("securityContext").has("appArmorProfile") || !pod.is_null();
            let Some(text) = annotations.get(&key).and_then(Value::as_str).filter(|_| !has_field) else { continue };
            let profile = match (text, text.strip_prefix("localhost/")) {
                (_, Some(name)) => json!({"type": "Localhost", "localhostProfile": name}),
                ("runtime/default", _) => json!({"type": "RuntimeDefault"}),
                ("unconfined", _) => json!({"type": "Unconfined"}),
                _ => continue,
            };
            if let Some(context) = object_made(container, "securityContext") {
                value::set(context, "appArmorProfile", profile);
            }
        }
    }
    if !added.is_empty()
        && let Some(own) = object_made(object, "metadata").and_then(|it| object_made(it, "annotations"))
    {
        for (key, text) in added {
            value::set_default(own, &key, text);
        }
    }
}

impl Kind for Pod {
    fn default(&self, object: &mut Value, cx: &Context<'_>) {
        if let Some(spec) = object_made(object, "spec") {
            pod_template::default_spec(spec, cx);
            pod_defaults::default_pod(spec, cx);
        }
        if let Some(status) = object_mut(object, "status") {
            pod_status::default(status);
        }
    }

    fn prepare_for_create(&self, object: &mut Value, cx: &Context<'_>) {
        if let Some(spec) = object_mut(object, "spec") {
            gates::drop_disabled(spec, None, cx);
        }
        let spec = object.at("spec");
        let mut status = json!({"phase": "Pending", "qosClass": qos_class(spec)});
        if !spec.items("schedulingGates").is_empty() {
            let condition = json!({"type": "PodScheduled", "status": "False", "lastProbeTime": null,
                "lastTransitionTime": null, "reason": "SchedulingGated",
                "message": "Scheduling is blocked due to non-empty scheduling gates"});
            pod_status::set_condition(&mut status, condition);
        }
        value::set(object, "status", status);
        pod_affinity::apply_label_keys(object, cx);
        if cx.minor >= 30 {
            mirror_apparmor(object);
        }
    }

    fn prepare_for_update(&self, object: &mut Value, old: &Value, cx: &Context<'_>) {
        copy_field(object, old, "status");
        if let Some(spec) = object_mut(object, "spec") {
            gates::drop_disabled(spec, Some(old.at("spec")), cx);
        }
    }

    fn prepare_for_status_update(&self, object: &mut Value, old: &Value, _cx: &Context<'_>) {
        copy_field(object, old, "spec");
        if let Some(meta) = object_mut(object, "metadata") {
            // Whoever may write a pod's status may not make somebody its owner.
            copy_field(meta, old.at("metadata"), "ownerReferences");
            copy_field(meta, old.at("metadata"), "deletionTimestamp");
        }
        if let Some(status) = object_made(object, "status") {
            let class = old.at("status").at("qosClass").clone();
            value::set_default_zero(status, "qosClass", class);
        }
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn generation_since(&self) -> u8 {
        33
    }

    fn validate(&self, object: &Value, cx: &Context<'_>) -> Errors {
        let mut errors = validate_common(object, cx);
        let (spec, path) = (object.at("spec"), Path::new("spec"));
        if !spec.items("ephemeralContainers").is_empty() {
            errors.push(FieldError::forbidden(&path.child("ephemeralContainers"), "cannot be set on create"));
        }
        if !spec.text("nodeName").is_empty() && !spec.items("schedulingGates").is_empty() {
            let text = "cannot be set until all schedulingGates have been cleared";
            errors.push(FieldError::forbidden(&path.child("nodeName"), text));
        }
        pod_annotations::validate_against_fields(&mut errors, object.at("metadata"), spec, &path);
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value, cx: &Context<'_>) -> Errors {
        let mut errors = validate_common(object, cx);
        pod_annotations::validate_update(&mut errors, object, old, &Path::new("metadata.annotations"));
        pod_update::validate(&mut errors, object, old, cx);
        errors
    }

    fn validate_status_update(&self, object: &Value, old: &Value, _cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        pod_annotations::validate_update(&mut errors, object, old, &Path::new("metadata.annotations"));
        pod_status::validate(&mut errors, object, old);
        errors
    }

    fn warnings(&self, object: &Value, old: Option<&Value>, cx: &Context<'_>) -> Vec<String> {
        // Pods are changed by machines, and often: only who makes one is warned.
        if old.is_some() { Vec::new() } else { pod_warnings::warnings(object, &Path::default(), cx) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CX: Context<'_> = Context { minor: 34, version: "v1", now: "2026-01-01T00:00:00Z" };

    fn pod() -> Value {
        let mut it = json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
        Pod.default(&mut it, &CX);
        it
    }

    #[test]
    fn a_pod_is_assigned_once() {
        let mut it = pod();
        let binding =
            json!({"metadata": {"name": "p", "annotations": {"a": "b"}}, "target": {"kind": "Node", "name": "n"}});
        assert_eq!(assign(&mut it, &binding, &CX), Ok(()));
        assert_eq!(it["spec"]["nodeName"], "n");
        assert_eq!(it["status"]["conditions"][0]["lastTransitionTime"], "2026-01-01T00:00:00Z");
        let conflict = AssignError::Conflict("pod p is already assigned to node \"n\"".to_owned());
        assert_eq!(assign(&mut it, &binding, &CX), Err(conflict));
    }

    #[test]
    fn gates_make_a_condition_and_keep_nodes_away() {
        let mut it = pod();
        it["spec"]["schedulingGates"] = json!([{"name": "a.b/c"}]);
        it["spec"]["nodeName"] = json!("n");
        Pod.prepare_for_create(&mut it, &CX);
        assert_eq!(it["status"]["conditions"][0]["reason"], "SchedulingGated");
        assert_eq!(Pod.validate(&it, &CX)[0].path.as_str(), "spec.nodeName");
    }

    #[test]
    fn apparmor_is_said_both_ways() {
        let mut it = pod();
        it["spec"]["securityContext"] = json!({"appArmorProfile": {"type": "RuntimeDefault"}});
        Pod.prepare_for_create(&mut it, &CX);
        assert_eq!(
            it["metadata"]["annotations"]["container.apparmor.security.beta.kubernetes.io/c"],
            "runtime/default"
        );
        assert!(Pod.validate(&it, &CX).is_empty());
        let mut it = pod();
        it["metadata"]["annotations"] = json!({"container.apparmor.security.beta.kubernetes.io/c": "localhost/x"});
        Pod.prepare_for_create(&mut it, &CX);
        assert_eq!(it["spec"]["containers"][0]["securityContext"]["appArmorProfile"]["localhostProfile"], "x");
    }

    #[test]
    fn resizing_changes_resources_only() {
        let mut old = pod();
        old["spec"]["containers"][0]["resources"] = json!({"requests": {"cpu": "1"}});
        let mut new = old.clone();
        new["spec"]["containers"][0]["resources"] = json!({"requests": {"cpu": "2"}});
        new["spec"]["containers"][0]["image"] = json!("other");
        prepare_resize(&mut new, &old, &CX);
        assert_eq!(new["spec"]["containers"][0]["image"], "i");
        assert!(validate_resize(&new, &old, &CX).is_empty());
        new["spec"]["containers"][0]["resources"] = json!({});
        assert_eq!(validate_resize(&new, &old, &CX).len(), 2);
        new["spec"]["containers"][0]["resources"] = json!({"requests": {"cpu": "1"}, "limits": {"memory": "1Gi"}});
        let cx = Context { minor: 33, ..CX };
        assert_eq!((validate_resize(&new, &old, &cx).len(), validate_resize(&new, &old, &CX).len()), (1, 0));
    }

    #[test]
    fn ephemeral_containers_are_added_never_changed() {
        let old = pod();
        let mut new = old.clone();
        new["spec"]["ephemeralContainers"] = json!([{"name": "e", "image": "i"}]);
        new["spec"]["nodeName"] = json!("n");
        prepare_ephemeral_containers(&mut new, &old, &CX);
        assert!(validate_ephemeral_containers(&new, &old, &CX).is_empty() && !new["spec"].has("nodeName"));
        let errors = validate_ephemeral_containers(&old, &new, &CX);
        assert!(errors[0].message.starts_with("Forbidden: existing ephemeral containers \"e\" may not be removed"));
    }
}
