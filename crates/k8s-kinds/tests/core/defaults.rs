//! What is filled in and dropped when an object is made, as `kind-defaults.jsonl` has it.

use crate::records::{context, kind, namespace, put, read};
use k8s_kinds::meta::validate_object_meta;
use k8s_types::Path;
use k8s_types::quantity::Quantity;
use serde_json::{Value, json};

/// Takes out of an answer what other parts of the server put in, so that the kind's own work is left.
fn own_work(answer: &mut Value, request: &Value) {
    let kind = request["kind"].as_str().unwrap();
    let metadata = answer["metadata"].as_object_mut().unwrap();
    for name in ["uid", "resourceVersion", "creationTimestamp", "generation", "name"] {
        metadata.shift_remove(name);
    }
    // Finalizers that protect storage come from admission.
    let finalizers = request["metadata"].get("finalizers").cloned();
    metadata.shift_remove("finalizers");
    if let Some(finalizers) = finalizers {
        metadata.insert("finalizers".to_owned(), finalizers);
    }
    match kind {
        "Pod" => without_admission(answer, request),
        "Service" => without_allocation(&mut answer["spec"], &request["spec"]),
        "Node" => {
            // The taint comes from admission.
            answer["spec"].as_object_mut().unwrap().shift_remove("taints");
        }
        _ => {}
    }
}

/// Service accounts, priorities and tolerations come from admission.
fn without_admission(answer: &mut Value, request: &Value) {
    let spec = answer["spec"].as_object_mut().unwrap();
    let own = |it: &Value| !it["name"].as_str().unwrap_or_default().starts_with("kube-api-access-");
    if let Some(volumes) = spec.get_mut("volumes").and_then(Value::as_array_mut) {
        volumes.retain(own);
    }
    for list in ["containers", "initContainers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(mounts) = container.get_mut("volumeMounts").and_then(Value::as_array_mut) {
                mounts.retain(own);
            }
        }
    }
    for name in ["serviceAccount", "serviceAccountName", "priority", "preemptionPolicy"] {
        if request["spec"].get("serviceAccountName").is_none() || name.starts_with('p') {
            spec.shift_remove(name);
        }
    }
    let asked = request["spec"]["tolerations"].as_array().cloned().unwrap_or_default();
    if let Some(tolerations) = spec.get_mut("tolerations").and_then(Value::as_array_mut) {
        tolerations.truncate(asked.len());
    }
}

/// Addresses and ports are given out, and with them the families.
fn without_allocation(spec: &mut Value, asked: &Value) {
    let placeholder = |value: &Value| value.as_str().is_some_and(|it| it.starts_with('<'));
    let map = spec.as_object_mut().unwrap();
    map.retain(|_, value| !placeholder(value) && !value.as_array().is_some_and(|it| it.iter().any(placeholder)));
    for name in ["ipFamilies", "ipFamilyPolicy"].into_iter().filter(|it| asked.get(it).is_none()) {
        map.shift_remove(name);
    }
    for port in map.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        port.as_object_mut().unwrap().retain(|_, value| !placeholder(value));
    }
}

/// What later minors fill in besides, and 1.20 did not.
fn newer(answer: &mut Value, request: &Value, minor: u8) {
    match request["kind"].as_str().unwrap() {
        // 1.21: every namespace has its name as a label.
        "Namespace" => {
            if let Some(name) = request["metadata"].get("name") {
                put(answer, &["metadata", "labels"], json!({"kubernetes.io/metadata.name": name}));
            }
        }
        // 1.22: where traffic from inside goes.
        "Service" if answer["spec"]["type"] != "ExternalName" => {
            put(answer, &["spec", "internalTrafficPolicy"], json!("Cluster"));
        }
        // 1.29: when the phase changed.
        "PersistentVolume" if minor >= 29 => {
            put(answer, &["status", "lastPhaseTransitionTime"], json!("2026-01-01T00:00:00Z"));
        }
        _ => {}
    }
    // 1.34: no time any more where nothing has one.
    if minor >= 34 {
        drop_null_times(answer);
    }
}

