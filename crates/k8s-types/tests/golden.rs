//! Objects and discovery recorded from real API servers, against a release's facts.

#![allow(clippy::unwrap_used, reason = "a test says what is wrong by failing")]

use k8s_types::decode::{conform, show};
use k8s_types::release::Release;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Every recorded answer's body, with the path that was asked.
fn answers() -> Vec<(String, String, Value)> {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden");
    let mut answers = Vec::new();
    for file in std::fs::read_dir(dir).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|it| it != "jsonl") {
            continue;
        }
        for line in std::fs::read_to_string(&path).unwrap().lines() {
            let record: Value = serde_json::from_str(line).unwrap();
            let oracle = record["oracle"].as_str().unwrap_or_default().to_owned();
            for step in record["steps"].as_array().into_iter().flatten() {
                let asked = step["request"]["path"].as_str().unwrap_or_default().to_owned();
                answers.push((oracle.clone(), asked, step["response"]["body"].clone()));
            }
        }
    }
    answers
}

/// Puts values in the place of the records' placeholders.
fn fill(value: &mut Value) {
    match value {
        Value::String(text) if text == "<time>" => *text = "2024-01-01T00:00:00Z".into(),
        Value::String(text) if text == "<microtime>" => *text = "2024-01-01T00:00:00.000000Z".into(),
        Value::Array(items) => items.iter_mut().for_each(fill),
        Value::Object(map) => map.values_mut().for_each(fill),
        _ => {}
    }
}

/// Where two values differ, and how.
fn differences(path: &str, ours: &Value, theirs: &Value, into: &mut Vec<String>) {
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for name in names {
                let at = format!("{path}.{name}");
                match (a.get(name), b.get(name)) {
                    (Some(a), Some(b)) => differences(&at, a, b, into),
                    (Some(a), None) => into.push(format!("{at} is shown as {a}")),
                    (None, _) => into.push(format!("{at} is missing")),
                }
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).for_each(|(a, b)| differences(&format!("{path}[]"), a, b, into));
        }
        (a, b) if a == b => {}
        (a, b) => into.push(format!("{path} is {a}, not {b}")),
    }
}

/// How an object differs from what comes out where it goes in.
fn round(release: &Release, mut object: Value) -> Option<(String, Vec<String>)> {
    let text = |key: &str| object[key].as_str().unwrap_or_default().to_owned();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
    let id = release.resource_of_kind(group, version, &kind)?.type_id?;
    fill(&mut object);
    let read = match conform(object.clone(), release.types(), id) {
        Ok(read) => read,
        Err(error) => return Some((kind, vec![error.to_string()])),
    };
    let mut shown = read.value.clone();
    show(&mut shown, release.types(), id);
    let again = conform(shown.clone(), release.types(), id).unwrap();
    assert_eq!(again.value, read.value, "what is shown says nothing more");
    let mut all: Vec<String> = read.strict.iter().map(ToString::to_string).collect();
    differences("", &shown, &object, &mut all);
    Some((kind, all))
}

/// What servers answered is what comes out where it goes in.
#[test]
fn recorded_objects_pass_unchanged() {
    let releases = [("1.20.2", Release::load(24).unwrap()), ("0.36.4-crd", Release::load(36).unwrap())];
    let mut odd = BTreeSet::new();
    let mut seen = BTreeSet::new();
    for (oracle, _, object) in answers() {
        let Some((_, release)) = releases.iter().find(|(of, _)| *of == oracle) else { continue };
        let Some((kind, differences)) = round(release, object) else { continue };
        odd.extend(differences.into_iter().map(|it| format!("{kind} {it}")));
        seen.insert(kind);
    }
    assert!(seen.len() >= 50, "{}", seen.len());
    let expected = [
        // Placeholders of the records.
        "CertificateSigningRequest illegal base64 data at input byte 4",
        "Service json: cannot unmarshal string into Go struct field ServicePort.spec.ports.nodePort of type int32",
        // Fields that the recorded minor did not have yet.
        "NetworkPolicy .status is shown as {}",
        "StatefulSet .status.availableReplicas is shown as 0",
    ];
    assert_eq!(odd, expected.map(str::to_owned).into());
}

