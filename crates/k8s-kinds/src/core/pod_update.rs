//! What may change in a pod once it is there.

use super::claim::difference;
use super::resources::quantity;
use super::{check, containers, scheduling, totals};
use crate::Context;
use crate::value::{self, Look, copy_field, items_mut, object_mut, same};
use k8s_types::status::quote;
use k8s_types::{Errors, FieldError, Path};
use serde_json::Value;

const MAY_CHANGE: &str = "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,\
                          `spec.tolerations` (only additions to existing tolerations),\
                          `spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

/// What is wrong with a change of a pod's spec.
pub(crate) fn validate(errors: &mut Errors, object: &Value, old: &Value, _cx: &Context<'_>) {
    let (spec, before, path) = (object.at("spec"), old.at("spec"), Path::new("spec"));
    for list in ["containers", "initContainers"] {
        let path = path.child(list);
        if spec.items(list).len() != before.items(list).len() {
            errors.push(FieldError::forbidden(&path, "pod updates may not add or remove containers"));
            return;
        }
        for (at, container) in spec.items(list).iter().enumerate() {
            check::text_needed(errors, container, "image", &path.index(at));
            containers::validate_image_form(errors, container, &path.index(at));
        }
    }
    if !validate_deadline(errors, spec, before, &path.child("activeDeadlineSeconds")) {
        return;
    }
    validate_tolerations(errors, spec.items("tolerations"), before.items("tolerations"), &path.child("tolerations"));
    validate_gates(errors, spec, before, &path.child("schedulingGates"));
    if same(spec, before) {
        return;
    }
    let mut munged = with_old_values(spec, before);
    if !before.items("schedulingGates").is_empty() {
        narrow(errors, &mut munged, before, &path);
    }
    if !same(&munged, before) {
        let text =
            format!("pod updates may not change fields other than {MAY_CHANGE}\n{}", difference(before, &munged));
        errors.push(FieldError::forbidden(&path, &text));
    }
}

/// Answers whether the rest is worth a look.
fn validate_deadline(errors: &mut Errors, spec: &Value, before: &Value, path: &Path) -> bool {
    match (spec.opt_int("activeDeadlineSeconds"), before.opt_int("activeDeadlineSeconds")) {
        (Some(new), _) if !(0..=i64::from(i32::MAX)).contains(&new) => {
            check::range(errors, new, 0, i64::from(i32::MAX), path);
            false
        }
        (Some(new), Some(old)) if new > old => {
            errors.push(FieldError::invalid(path, new, "must be less than or equal to previous value"));
            false
        }
        (None, Some(_)) => {
            errors.push(FieldError::invalid(path, Value::Null, "must not update from a positive integer to nil value"));
            true
        }
        _ => true,
    }
}

fn validate_tolerations(errors: &mut Errors, new: &[Value], old: &[Value], path: &Path) {
    let same_but_time =
        |a: &Value, b: &Value| ["key", "operator", "value", "effect"].iter().all(|name| a.text(name) == b.text(name));
    if old.iter().any(|old| !new.iter().any(|it| same_but_time(it, old))) {
        let text = "existing toleration can not be modified except its tolerationSeconds";
        errors.push(FieldError::forbidden(path, text));
    } else {
        errors.extend(scheduling::validate_tolerations(new, path));
    }
}

fn validate_gates(errors: &mut Errors, spec: &Value, before: &Value, path: &Path) {
    for (at, gate) in spec.items("schedulingGates").iter().enumerate() {
        let name = gate.text("name");
        if !before.items("schedulingGates").iter().any(|it| it.text("name") == name) {
            let text = format!("only deletion is allowed, but found new scheduling gate '{name}'");
            errors.push(FieldError::forbidden(&path.index(at).child("name"), &text));
        }
    }
}

/// The new spec with the old values of what may change.
fn with_old_values(spec: &Value, before: &Value) -> Value {
    let mut munged = spec.clone();
    for list in ["containers", "initContainers"] {
        for (container, old) in items_mut(&mut munged, list).iter_mut().zip(before.items(list)) {
            copy_field(container, old, "image");
        }
    }
    for name in ["activeDeadlineSeconds", "schedulingGates", "tolerations"] {
        copy_field(&mut munged, before, name);
    }
    let grace = "terminationGracePeriodSeconds";
    if before.int(grace) < 0 && spec.opt_int(grace) == Some(1) {
        copy_field(&mut munged, before, grace);
    }
    munged
}

