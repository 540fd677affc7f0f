//! The records, and what a server does with their requests before a kind is asked.

use k8s_kinds::{Context, Kind, meta};
use k8s_types::{Errors, Path};
use serde_json::{Map, Value, json};

/// The oldest minor that is served, so the one closest to the records.
pub const MINOR: u8 = 24;

/// Stands for every recorded `<uid>`: a label's value must be one.
pub const UID: &str = "11111111-2222-3333-4444-555555555555";
/// Stands for every recorded `<pem>`: a request for a certificate, as far as it is read.
pub const PEM: &str =
    "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUFBPQotLS0tLUVORCBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0K";

/// What the recorded requests are about.
pub struct Scenario {
    pub name: String,
    pub steps: Vec<Value>,
}

/// A file's lines, with values for its placeholders.
pub fn records(file: &str) -> Vec<Value> {
    let path = format!("{}/../../tests/golden/{file}.jsonl", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let text = (1..10).fold(text, |text, n| text.replace(&format!("<uid{n}>"), UID));
    text.replace("<uid>", UID).replace("<pem>", PEM).lines().map(|it| serde_json::from_str(it).unwrap()).collect()
}

pub fn scenarios(file: &str) -> Vec<Scenario> {
    let read = |it: Value| {
        let name = it["name"].as_str().unwrap().split('/').next_back().unwrap().to_owned();
        Scenario { name, steps: it["steps"].as_array().unwrap().clone() }
    };
    records(file).into_iter().map(read).collect()
}

/// Group, version, namespace and name in a path.
pub struct Target {
    pub group: String,
    pub version: String,
    pub namespace: Option<String>,
    pub rest: Vec<String>,
}

pub fn target(path: &str) -> Target {
    let path = path.split('?').next().unwrap();
    let mut parts = path.trim_matches('/').split('/').map(str::to_owned).collect::<Vec<_>>().into_iter();
    let group = if parts.next().unwrap() == "api" { String::new() } else { parts.next().unwrap() };
    let version = parts.next().unwrap();
    let rest: Vec<String> = parts.collect();
    if rest.first().is_some_and(|it| it == "namespaces") && rest.len() > 2 {
        return Target { group, version, namespace: rest.get(1).cloned(), rest: rest[2..].to_vec() };
    }
    Target { group, version, namespace: None, rest }
}

/// The version that is served now where the record's is gone.
pub fn served(group: &str, version: &str) -> &'static str {
    match (group, version) {
        ("autoscaling", "v2beta2") => "v2",
        ("flowcontrol.apiserver.k8s.io", "v1beta1") => "v1beta2",
        ("discovery.k8s.io", "v1beta1") => "v1beta1",
        _ => "v1",
    }
}

/// Names of the kinds whose records belong to the core group's own tests.
pub fn is_core(group: &str) -> bool {
    group.is_empty()
}

pub fn context(version: &'static str) -> Context<'static> {
    Context { minor: MINOR, version, now: "2026-01-01T00:00:00Z" }
}

/// What the server does between reading a new object and checking it.
pub fn create(kind: &dyn Kind, body: &Value, namespace: Option<&str>, cx: &Context<'_>) -> Value {
    let mut object = body.clone();
    kind.default(&mut object, cx);
    let metadata = object.as_object_mut().unwrap().entry("metadata").or_insert_with(|| json!({}));
    metadata["uid"] = json!(UID);
    if let Some(namespace) = namespace {
        metadata["namespace"] = json!(namespace);
    }
    kind.prepare_for_create(&mut object, cx);
    if kind.has_generation() {
        object["metadata"]["generation"] = json!(1);
    }
    object
}

pub fn check(kind: &dyn Kind, object: &Value, namespaced: bool, cx: &Context<'_>) -> Errors {
    let path = Path::new("metadata");
    let mut errors = meta::validate_object_meta(object, namespaced, kind.name_rule(), &path);
    errors.extend(kind.validate(object, cx));
    errors
}

/// Applies a merge patch (RFC 7386), which is what the records' patches are where they change objects here.
pub fn merge(to: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *to = patch.clone();
        return;
    };
    if !to.is_object() {
        *to = Value::Object(Map::new());
    }
    let map = to.as_object_mut().unwrap();
    for (key, value) in patch {
        if value.is_null() {
            map.shift_remove(key);
        } else {
            merge(map.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}