/// A resource list as discovery has it.
fn listed(release: &Release, group: &str, version: &str) -> BTreeMap<String, Value> {
    let mut list = BTreeMap::new();
    for it in release.resources_of(group, version) {
        let mut entry = json!({"name": it.plural, "singularName": "", "namespaced": it.namespaced, "kind": it.kind,
            "verbs": it.verbs.iter().collect::<Vec<_>>()});
        if !it.short_names.is_empty() {
            entry["shortNames"] = json!(it.short_names);
        }
        if !it.categories.is_empty() {
            entry["categories"] = json!(it.categories);
        }
        if let Some(stored) = &it.stored {
            entry["storageVersionHash"] = json!(stored.hash);
        }
        list.insert(it.plural.to_string(), entry);
        for sub in &it.subresources {
            let name = format!("{}/{}", it.plural, sub.name);
            let mut entry = json!({"name": name, "singularName": "", "namespaced": it.namespaced, "kind": sub.kind.kind,
                "verbs": sub.verbs.iter().collect::<Vec<_>>()});
            if (&*sub.kind.group, &*sub.kind.version) != (group, version) {
                entry["group"] = json!(sub.kind.group);
                entry["version"] = json!(sub.kind.version);
            }
            list.insert(name, entry);
        }
    }
    list
}

/// What discovery told of 1.20 still holds in 1.24 for what both have.
#[test]
fn recorded_discovery_is_told_again() {
    let release = Release::load(24).unwrap();
    let mut odd = BTreeSet::new();
    let mut seen = 0;
    for (oracle, _, body) in answers() {
        if oracle != "1.20.2" || body["kind"] != "APIResourceList" {
            continue;
        }
        let (group, version) = body["groupVersion"].as_str().unwrap().split_once('/').unwrap_or(("", "v1"));
        let ours = listed(&release, group, version);
        for theirs in body["resources"].as_array().unwrap() {
            let name = theirs["name"].as_str().unwrap();
            let at = format!("{group}/{version} {name}");
            let mut all = Vec::new();
            match ours.get(name) {
                Some(ours) => differences("", ours, theirs, &mut all),
                None if ours.is_empty() => continue,
                None => all.push(" is missing".into()),
            }
            seen += 1;
            odd.extend(all.into_iter().map(|it| format!("{at}{it}")));
        }
    }
    assert!(seen >= 60, "{seen}");
    let expected = [
        // Stored in a later version since.
        "apiregistration.k8s.io/v1 apiservices.storageVersionHash is \"InPBPD7+PqM=\", not \"C+s2HXXP47k=\"",
        "autoscaling/v1 horizontalpodautoscalers.storageVersionHash is \"qwQve8ut294=\", not \"oQlkt7f5j/A=\"",
        "certificates.k8s.io/v1 certificatesigningrequests.storageVersionHash is \"95fRKMXA+00=\", not \"UQh3YTCDIf0=\"",
        "coordination.k8s.io/v1 leases.storageVersionHash is \"gqkMMb/YqFM=\", not \"/sY7hl8ol1U=\"",
        "discovery.k8s.io/v1beta1 endpointslices.storageVersionHash is \"qgS0xkrxYAI=\", not \"Nx3SIv6I0mE=\"",
        "networking.k8s.io/v1 ingressclasses.storageVersionHash is \"l/iqIbDgFyQ=\", not \"6upRfBq0FOI=\"",
        "networking.k8s.io/v1 ingresses.storageVersionHash is \"39NQlfNR+bo=\", not \"ZOAfGflaKd0=\"",
        "policy/v1beta1 poddisruptionbudgets.storageVersionHash is \"EVWiDmWqyJw=\", not \"6BGBu0kpHtk=\"",
        "storage.k8s.io/v1 csidrivers.storageVersionHash is \"hL6j/rwBV5w=\", not \"Z7aeXSiaYTw=\"",
        // Can be deleted as a collection since 1.23; evictions are of v1 since 1.22.
        "/v1 services.verbs is [\"create\",\"delete\",\"deletecollection\",\"get\",\"list\",\"patch\",\"update\",\"watch\"], \
         not [\"create\",\"delete\",\"get\",\"list\",\"patch\",\"update\",\"watch\"]",
        "/v1 pods/eviction.version is \"v1\", not \"v1beta1\"",
    ];
    assert_eq!(odd, expected.map(str::to_owned).into());
}

/// Groups come in the order in which servers list them.
#[test]
fn recorded_groups_come_in_order() {
    let release = Release::load(24).unwrap();
    let ours: Vec<&str> = release.groups().iter().map(|it| &*it.name).collect();
    for (_, asked, body) in answers() {
        if asked != "/apis" || body["kind"] != "APIGroupList" {
            continue;
        }
        let names = body["groups"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap());
        let places: Vec<usize> = names.filter_map(|name| ours.iter().position(|it| *it == name)).collect();
        assert!(places.is_sorted(), "{body}");
    }
}
