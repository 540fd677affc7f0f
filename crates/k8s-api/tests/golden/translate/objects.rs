//! What objects have now that they had not in 1.20.

use super::{NAMESPACE_LABEL, NEWER_FIELDS, NO_NULL_TIMES, Rule};
use serde_json::{Map, Value, json};

/// The fields that a kind's objects have besides, as pointers with values.
type Added = &'static [(&'static str, fn() -> Value)];

/// Defaults that came later. A field is added where its parent is there and it is not.
fn added(kind: &str) -> Added {
    match kind {
        "Job" => &[
            ("/spec/completionMode", || json!("NonIndexed")),
            ("/spec/suspend", || json!(false)),
            ("/spec/podReplacementPolicy", || json!("TerminatingOrFailed")),
            ("/metadata/generation", || json!("<n>")),
            ("/spec/manualSelector", || json!(false)),
        ],
        "CronJob" | "Pod" => &[("/metadata/generation", || json!("<n>"))],
        "StatefulSet" => &[
            ("/spec/persistentVolumeClaimRetentionPolicy", || json!({"whenDeleted": "Retain", "whenScaled": "Retain"})),
            ("/status/availableReplicas", || json!(0)),
        ],
        "DaemonSet" => &[("/spec/updateStrategy/rollingUpdate/maxSurge", || json!(0))],
        "PersistentVolume" => &[("/status/lastPhaseTransitionTime", || json!("<time>"))],
        _ => &[],
    }
}

/// Owned fields that came with these defaults: an owner of the first owns the second, too.
fn owned(kind: &str) -> &'static [(&'static str, &'static str)] {
    match kind {
        "Service" => &[
            ("/f:spec/f:sessionAffinity", "f:internalTrafficPolicy"),
            ("/f:spec/f:clusterIP", "f:internalTrafficPolicy"),
        ],
        "Job" => &[
            ("/f:spec/f:backoffLimit", "f:manualSelector"),
            ("/f:spec/f:backoffLimit", "f:completionMode"),
            ("/f:spec/f:backoffLimit", "f:suspend"),
            ("/f:spec/f:backoffLimit", "f:podReplacementPolicy"),
        ],
        _ => &[],
    }
}

/// Rewrites a recorded body into what 1.34 answers; `resource` is the path's, for bodies without a kind of their own.
pub fn expected(body: &mut Value, resource: &str) -> Vec<&'static Rule> {
    let mut rules = Vec::new();
    if without_null_times(body) {
        rules.push(&NO_NULL_TIMES);
    }
    each(body, "", resource, &mut |kind, object| {
        if kind == "Namespace" && named(object) {
            namespace(object);
            rules.push(&NAMESPACE_LABEL);
        }
        if newer_fields(kind, object) {
            rules.push(&NEWER_FIELDS);
        }
    });
    rules
}

/// Takes `creationTimestamp: null` out of all metadata.
fn without_null_times(value: &mut Value) -> bool {
    match value {
        Value::Array(items) => items.iter_mut().fold(false, |any, it| without_null_times(it) | any),
        Value::Object(map) => {
            let null = map.get("creationTimestamp").is_some_and(Value::is_null);
            if null {
                map.shift_remove("creationTimestamp");
            }
            // Nor is it owned.
            let null = map.shift_remove("f:creationTimestamp").is_some() || null;
            map.values_mut().fold(null, |any, it| without_null_times(it) | any)
        }
        _ => false,
    }
}

/// Calls `visit` for every stored object in a body: itself, a list's items, a table's rows.
fn each(value: &mut Value, kind: &str, resource: &str, visit: &mut dyn FnMut(&str, &mut Map<String, Value>)) {
    let own = value["kind"].as_str().unwrap_or(kind).to_owned();
    let Some(object) = value.as_object_mut() else { return };
    if let Some(item) = own.strip_suffix("List") {
        let items = object.get_mut("items").and_then(Value::as_array_mut);
        return items.into_iter().flatten().for_each(|it| each(it, item, resource, visit));
    }
    if own == "Table" {
        let rows = object.get_mut("rows").and_then(Value::as_array_mut);
        return rows.into_iter().flatten().for_each(|it| each(&mut it["object"], "", resource, visit));
    }
    let stored = object.get("metadata").is_some_and(|it| it.get("uid").is_some());
    let kind = match own.as_str() {
        "PartialObjectMetadata" => match resource {
            "namespaces" => "Namespace",
            "pods" => "Pod",
            "services" => "Service",
            "jobs" => "Job",
            "cronjobs" => "CronJob",
            _ => "",
        },
        other => other,
    };
    if stored {
        visit(kind, object);
    }
}

fn named(object: &Map<String, Value>) -> bool {
    object.get("metadata").is_some_and(|it| it["name"].is_string())
}

