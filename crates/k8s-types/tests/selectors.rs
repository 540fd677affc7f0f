//! Selectors against what API servers answered.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test that cannot read its data has failed

use k8s_types::selectors::{FieldLabels, FieldSelector, LabelSelector};
use serde_json::Value;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/");

fn scenarios(file: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(format!("{GOLDEN}{file}")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn unescape(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(b) = rest.next() {
        match b {
            b'%' => {
                let hex = [rest.next().unwrap(), rest.next().unwrap()];
                bytes.push(u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap());
            }
            b => bytes.push(b),
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// The group, version and kind of a collection's path.
fn kind(path: &str) -> (&str, &str, &'static str, bool) {
    let path = path.split('?').next().unwrap();
    let steps: Vec<&str> = path.split('/').skip(1).collect();
    let (group, version) = if steps[0] == "api" { ("", steps[1]) } else { (steps[1], steps[2]) };
    let kind = match *steps.last().unwrap() {
        "configmaps" => "ConfigMap",
        "secrets" => "Secret",
        "pods" => "Pod",
        "events" => "Event",
        "services" => "Service",
        "replicationcontrollers" => "ReplicationController",
        "namespaces" => "Namespace",
        "nodes" => "Node",
        "jobs" => "Job",
        "deployments" => "Deployment",
        "replicasets" => "ReplicaSet",
        "certificatesigningrequests" => "CertificateSigningRequest",
        "foos" => "Foo",
        other => panic!("{other}"),
    };
    (group, version, kind, steps.contains(&"namespaces"))
}

/// A recorded 1.20 text as the releases since 1.24 word it.
fn current(text: &str) -> String {
    let text = text
        .replace("expected: '=', '!=', '==', 'in', notin'", "expected: in, notin, =, ==, !=, gt, lt")
        .replace("63 characters", "63 bytes");
    let marker = "invalid label key ";
    if let Some(at) = text.find(marker) {
        let rest = &text[at + marker.len()..];
        return format!("{}<nil>: Invalid value: {rest}", &text[..at]);
    }
    if let Some(rest) = text.strip_prefix("unable to parse requirement: invalid label value: ") {
        let (value, rest) = rest.split_once(": at key: ").unwrap();
        let (key, why) = rest.split_once(": ").unwrap();
        return format!(
            "unable to parse requirement: values[0][{}]: Invalid value: {value}: {why}",
            key.trim_matches('"')
        );
    }
    text
}

/// Replays a scenario's selectors over the objects that its creates answered; returns how many were compared.
fn replay(scenario: &Value, minor: u32) -> usize {
    let mut objects: Vec<Value> = Vec::new();
    let mut count = 0;
    for step in scenario["steps"].as_array().into_iter().flatten() {
        let (request, response) = (&step["request"], &step["response"]);
        let path = request["path"].as_str().unwrap_or_default();
        if request["method"] == "POST" && response["status"] == 201 {
            objects.push(response["body"].clone());
        }
        let query = path.split_once('?').map_or("", |(_, query)| query);
        let get = |name: &str| query.split('&').find_map(|it| it.strip_prefix(name)).map(unescape);
        let (labels, fields) = (get("labelSelector="), get("fieldSelector="));
        let list = request["method"] == "GET" && !query.contains("limit") && !query.contains("watch=true");
        if !list || (labels.is_none() && fields.is_none()) {
            continue;
        }
        let (group, version, kind, in_namespace) = kind(path);
        let field_labels = match kind {
            "Foo" if scenario["name"] == "selectable-fields" => {
                FieldLabels::custom([".spec.color", ".spec.n", ".spec.on"], in_namespace)
            }
            "Foo" => FieldLabels::custom([], in_namespace),
            _ => FieldLabels::of(group, version, kind, minor),
        };
        let selectors = LabelSelector::parse(&labels.unwrap_or_default())
            .and_then(|labels| Ok((labels, FieldSelector::parse(&fields.unwrap_or_default(), &field_labels)?)));
        count += 1;
        match (selectors, response["status"].as_u64().unwrap()) {
            (Ok((labels, fields)), 200) => {
                let mut wanted: Vec<&Value> = response["body"]["items"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(|it| &it["metadata"]["name"])
                    .collect();
                let mut found: Vec<&Value> = objects
                    .iter()
                    .filter(|it| it["kind"] == kind)
                    .filter(|it| labels.matches_object(it) && fields.matches(it))
                    .map(|it| &it["metadata"]["name"])
                    .collect();
                found.sort_by_key(|it| it.as_str());
                wanted.sort_by_key(|it| it.as_str());
                assert_eq!(found, wanted, "{path}");
            }
            (Err(error), 400) => {
                let wanted = current(response["body"]["message"].as_str().unwrap());
                // The value that is no integer is named since.
                let error = error.0.replace("values[0]: Invalid value: \"abc\": for", "for");
                let error = error.replace("values[0]: Invalid value: \"\": for", "for");
                let error = error.replace("values[0]: Invalid value: \"1.5\": for", "for");
                assert_eq!(error, wanted, "{path}");
            }
            (other, status) => panic!("{path}: {other:?} is not {status}"),
        }
    }
    count
}

#[test]
fn lists_select_as_recorded() {
    let mut count = 0;
    for scenario in scenarios("lists.jsonl") {
        if matches!(scenario["name"].as_str().unwrap(), "label-selectors" | "field-selectors" | "pods-field-selectors")
        {
            count += replay(&scenario, 20);
        }
    }
    assert!(count > 90, "{count}");
}

#[test]
fn custom_resources_select_as_recorded() {
    let mut count = 0;
    for (file, name) in [("crd-schema.jsonl", "selectable-fields"), ("machinery-crd.jsonl", "lists-and-selectors")] {
        for scenario in scenarios(file).iter().filter(|it| it["name"] == name) {
            count += replay(scenario, 36);
        }
    }
    assert!(count > 10, "{count}");
}
