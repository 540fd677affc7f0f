//! Discovery in its first form: a document for each group and each version.

use crate::catalogue::{Catalogue, Group, Version};
use crate::custom_verbs;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use k8s_types::release::{GroupVersionKind, Resource, Subresource, Verbs};
use serde_json::{Map, Value, json};

/// The first minor whose built-in resources tell their singular names.
const SINGULAR_NAMES_SINCE: u8 = 27;

/// What discovery calls `storageVersionHash`, of the group, version and kind that objects are stored in.
pub fn storage_version_hash(group: &str, version: &str, kind: &str) -> String {
    let hash = digest(&SHA256, format!("{group}/{version}/{kind}").as_bytes());
    BASE64_STANDARD.encode(hash.as_ref().get(..8).unwrap_or_default())
}

/// `/api`: the core group's versions, and at which address the server is found.
pub fn versions(catalogue: &Catalogue, server_address: &str) -> Value {
    let versions: Vec<&str> =
        catalogue.group("").map(Group::versions).unwrap_or_default().iter().map(|it| &*it.name).collect();
    json!({
        "kind": "APIVersions",
        "versions": versions,
        "serverAddressByClientCIDRs": [{ "clientCIDR": "0.0.0.0/0", "serverAddress": server_address }],
    })
}

/// `/apis`: all groups that have a name.
pub fn groups(catalogue: &Catalogue) -> Value {
    let named = catalogue.groups().iter().filter(|it| !it.name().is_empty());
    let groups: Vec<Value> = named.map(|it| Value::Object(about(it))).collect();
    json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups })
}

/// `/apis/{group}`, where there is such a group.
pub fn group(catalogue: &Catalogue, name: &str) -> Option<Value> {
    let group = catalogue.group(name).filter(|_| !name.is_empty())?;
    let mut document = head("APIGroup");
    document.extend(about(group));
    Some(Value::Object(document))
}

/// `/api/{version}` (for the group without a name) and `/apis/{group}/{version}`, where there is such a version.
pub fn resources(catalogue: &Catalogue, group: &str, version: &str) -> Option<Value> {
    let found = catalogue.version(group, version)?;
    let singular = found.is_custom() || catalogue.release().minor() >= SINGULAR_NAMES_SINCE;
    let mut entries = Vec::new();
    for it in catalogue.resources(found) {
        entries.push(resource(it, found, singular));
        entries.extend(it.subresources.iter().map(|sub| subresource(it, sub)));
    }
    // The core group's list, the oldest document of the API, lacks its own version.
    let mut document = if group.is_empty() { kind_only("APIResourceList") } else { head("APIResourceList") };
    document.insert("groupVersion".to_owned(), group_version(group, version).into());
    document.insert("resources".to_owned(), Value::Array(entries));
    Some(Value::Object(document))
}

fn kind_only(kind: &str) -> Map<String, Value> {
    Map::from_iter([("kind".to_owned(), kind.into())])
}

fn head(kind: &str) -> Map<String, Value> {
    let mut head = kind_only(kind);
    head.insert("apiVersion".to_owned(), "v1".into());
    head
}

fn about(group: &Group) -> Map<String, Value> {
    let version = |it: &Version| json!({ "groupVersion": group_version(group.name(), &it.name), "version": &*it.name });
    let versions: Vec<Value> = group.versions().iter().map(version).collect();
    let preferred = versions.first().cloned().unwrap_or_default();
    Map::from_iter([
        ("name".to_owned(), group.name().into()),
        ("versions".to_owned(), Value::Array(versions)),
        ("preferredVersion".to_owned(), preferred),
    ])
}

fn group_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

fn resource(it: &Resource, version: &Version, singular: bool) -> Value {
    let mut entry = Map::from_iter([
        ("name".to_owned(), (*it.plural).into()),
        ("singularName".to_owned(), if singular { (*it.singular).into() } else { "".into() }),
        ("namespaced".to_owned(), it.namespaced.into()),
        ("kind".to_owned(), (*it.kind).into()),
        ("verbs".to_owned(), verbs(it.verbs, version.is_custom())),
    ]);
    for (name, texts) in [("shortNames", &it.short_names), ("categories", &it.categories)] {
        if !texts.is_empty() {
            entry.insert(name.to_owned(), texts.iter().map(|it| &**it).collect());
        }
    }
    if let Some(stored) = it.stored.as_ref().filter(|it| !it.hash.is_empty()) {
        entry.insert("storageVersionHash".to_owned(), (*stored.hash).into());
    }
    Value::Object(entry)
}

fn subresource(of: &Resource, it: &Subresource) -> Value {
    let mut entry = Map::from_iter([
        ("name".to_owned(), format!("{}/{}", of.plural, it.name).into()),
        ("singularName".to_owned(), "".into()),
        ("namespaced".to_owned(), of.namespaced.into()),
    ]);
    if is_foreign(of, &it.kind) {
        entry.insert("group".to_owned(), (*it.kind.group).into());
        entry.insert("version".to_owned(), (*it.kind.version).into());
    }
    entry.insert("kind".to_owned(), (*it.kind.kind).into());
    entry.insert("verbs".to_owned(), verbs(it.verbs, false));
    Value::Object(entry)
}

/// Whether a kind is not of the resource's own group and version, which alone is worth a word.
pub(crate) fn is_foreign(of: &Resource, kind: &GroupVersionKind) -> bool {
    (&kind.group, &kind.version) != (&of.group, &of.version)
}

/// Verbs in the order that discovery has them; custom resources have an order of their own.
pub(crate) fn verbs(verbs: Verbs, custom: bool) -> Value {
    if custom { custom_verbs(verbs).collect() } else { verbs.iter().collect() }
}
