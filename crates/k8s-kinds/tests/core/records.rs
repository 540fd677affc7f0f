//! Reading recorded scenarios, and the kinds they are about.

use k8s_kinds::core::*;
use k8s_kinds::{Context, Kind};
use serde_json::Value;

/// One line of a recording.
pub struct Scenario {
    pub name: String,
    pub steps: Vec<Value>,
}

/// All lines of a recording.
pub fn read_lines(file: &str) -> Vec<Value> {
    let path = format!("{}/../../tests/golden/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// All scenarios of a recording.
pub fn read(file: &str) -> Vec<Scenario> {
    let scenario = |line: Value| Scenario {
        name: line["name"].as_str().unwrap().to_owned(),
        steps: line["steps"].as_array().unwrap().clone(),
    };
    read_lines(file).into_iter().map(scenario).collect()
}

/// The kind of an object of the core group, and whether it has a namespace.
pub fn kind(object: &Value) -> Option<(&'static dyn Kind, bool)> {
    if object["apiVersion"] != "v1" {
        return None;
    }
    Some(match object["kind"].as_str()? {
        "Pod" => (&pod::Pod, true),
        "PodTemplate" => (&pod_template::PodTemplate, true),
        "ReplicationController" => (&replication_controller::ReplicationController, true),
        "Service" => (&service::Service, true),
        "Endpoints" => (&endpoints::Endpoints, true),
        "ConfigMap" => (&config_map::ConfigMap, true),
        "Secret" => (&secret::Secret, true),
        "ServiceAccount" => (&service_account::ServiceAccount, true),
        "Namespace" => (&namespace::Namespace, false),
        "Node" => (&node::Node, false),
        "PersistentVolume" => (&volume::PersistentVolume, false),
        "PersistentVolumeClaim" => (&claim::PersistentVolumeClaim, true),
        "LimitRange" => (&limit_range::LimitRange, true),
        "ResourceQuota" => (&quota::ResourceQuota, true),
        "Event" => (&event::Event, true),
        _ => return None,
    })
}

/// The time of every request.
pub fn context(minor: u8) -> Context<'static> {
    Context { minor, version: "v1", now: "2026-01-01T00:00:00Z" }
}

/// The namespace that a path is in.
pub fn namespace(path: &str) -> Option<&str> {
    path.split("/namespaces/").nth(1)?.split_once('/').map(|(name, _)| name)
}

/// Sets a field in an object, making what leads to it.
pub fn put(object: &mut Value, pointer: &[&str], value: Value) {
    let mut place = object;
    for step in pointer {
        if place.is_null() {
            *place = serde_json::json!({});
        }
        place = &mut place[*step];
    }
    *place = value;
}

/// RFC 7386.
pub fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = serde_json::json!({});
    }
    let map = target.as_object_mut().unwrap();
    for (key, value) in patch {
        if value.is_null() {
            map.shift_remove(key);
        } else {
            merge(map.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

/// Puts in words for `a` in `<N bytes of a>`.
pub fn expand(value: &mut Value) {
    match value {
        Value::String(text) => {
            let count = text.strip_prefix('<').and_then(|it| it.strip_suffix(" bytes of a>"));
            if let Some(count) = count.and_then(|it| it.parse().ok()) {
                *text = "a".repeat(count);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(expand),
        Value::Object(map) => map.values_mut().for_each(expand),
        _ => {}
    }
}
