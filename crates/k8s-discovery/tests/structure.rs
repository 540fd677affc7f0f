//! What holds for the documents of every minor: all references lead somewhere, all kinds have a definition, no two
//! operations have one name.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not so")]

use k8s_discovery::openapi::{self, Custom};
use k8s_discovery::{Catalogue, Descriptions, Documents, Form, OpenApi, Root};
use k8s_types::release::Release;
use serde_json::Value;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

fn documents(minor: u8) -> Documents {
    Documents::new(Catalogue::new(Arc::new(Release::load(minor).unwrap())))
}

fn json(document: &k8s_discovery::Document) -> Value {
    serde_json::from_slice(&document.bytes()).unwrap()
}

fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(keys) => {
            for (key, value) in keys {
                match value {
                    Value::String(target) if key == "$ref" => drop(found.insert(target.clone())),
                    other => references(other, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|it| references(it, found)),
        _ => {}
    }
}

fn check_references(document: &Value) {
    let mut found = BTreeSet::new();
    references(document, &mut found);
    for it in found {
        let pointer = it.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{it}");
    }
}

/// Adds the names of a document's operations, which must be new.
fn check_operations(document: &Value, names: &mut HashSet<String>) {
    for path in document["paths"].as_object().unwrap().values() {
        for (method, operation) in path.as_object().unwrap() {
            if method != "parameters" {
                let name = operation["operationId"].as_str().unwrap();
                assert!(names.insert(name.to_owned()), "{name}");
            }
        }
    }
}

#[test]
fn documents_are_closed_and_whole() {
    for minor in Release::minors() {
        let documents = documents(minor);
        let mut names = HashSet::new();
        let mut by_name = HashMap::new();
        for (name, _) in documents.openapi.hashes() {
            let document = json(documents.openapi.document(name).unwrap());
            check_references(&document);
            check_operations(&document, &mut names);
            by_name.insert(name.to_owned(), document);
        }
        let swagger = json(documents.openapi.swagger());
        check_references(&swagger);
        let mut again = HashSet::new();
        check_operations(&swagger, &mut again);
        assert_eq!(names, again, "1.{minor}");
        check_kinds(documents.discovery.catalogue(), &by_name);
    }
}

/// Every kind that is served has one definition, and where it can be patched the patch is validated.
fn check_kinds(catalogue: &Catalogue, documents: &HashMap<String, Value>) {
    for group in catalogue.groups() {
        for version in group.versions() {
            let name = openapi::document_name(group.name(), &version.name);
            let document = &documents[&name];
            let schemas = document["components"]["schemas"].as_object().unwrap();
            let mut defined: HashMap<&str, u32> = HashMap::new();
            for schema in schemas.values() {
                for kind in schema["x-kubernetes-group-version-kind"].as_array().into_iter().flatten() {
                    if kind["group"] == group.name() && kind["version"] == *version.name {
                        *defined.entry(kind["kind"].as_str().unwrap()).or_default() += 1;
                    }
                }
            }
            for resource in catalogue.resources(version) {
                assert_eq!(defined.get(&*resource.kind), Some(&1), "{name} {}", resource.kind);
                if resource.verbs.contains("patch") {
                    assert!(patches_validate(document, &resource.kind), "{name} {}", resource.kind);
                }
            }
        }
    }
}

/// Whether a patch of a kind takes `fieldValidation`, by which clients know that a server validates.
fn patches_validate(document: &Value, kind: &str) -> bool {
    document["paths"].as_object().unwrap().values().any(|path| {
        let patch = &path["patch"];
        patch["x-kubernetes-group-version-kind"]["kind"] == kind
            && patch["parameters"].as_array().into_iter().flatten().any(|it| it["name"] == "fieldValidation")
    })
}

#[test]
fn documents_without_descriptions_say_so() {
    let documents = documents(33);
    let document = json(documents.openapi.document("apis/batch/v1").unwrap());
    if documents.discovery.catalogue().release().descriptions().is_none() {
        for schema in document["components"]["schemas"].as_object().unwrap().values() {
            assert_eq!(schema["description"], openapi::NO_DESCRIPTION);
        }
    }
}

struct Described;

impl Descriptions for Described {
    fn definition(&self, name: &str) -> Option<&str> {
        (name == "io.k8s.api.batch.v1.Job").then_some("A job.")
    }

    fn field(&self, definition: &str, field: &str) -> Option<&str> {
        ((definition, field) == ("io.k8s.api.batch.v1.Job", "spec")).then_some("What to do.")
    }
}

#[test]
fn descriptions_are_told() {
    let catalogue = Catalogue::new(Arc::new(Release::load(33).unwrap()));
    let openapi = OpenApi::described(catalogue, Arc::new(Described));
    let document = json(openapi.document("apis/batch/v1").unwrap());
    let job = &document["components"]["schemas"]["io.k8s.api.batch.v1.Job"];
    assert_eq!(job["description"], "A job.");
    let spec = "#/components/schemas/io.k8s.api.batch.v1.JobSpec";
    let expected = serde_json::json!({ "description": "What to do.", "default": {}, "allOf": [{ "$ref": spec }] });
    assert_eq!(job["properties"]["spec"], expected);
    assert!(job["properties"]["status"].get("description").is_none());
}

#[test]
fn a_document_of_everything_has_custom_resources() {
    let catalogue = Catalogue::new(Arc::new(Release::load(33).unwrap()));
    let mut resource = catalogue.release().resource("apps", "v1", "deployments").unwrap().clone();
    (resource.group, resource.kind, resource.plural) = ("x.io".into(), "Foo".into(), "foos".into());
    resource.subresources = Box::default();
    let schema = serde_json::json!({ "type": "object", "properties": { "spec": { "type": "string" } } });
    let custom = [Custom { resource: &resource, list_kind: "Foos", schema: Some(&schema) }];
    let bytes = openapi::swagger(&catalogue, None, &custom);
    let document: Value = serde_json::from_slice(&bytes).unwrap();
    check_references(&document);
    check_operations(&document, &mut HashSet::new());
    assert_eq!(document["definitions"]["io.x.v1.Foo"]["properties"]["spec"], schema["properties"]["spec"]);
    let list = "/apis/x.io/v1/namespaces/{namespace}/foos";
    let answer = &document["paths"][list]["get"]["responses"]["200"]["schema"]["$ref"];
    assert_eq!(answer, "#/definitions/io.x.v1.Foos");
    let path = &document["paths"]["/apis/x.io/v1/namespaces/{namespace}/foos/{name}"];
    assert_eq!(path["get"]["operationId"], "readXIoV1NamespacedFoo");
    assert!(
        path["patch"]["consumes"].as_array().unwrap().iter().all(|it| it != "application/strategic-merge-patch+json")
    );
}

#[test]
fn both_forms_of_discovery_tell_the_same() {
    for minor in Release::minors() {
        let documents = documents(minor);
        let discovery = &documents.discovery;
        let mut all = json(discovery.aggregated(Root::Apis, Form::V2))["items"].as_array().unwrap().clone();
        let legacy = json(discovery.groups());
        let names =
            |of: &[Value], at: &str| -> Vec<Value> { of.iter().map(|it| it.pointer(at).unwrap().clone()).collect() };
        assert_eq!(names(&all, "/metadata/name"), names(legacy["groups"].as_array().unwrap(), "/name"));
        all.extend(json(discovery.aggregated(Root::Api, Form::V2))["items"].as_array().unwrap().clone());
        for group in &all {
            let name = group["metadata"]["name"].as_str().unwrap_or_default();
            for version in group["versions"].as_array().unwrap() {
                let mut told: Vec<String> = Vec::new();
                for it in version["resources"].as_array().unwrap() {
                    let resource = it["resource"].as_str().unwrap();
                    told.push(resource.to_owned());
                    for sub in it["subresources"].as_array().into_iter().flatten() {
                        told.push(format!("{resource}/{}", sub["subresource"].as_str().unwrap()));
                    }
                }
                let list = json(discovery.resources(name, version["version"].as_str().unwrap()).unwrap());
                assert_eq!(told, names(list["resources"].as_array().unwrap(), "/name"));
            }
        }
    }
}

#[test]
fn documents_are_the_same_each_time() {
    let (one, other) = (documents(33), documents(33));
    assert_eq!(one.openapi_index().etag(), other.openapi_index().etag());
    assert_eq!(one.openapi.swagger_protobuf().etag(), other.openapi.swagger_protobuf().etag());
    let index = json(one.openapi_index());
    let url = index["paths"]["apis/apps/v1"]["serverRelativeURL"].as_str().unwrap();
    let hash = one.openapi.document("apis/apps/v1").unwrap().etag();
    assert_eq!(url, format!("/openapi/v3/apis/apps/v1?hash={hash}"));
}