fn drop_null_times(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|name, value| name != "creationTimestamp" || !value.is_null());
            map.values_mut().for_each(drop_null_times);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_null_times),
        _ => {}
    }
}

/// Equal but for the writing of quantities, which the codec settles, and for empty lists and maps.
fn alike(path: &str, a: &Value, b: &Value, differences: &mut Vec<String>) {
    let empty = |it: &Value| matches!(it, Value::Null) || it.as_array().is_some_and(Vec::is_empty);
    match (a, b) {
        (Value::Object(x), Value::Object(y)) => {
            for key in x.keys().chain(y.keys().filter(|key| !x.contains_key(*key))) {
                let (p, q) = (x.get(key).unwrap_or(&Value::Null), y.get(key).unwrap_or(&Value::Null));
                alike(&format!("{path}.{key}"), p, q, differences);
            }
        }
        (Value::Array(x), Value::Array(y)) if x.len() == y.len() => {
            for (at, (p, q)) in x.iter().zip(y).enumerate() {
                alike(&format!("{path}[{at}]"), p, q, differences);
            }
        }
        _ => {
            let same_amount = matches!((Quantity::from_value(a), Quantity::from_value(b)), (Ok(p), Ok(q)) if p == q);
            let null = a.is_null() || b.is_null();
            if a != b && !(empty(a) && empty(b)) && (null || !same_amount) {
                differences.push(format!("{path}: {a} is not {b}"));
            }
        }
    }
}

fn replay(minor: u8) -> usize {
    let cx = context(minor);
    let mut compared = 0;
    for scenario in read("kind-defaults.jsonl") {
        for (at, step) in scenario.steps.iter().enumerate() {
            let request = &step["request"]["body"];
            let Some((kind, namespaced)) = kind(request) else { continue };
            let mut object = request.clone();
            let path = step["request"]["path"].as_str().unwrap();
            if let Some(namespace) = namespace(path) {
                put(&mut object, &["metadata", "namespace"], namespace.into());
            }
            // What a client may not set is wiped by the server.
            let metadata = object["metadata"].as_object_mut().unwrap();
            for name in ["uid", "creationTimestamp", "deletionTimestamp", "selfLink", "generation"] {
                metadata.shift_remove(name);
            }
            kind.default(&mut object, &cx);
            let once = object.clone();
            kind.default(&mut object, &cx);
            assert_eq!(once, object, "{}[{at}] is not idempotent", scenario.name);
            kind.prepare_for_create(&mut object, &cx);
            let mut answer = step["response"]["body"].clone();
            own_work(&mut answer, request);
            newer(&mut answer, request, minor);
            let mut differences = Vec::new();
            let mut compare = object.clone();
            compare["metadata"].as_object_mut().unwrap().shift_remove("name");
            alike("", &compare, &answer, &mut differences);
            assert!(differences.is_empty(), "{}[{at}]: {differences:#?}", scenario.name);
            // A generated name, and a port that is given out.
            if object["metadata"].get("name").is_none() {
                object["metadata"]["name"] = json!("generated");
            }
            if object["spec"]["externalTrafficPolicy"] == "Local" {
                object["spec"]["healthCheckNodePort"] = json!(30000);
            }
            let mut errors = validate_object_meta(&object, namespaced, kind.name_rule(), &Path::new("metadata"));
            errors.extend(kind.validate(&object, &cx));
            // Admission gives a pod its account before it is judged.
            errors.retain(|it| !it.message.ends_with("must not be specified when serviceAccountName is not set"));
            assert!(errors.is_empty(), "{}[{at}]: {errors:#?}", scenario.name);
            compared += 1;
        }
    }
    compared
}

#[test]
fn defaults_are_those_recorded() {
    for minor in [24, 29, 34, 36] {
        assert_eq!(replay(minor), 62, "1.{minor}");
    }
}
