//! Objects that a server has stored are in order, and there is nothing left to fill in.

use crate::records::{context, kind, put, read_lines};
use k8s_kinds::meta::validate_object_meta;
use k8s_types::Path;
use serde_json::{Value, json};

const FILES: [&str; 13] = [
    "admission-plugins.jsonl",
    "controller-deployment.jsonl",
    "controller-ds.jsonl",
    "controller-gc.jsonl",
    "controller-job.jsonl",
    "controller-nodes.jsonl",
    "controller-pv.jsonl",
    "controller-sched.jsonl",
    "controller-sts.jsonl",
    "fresh-apiserver.jsonl",
    "fresh-with-controller-manager.jsonl",
    "table-kinds.jsonl",
    "crud.jsonl",
];

/// Every object of a known kind that stands anywhere in a recording's answers.
fn collect(value: &Value, found: &mut Vec<Value>) {
    match value {
        Value::Object(map) => {
            let stored = value["metadata"].get("uid").is_some() && value["metadata"].get("creationTimestamp").is_some();
            if stored
                && kind(value).is_some_and(|(_, namespaced)| value["metadata"].get("namespace").is_some() == namespaced)
            {
                found.push(value.clone());
            }
            map.values().for_each(|it| collect(it, found));
        }
        Value::Array(items) => items.iter().for_each(|it| collect(it, found)),
        _ => {}
    }
}

fn without_placeholders(value: &mut Value) {
    match value {
        Value::String(text) if matches!(text.as_str(), "<nodePort>" | "<port>") => *value = json!(30002),
        Value::String(text) if matches!(text.as_str(), "<clusterIP>" | "<advertise-address>") => {
            *text = "10.100.0.9".to_owned();
        }
        Value::String(text) => *text = text.replace(['<', '>'], ""),
        Value::Array(items) => items.iter_mut().for_each(without_placeholders),
        Value::Object(map) => map.values_mut().for_each(without_placeholders),
        _ => {}
    }
}

#[test]
fn what_is_stored_is_in_order() {
    let cx = context(24);
    let mut objects = Vec::new();
    for file in FILES {
        for scenario in read_lines(file) {
            collect(&scenario, &mut objects);
        }
    }
    let mut bad = Vec::new();
    for mut object in objects.iter().cloned() {
        without_placeholders(&mut object);
        let Some((kind, namespaced)) = kind(&object) else { continue };
        let mut stored = object.clone();
        kind.default(&mut object, &cx);
        // What 1.21 and 1.22 fill in besides.
        for pointer in [["metadata", "labels"], ["spec", "internalTrafficPolicy"]] {
            if let Some(value) = object.get(pointer[0]).and_then(|it| it.get(pointer[1])) {
                put(&mut stored, &pointer, value.clone());
            }
        }
        let mut errors = validate_object_meta(&object, namespaced, kind.name_rule(), &Path::new("metadata"));
        errors.extend(kind.validate(&object, &cx));
        if !errors.is_empty() {
            bad.push(format!("{} {}: {errors:?}", object["kind"], object["metadata"]["name"]));
        }
        if object != stored {
            bad.push(format!("{} {}:\n{stored}\n{object}", object["kind"], object["metadata"]["name"]));
        }
    }
    assert!(bad.is_empty(), "{} of {}\n{}", bad.len(), objects.len(), bad.join("\n"));
    assert_eq!(objects.len(), 412);
}
