//! What servers answered, against what is answered here: discovery of a 1.20 server (whose resources that live on are
//! told of in the same way), and discovery and OpenAPI of custom resources of a 1.36 server.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not so")]

use k8s_discovery::openapi::Custom;
use k8s_discovery::{Catalogue, Version, legacy, openapi};
use k8s_types::release::{GroupVersionKind, Release, Resource, Stored, Subresource, Verbs};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The steps of a file's scenario.
fn steps(file: &str, scenario: &str) -> Vec<Value> {
    let path = format!("{}/../../tests/golden/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let found = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).find(|it| it["name"] == scenario);
    found.unwrap()["steps"].as_array().unwrap().clone()
}

fn catalogue(minor: u8) -> Catalogue {
    Catalogue::new(Arc::new(Release::load(minor).unwrap()))
}

/// Names of entries, with the entries.
fn by_name(list: &Value) -> BTreeMap<String, Value> {
    let entries = list.as_array().unwrap().iter();
    entries.map(|it| (it["name"].as_str().unwrap().to_owned(), it.clone())).collect()
}

/// What another storage version, another version of an eviction and a newer verb changed since 1.20.
fn without_what_changed(entry: &Value) -> Value {
    let mut entry = entry.clone();
    entry.as_object_mut().unwrap().remove("storageVersionHash");
    match entry["name"].as_str().unwrap() {
        "pods/eviction" => entry["version"] = "v1".into(),
        "services" => entry["verbs"] = Value::Null,
        _ => {}
    }
    entry
}

#[test]
fn resource_lists() {
    let catalogue = catalogue(24);
    let mut compared = 0;
    for step in steps("discovery.jsonl", "api-and-apis") {
        let expected = &step["response"]["body"];
        if expected["kind"] != "APIResourceList" {
            continue;
        }
        let path: Vec<&str> = step["request"]["path"].as_str().unwrap().trim_matches('/').split('/').collect();
        let (group, version) = if path[0] == "api" { ("", path[1]) } else { (path[1], path[2]) };
        let Some(mut actual) = legacy::resources(&catalogue, group, version) else { continue };
        let (ours, theirs) = (by_name(&actual["resources"]), by_name(&expected["resources"]));
        for (name, entry) in &theirs {
            let Some(own) = ours.get(name) else { continue };
            assert_eq!(without_what_changed(own), without_what_changed(entry), "{group}/{version}");
            let keys = |it: &Value| -> Vec<String> { it.as_object().unwrap().keys().cloned().collect() };
            assert_eq!(keys(own), keys(entry), "{group}/{version}");
            compared += 1;
        }
        let mut expected = expected.clone();
        expected["resources"] = Value::Null;
        actual["resources"] = Value::Null;
        assert_eq!(actual, expected);
    }
    assert!(compared > 120, "{compared}");
}

#[test]
fn hashes_of_storage_versions() {
    assert_eq!(legacy::storage_version_hash("", "v1", "Pod"), "xPOwRZ+Yhw8=");
    // Recorded by the 1.20 server, of resources that are stored in the same version ever since.
    let catalogue = catalogue(36);
    let list = legacy::resources(&catalogue, "", "v1").unwrap();
    let entries = by_name(&list["resources"]);
    for step in steps("discovery.jsonl", "api-and-apis") {
        if step["request"]["path"] == "/api/v1" {
            for (name, entry) in by_name(&step["response"]["body"]["resources"]) {
                assert_eq!(entries[&name].get("storageVersionHash"), entry.get("storageVersionHash"), "{name}");
            }
        }
    }
}

#[test]
fn groups() {
    let catalogue = catalogue(24);
    let names = |document: &Value| -> Vec<String> {
        document["groups"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap().to_owned()).collect()
    };
    let ours = legacy::groups(&catalogue);
    for (file, scenario) in [
        ("discovery.jsonl", "api-and-apis"),
        ("fresh-misc.jsonl", "fresh/path /apis"),
        ("fresh-misc.jsonl", "fresh/path /api"),
    ] {
        for step in steps(file, scenario) {
            let expected = &step["response"]["body"];
            match expected["kind"].as_str() {
                Some("APIGroupList") => {
                    let theirs: Vec<String> = names(expected).into_iter().filter(|it| it != "extensions").collect();
                    assert_eq!(names(&ours), theirs);
                }
                Some("APIGroup") => {
                    let name = expected["name"].as_str().unwrap();
                    let Some(own) = legacy::group(&catalogue, name) else { continue };
                    let keys = |it: &Value| -> Vec<String> { it.as_object().unwrap().keys().cloned().collect() };
                    assert_eq!(keys(&own), keys(expected));
                    assert_eq!(own["preferredVersion"], own["versions"][0]);
                }
                Some("APIVersions") => {
                    let address = expected["serverAddressByClientCIDRs"][0]["serverAddress"].as_str().unwrap();
                    assert_eq!(&legacy::versions(&catalogue, address), expected);
                }
                _ => {}
            }
        }
    }
}

fn foos(group: &str, version: &str, hash: &str, subresources: Vec<Subresource>) -> Resource {
    Resource {
        group: group.into(),
        version: version.into(),
        plural: "foos".into(),
        singular: "foo".into(),
        kind: "Foo".into(),
        namespaced: true,
        short_names: Box::default(),
        categories: Box::default(),
        verbs: Verbs::ALL,
        subresources: subresources.into(),
        type_id: None,
        stored: Some(Stored { group: group.into(), version: version.into(), hash: hash.into() }),
        served_by_default: true,
        deprecated: None,
    }
}

#[test]
fn custom_resources() {
    let group = "crd-multiple-versions-conversion-none.golden.dev";
    let mut catalogue = catalogue(36);
    for version in ["v1", "v1beta1", "v2"] {
        let hash = legacy::storage_version_hash(group, "v1", "Foo");
        catalogue.add(group, Version::custom(version, [foos(group, version, &hash, Vec::new())]));
    }
    let mut compared = 0;
    for step in steps("crd.jsonl", "multiple-versions-conversion-none") {
        let path = step["request"]["path"].as_str().unwrap();
        let Some(place) = path.strip_prefix(&format!("/apis/{group}")) else { continue };
        let expected = &step["response"]["body"];
        let actual = match expected["kind"].as_str() {
            Some("APIGroup") => legacy::group(&catalogue, group),
            Some("APIResourceList") => legacy::resources(&catalogue, group, place.trim_matches('/')),
            _ => continue,
        };
        assert_eq!(actual.unwrap().to_string(), expected.to_string());
        compared += 1;
    }
    assert!(compared >= 2);
}

/// Texts for people are our own, and lists of every group's versions the release's.
fn without_prose(value: &mut Value) {
    match value {
        Value::Object(keys) => {
            let is_schema = keys.contains_key("type") || keys.contains_key("allOf") || keys.contains_key("schema");
            keys.retain(|key, value| !(is_schema && key == "description" && value.is_string()));
            if keys.get("description").is_some_and(|it| it == "<prose>") {
                keys.remove("description");
            }
            keys.values_mut().for_each(without_prose);
        }
        Value::Array(items) => items.iter_mut().for_each(without_prose),
        _ => {}
    }
}

#[test]
fn openapi_of_a_custom_resource() {
    let group = "crd-schema-openapi-v3-fragment.golden.dev";
    let release = Release::load(36).unwrap();
    let own = GroupVersionKind::new(group, "v1", "Foo");
    let verbs = Verbs::of(&["get", "patch", "update"]);
    let sub = |name: &str, kind: &GroupVersionKind| Subresource {
        name: name.into(),
        kind: kind.clone(),
        own_kind: *kind == own,
        verbs,
        accepts: Box::default(),
    };
    let scale = GroupVersionKind::new("autoscaling", "v1", "Scale");
    let resource = foos(group, "v1", "", vec![sub("scale", &scale), sub("status", &own)]);
    let recorded = steps("crd-schema.jsonl", "openapi-v3-fragment")
        .into_iter()
        .find(|it| it["request"]["path"].as_str().unwrap().starts_with("/openapi/v3/apis"))
        .unwrap();
    let mut expected = recorded["response"]["body"].clone();
    let definition = steps("crd-schema.jsonl", "openapi-v3-fragment")
        .into_iter()
        .map(|it| it["request"]["body"].clone())
        .find(|it| it["kind"] == "CustomResourceDefinition")
        .unwrap();
    let schema = definition.pointer("/spec/versions/0/schema/openAPIV3Schema");
    let custom = [Custom { resource: &resource, list_kind: "FooList", schema }];
    let document = openapi::custom_document(&release, None, group, "v1", &custom);
    let mut actual: Value = serde_json::from_slice(&document).unwrap();
    for it in [&mut actual, &mut expected] {
        let schemas = it["components"]["schemas"].as_object_mut().unwrap();
        // Which groups there are is the server's own; who acts on what is in words that differ for patches.
        schemas["io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"]["x-kubernetes-group-version-kind"] = Value::Null;
        for path in it["paths"].as_object_mut().unwrap().values_mut() {
            if let Some(patch) = path.get_mut("patch") {
                patch["description"] = Value::Null;
            }
        }
        without_prose(it);
    }
    for (path, expected) in expected["paths"].as_object().unwrap() {
        for (method, expected) in expected.as_object().unwrap() {
            assert_eq!(&actual["paths"][path][method], expected, "{method} {path}");
        }
    }
    for (name, expected) in expected["components"]["schemas"].as_object().unwrap() {
        assert_eq!(&actual["components"]["schemas"][name], expected, "{name}");
    }
    assert_eq!(actual["paths"].as_object().unwrap().len(), expected["paths"].as_object().unwrap().len());
    assert_eq!(actual["info"], expected["info"]);
}