fn namespace(object: &mut Map<String, Value>) {
    let metadata = &mut object["metadata"];
    let name = metadata["name"].clone();
    metadata["labels"]["kubernetes.io/metadata.name"] = name;
    // A name that the server made up was not there yet when owners were noted.
    if metadata.get("generateName").is_some() {
        return;
    }
    own(metadata, "", |fields| {
        let labels = &mut fields["f:metadata"]["f:labels"];
        labels["."] = json!({});
        labels["f:kubernetes.io/metadata.name"] = json!({});
    });
}

/// Lets the first updater own more, if it owns `marker`.
fn own(metadata: &mut Value, marker: &str, change: impl Fn(&mut Value)) {
    let entries = metadata.get_mut("managedFields").and_then(Value::as_array_mut);
    let entry = entries
        .into_iter()
        .flatten()
        .find(|it| it["operation"] == "Update" && it["fieldsV1"].pointer(marker).is_some());
    if let Some(entry) = entry {
        change(&mut entry["fieldsV1"]);
    }
}

fn newer_fields(kind: &str, object: &mut Map<String, Value>) -> bool {
    let mut changed = match kind {
        "Service" => service(object),
        "Job" => job(object),
        _ => false,
    };
    let mut whole = Value::Object(std::mem::take(object));
    for (pointer, value) in added(kind) {
        let Some((parent, field)) = pointer.rsplit_once('/') else { continue };
        if let Some(parent) = whole.pointer_mut(parent).and_then(Value::as_object_mut)
            && !parent.contains_key(field)
        {
            parent.insert(field.to_owned(), value());
            changed = true;
        }
    }
    for (marker, field) in owned(kind) {
        let Some((parent, _)) = marker.rsplit_once('/') else { continue };
        own(&mut whole["metadata"], marker, |fields| {
            if let Some(parent) = fields.pointer_mut(parent) {
                parent[*field] = json!({});
            }
        });
    }
    if let Value::Object(whole) = whole {
        *object = whole;
    }
    changed
}

/// Labels of 1.27 beside the old ones; the selector is of the new one.
fn job(object: &mut Map<String, Value>) -> bool {
    let mut whole = Value::Object(std::mem::take(object));
    // Generations are the server's own since they are counted.
    let generation = whole.pointer_mut("/metadata/generation");
    let mut changed = generation.is_some();
    generation.into_iter().for_each(|it| *it = json!("<n>"));
    for at in ["/metadata/labels", "/spec/template/metadata/labels", "/spec/selector/matchLabels"] {
        let Some(labels) = whole.pointer_mut(at).and_then(Value::as_object_mut) else { continue };
        for old in ["controller-uid", "job-name"] {
            if let Some(value) = labels.get(old).cloned() {
                labels.insert(format!("batch.kubernetes.io/{old}"), value);
                changed = true;
            }
        }
        if at.ends_with("matchLabels") {
            labels.shift_remove("controller-uid");
        }
    }
    if let Value::Object(whole) = whole {
        *object = whole;
    }
    changed
}

/// Families of addresses, and the policy of traffic inside.
fn service(object: &mut Map<String, Value>) -> bool {
    let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) else { return false };
    if spec.get("type").is_some_and(|it| it == "ExternalName") {
        return false;
    }
    let before = spec.len();
    let mut add = |field: &str, value: Value| {
        spec.entry(field.to_owned()).or_insert(value);
    };
    add("internalTrafficPolicy", json!("Cluster"));
    add("ipFamilies", json!(["IPv4"]));
    add("ipFamilyPolicy", json!("SingleStack"));
    if let Some(address) = spec.get("clusterIP").cloned() {
        spec.entry("clusterIPs").or_insert_with(|| json!([address]));
    }
    if spec.get("type").is_some_and(|it| it == "LoadBalancer") {
        spec.entry("allocateLoadBalancerNodePorts").or_insert(json!(true));
    }
    spec.len() > before
}

#[test]
fn bodies_are_rewritten() {
    let mut body = json!({"kind": "NamespaceList", "items": [{"metadata": {"name": "a", "uid": "<uid1>"}}]});
    assert_eq!(expected(&mut body, "namespaces"), [&NAMESPACE_LABEL]);
    assert_eq!(body["items"][0]["metadata"]["labels"], json!({"kubernetes.io/metadata.name": "a"}));
    let mut body =
        json!({"kind": "Service", "metadata": {"uid": "<uid>"}, "spec": {"clusterIP": "None", "type": "ClusterIP"}});
    assert_eq!(expected(&mut body, "services"), [&NEWER_FIELDS]);
    assert_eq!(body["spec"]["clusterIPs"], json!(["None"]));
    let mut body = json!({"spec": {"template": {"metadata": {"creationTimestamp": null}}}});
    assert_eq!(expected(&mut body, "x"), [&NO_NULL_TIMES]);
    assert_eq!(body, json!({"spec": {"template": {"metadata": {}}}}));
}