/// While something keeps a pod from being scheduled, where it may go can be narrowed.
fn narrow(errors: &mut Errors, munged: &mut Value, before: &Value, path: &Path) {
    if !same(munged.at("nodeSelector"), before.at("nodeSelector")) {
        let path = path.child("nodeSelector");
        for (key, value) in before.entries("nodeSelector") {
            if munged.at("nodeSelector").get(key) != Some(value) {
                let selector = munged.at("nodeSelector").clone();
                let text = "only additions to spec.nodeSelector are allowed (no mutations or deletions)";
                errors.push(FieldError::invalid(&path, selector, text));
                break;
            }
        }
        copy_field(munged, before, "nodeSelector");
    }
    let old = before.look(&["affinity", "nodeAffinity"]);
    let new = munged.look(&["affinity", "nodeAffinity"]);
    if new == old {
        return;
    }
    validate_narrowed(errors, new, old, &path.child("affinity.nodeAffinity"));
    let others = |it: &Value| ["podAffinity", "podAntiAffinity"].iter().any(|name| it.has(name));
    if !before.has("affinity") && !others(munged.at("affinity")) {
        value::remove(munged, "affinity");
    } else if !munged.has("affinity") {
        value::set(munged, "affinity", serde_json::json!({"nodeAffinity": old}));
    } else if let Some(affinity) = object_mut(munged, "affinity") {
        copy_field(affinity, before.at("affinity"), "nodeAffinity");
    }
}

fn validate_narrowed(errors: &mut Errors, new: &Value, old: &Value, path: &Path) {
    let required = "requiredDuringSchedulingIgnoredDuringExecution";
    if !old.has(required) {
        return;
    }
    let path = path.child(required).child("nodeSelectorTerms");
    let (new, old) = (new.at(required).items("nodeSelectorTerms"), old.at(required).items("nodeSelectorTerms"));
    if !old.is_empty() && new.len() != old.len() {
        let text = "no additions/deletions to non-empty NodeSelectorTerms list are allowed";
        errors.push(FieldError::invalid(&path, new.to_vec(), text));
        return;
    }
    for (at, (new, old)) in new.iter().zip(old).enumerate() {
        let path = path.index(at);
        let empty = old.items("matchExpressions").is_empty() && old.items("matchFields").is_empty();
        let kept = ["matchExpressions", "matchFields"].iter().all(|list| {
            let kept = old.items(list).iter().zip(new.items(list)).all(|(a, b)| same(a, b));
            kept && new.items(list).len() >= old.items(list).len()
        });
        if !kept || (empty && !same(new, old)) {
            let text = "only additions are allowed (no mutations or deletions)";
            errors.push(FieldError::invalid(&path, new.clone(), text));
        }
    }
}

/// What is wrong with a change of the ephemeral containers.
pub(crate) fn validate_ephemeral(errors: &mut Errors, object: &Value, old: &Value) {
    let path = Path::new("spec.ephemeralContainers");
    let new = object.at("spec").items("ephemeralContainers");
    for before in old.at("spec").items("ephemeralContainers") {
        let name = before.text("name");
        match new.iter().find(|it| it.text("name") == name) {
            None => {
                let text = format!("existing ephemeral containers {} may not be removed\n", quote(name));
                errors.push(FieldError::forbidden(&path, &text));
            }
            Some(it) if !same(it, before) => {
                let difference = difference(before, it);
                let text = format!("existing ephemeral containers {} may not be changed\n{difference}", quote(name));
                errors.push(FieldError::forbidden(&path, &text));
            }
            Some(_) => {}
        }
    }
}

/// What is wrong with a change of containers' resources; `errors` is what is wrong with the new pod.
pub(crate) fn validate_resize(object: &Value, old: &Value, mut errors: Errors, cx: &Context<'_>) -> Errors {
    let (spec, before, path) = (object.at("spec"), old.at("spec"), Path::new("spec"));
    let refused = |text: &str| vec![FieldError::forbidden(&Path::default(), text)];
    let has_own =
        |spec: &Value| ["requests", "limits"].iter().any(|it| spec.at("resources").entries(it).next().is_some());
    if has_own(spec) || has_own(before) {
        return refused("pods with pod-level resources cannot be resized");
    }
    if old.look(&["metadata", "annotations"]).has(super::pod_annotations::MIRROR) {
        return refused("static pods cannot be resized");
    }
    if before.at("os").text("name") == "windows" {
        return refused("windows pods cannot be resized");
    }
    let class = match old.at("status").text("qosClass") {
        "" => totals::qos_class(before),
        class => class,
    };
    if totals::qos_class(spec) != class {
        let text = "Pod QOS Class may not change as a result of resizing";
        errors.push(FieldError::invalid(&path, object.at("status").text("qosClass"), text));
    }
    let running = old.at("status").items("containerStatuses").iter().find(|it| it.at("state").has("running"));
    if running.is_some_and(|it| !it.has("resources")) {
        errors.push(FieldError::forbidden(&path, "Pod running on node without support for resize"));
    }
    for list in ["initContainers", "containers"] {
        let pairs = spec.items(list).iter().zip(before.items(list)).enumerate();
        for (at, (new, old)) in pairs.filter(|(_, (new, _))| list == "containers" || containers::is_sidecar(new)) {
            validate_container_resize(&mut errors, new, old, &path.child(list).index(at).child("resources"), cx);
        }
        for (new, old) in spec.items(list).iter().zip(before.items(list)) {
            validate_only_cpu_and_memory(&mut errors, list, new, old, &path);
        }
    }
    errors
}

fn validate_container_resize(errors: &mut Errors, new: &Value, old: &Value, path: &Path, cx: &Context<'_>) {
    let (new_resources, old_resources) = (new.at("resources"), old.at("resources"));
    for part in ["requests", "limits"] {
        if old_resources.entries(part).any(|(name, _)| !new_resources.at(part).has(name)) {
            errors.push(FieldError::forbidden(&path.child(part), &format!("resource {part} cannot be removed")));
        }
    }
    // From 1.34 on kubelets try to take memory away from what runs.
    if cx.minor >= 34 {
        return;
    }
    let policy = new.items("resizePolicy").iter().find(|it| it.text("resourceName") == "memory");
    if !matches!(policy.map(|it| it.text("restartPolicy")), None | Some("" | "NotRequired")) {
        return;
    }
    let limit = |it: &Value| it.at("limits").get("memory").map(quantity);
    let text = match (limit(new_resources), limit(old_resources)) {
        (Some(new), Some(old)) if new < old => {
            "memory limits cannot be decreased unless resizePolicy is RestartContainer"
        }
        (Some(_), None) => "memory limits cannot be added unless resizePolicy is RestartContainer",
        _ => return,
    };
    errors.push(FieldError::forbidden(&path.child("limits").key("memory"), text));
}

fn validate_only_cpu_and_memory(errors: &mut Errors, list: &str, new: &Value, old: &Value, path: &Path) {
    let sidecar = containers::is_sidecar(new);
    if list == "initContainers" && !sidecar {
        if !same(new, old) {
            errors.push(FieldError::forbidden(path, "resources for non-sidecar init containers are immutable"));
        }
        return;
    }
    let rest = |it: &Value, part: &str| -> Vec<(String, Value)> {
        let others = it.at("resources").entries(part).filter(|(name, _)| !matches!(*name, "cpu" | "memory"));
        others.map(|(name, value)| (name.to_owned(), value.clone())).collect()
    };
    let changed = ["requests", "limits"].iter().any(|part| {
        let (new, old) = (rest(new, part), rest(old, part));
        new.len() != old.len() || new.iter().any(|it| !old.contains(it))
    });
    if changed || !same(new.at("resizePolicy"), old.at("resizePolicy")) {
        let text = if list == "containers" {
            "only cpu and memory resources are mutable"
        } else {
            "only cpu and memory resources for sidecar containers are mutable"
        };
        errors.push(FieldError::forbidden(path, text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const CX: Context<'_> = Context { minor: 34, version: "v1", now: "" };

    fn texts(new: Value, old: Value) -> Vec<String> {
        let mut errors = Errors::new();
        validate(&mut errors, &json!({"spec": new}), &json!({"spec": old}), &CX);
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn images_and_deadlines_may_change() {
        let spec = |image: &str| json!({"containers": [{"name": "c", "image": image}]});
        assert!(texts(spec("b"), spec("a")).is_empty());
        let with = |seconds: u32| json!({"activeDeadlineSeconds": seconds});
        assert!(texts(with(1), with(2)).is_empty() && texts(with(1), json!({})).is_empty());
        assert_eq!(texts(with(3), with(2)).len(), 1);
        let found = texts(json!({"nodeName": "n"}), json!({}));
        assert!(
            found[0].starts_with(
                "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
            )
        );
        assert!(found[0].ends_with("\n- \tnodeName: null\n+ \tnodeName: \"n\"\n"));
    }

    #[test]
    fn gated_pods_may_be_narrowed() {
        let gates = json!([{"name": "a.b/c"}]);
        let old = json!({"schedulingGates": gates, "nodeSelector": {"a": "b"}});
        let new =
            json!({"schedulingGates": gates, "nodeSelector": {"a": "b", "c": "d"}, "affinity": {"nodeAffinity": {}}});
        assert!(texts(new.clone(), old.clone()).is_empty());
        assert!(texts(json!({"nodeSelector": {"a": "b"}}), old.clone()).is_empty());
        assert_eq!(texts(json!({"schedulingGates": gates, "nodeSelector": {}}), old).len(), 1);
        let two = json!({"schedulingGates": [{"name": "a.b/c"}, {"name": "x.y/z"}]});
        assert_eq!(texts(two, json!({"schedulingGates": gates})).len(), 1);
    }

    #[test]
    fn tolerations_are_only_added() {
        let old = json!({"tolerations": [{"key": "a", "operator": "Exists", "effect": "NoExecute"}]});
        let longer = json!({"tolerations": [
            {"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}, {"operator": "Exists"}]});
        assert!(texts(longer, old.clone()).is_empty());
        assert_eq!(texts(json!({}), old).len(), 1);
    }
}
