//! Discovery in one document: all groups with their versions and resources, at `/api` and `/apis`.

use crate::catalogue::{Catalogue, Freshness, Group, Version};
use crate::legacy::{is_foreign, verbs};
use k8s_types::release::{GroupVersionKind, Resource, Subresource};
use serde_json::{Map, Value, json};

/// The versions of `apidiscovery.k8s.io` that a client may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// `v2beta1`.
    V2beta1,
    /// `v2`.
    V2,
}

/// Which of the two roots a document is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Root {
    /// `/api`: the core group.
    Api,
    /// `/apis`: all other groups.
    Apis,
}

impl Form {
    /// All forms, the newest first.
    pub const ALL: [Self; 2] = [Self::V2, Self::V2beta1];

    /// A form by its name, as the `v` of a media type.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }

    /// As the `v` of a media type.
    pub fn name(self) -> &'static str {
        match self {
            Self::V2beta1 => "v2beta1",
            Self::V2 => "v2",
        }
    }

    /// The media type of an answer in this form.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::V2beta1 => "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList",
            Self::V2 => "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
        }
    }

    /// Whether servers of a minor know the form: the beta is on from 1.27 up to 1.32, `v2` came in 1.30.
    pub fn is_known(self, minor: u8) -> bool {
        match self {
            Self::V2beta1 => (27..33).contains(&minor),
            Self::V2 => minor >= 30,
        }
    }
}

/// The document of a root.
pub fn document(catalogue: &Catalogue, root: Root, form: Form) -> Value {
    let wanted = |it: &&Group| it.name().is_empty() == (root == Root::Api);
    let items: Vec<Value> = catalogue.groups().iter().filter(wanted).map(|it| group(catalogue, it)).collect();
    json!({
        "kind": "APIGroupDiscoveryList",
        "apiVersion": format!("apidiscovery.k8s.io/{}", form.name()),
        "metadata": {},
        "items": items,
    })
}

/// The first minor whose objects no longer show a time of creation that they do not have.
const NO_NULL_TIME_SINCE: u8 = 34;

fn group(catalogue: &Catalogue, group: &Group) -> Value {
    let mut metadata = Map::new();
    if !group.name().is_empty() {
        metadata.insert("name".to_owned(), group.name().into());
    }
    if catalogue.release().minor() < NO_NULL_TIME_SINCE {
        metadata.insert("creationTimestamp".to_owned(), Value::Null);
    }
    let versions: Vec<Value> = group.versions().iter().map(|it| version(catalogue, it)).collect();
    json!({ "metadata": metadata, "versions": versions })
}

fn version(catalogue: &Catalogue, version: &Version) -> Value {
    let resources: Vec<Value> = catalogue.resources(version).map(|it| resource(it, version.is_custom())).collect();
    let mut entry = Map::from_iter([("version".to_owned(), (*version.name).into())]);
    if !resources.is_empty() {
        entry.insert("resources".to_owned(), Value::Array(resources));
    }
    let freshness = match version.freshness {
        Freshness::Current => "Current",
        Freshness::Stale => "Stale",
    };
    entry.insert("freshness".to_owned(), freshness.into());
    Value::Object(entry)
}

fn resource(it: &Resource, custom: bool) -> Value {
    let own = GroupVersionKind { group: it.group.clone(), version: it.version.clone(), kind: it.kind.clone() };
    let mut entry = Map::from_iter([
        ("resource".to_owned(), (*it.plural).into()),
        ("responseKind".to_owned(), response_kind(it, &own, custom)),
        ("scope".to_owned(), if it.namespaced { "Namespaced" } else { "Cluster" }.into()),
        ("singularResource".to_owned(), (*it.singular).into()),
        ("verbs".to_owned(), verbs(it.verbs, custom)),
    ]);
    for (name, texts) in [("shortNames", &it.short_names), ("categories", &it.categories)] {
        if !texts.is_empty() {
            entry.insert(name.to_owned(), texts.iter().map(|it| &**it).collect());
        }
    }
    if !it.subresources.is_empty() {
        let subresources = it.subresources.iter().map(|sub| subresource(it, sub, custom)).collect();
        entry.insert("subresources".to_owned(), subresources);
    }
    Value::Object(entry)
}

fn subresource(of: &Resource, it: &Subresource, custom: bool) -> Value {
    json!({
        "subresource": &*it.name,
        "responseKind": response_kind(of, &it.kind, custom),
        "verbs": verbs(it.verbs, false),
    })
}

/// A kind of the resource's own group and version is told without them, except for custom resources.
fn response_kind(of: &Resource, kind: &GroupVersionKind, custom: bool) -> Value {
    let (group, version) = if custom || is_foreign(of, kind) { (&*kind.group, &*kind.version) } else { ("", "") };
    json!({ "group": group, "version": version, "kind": &*kind.kind })
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_types::release::{Release, Stored, Verbs};
    use std::sync::Arc;

    /// A resource as an API server of 1.32 tells of it.
    #[test]
    fn a_built_in_resource() {
        let catalogue = Catalogue::new(Arc::new(Release::load(32).unwrap()));
        let document = document(&catalogue, Root::Apis, Form::V2);
        let apps = &document["items"][1];
        assert_eq!(apps["metadata"].to_string(), r#"{"name":"apps","creationTimestamp":null}"#);
        let version = &apps["versions"][0];
        assert_eq!((&version["version"], &version["freshness"]), (&json!("v1"), &json!("Current")));
        let expected = json!({
            "resource": "deployments",
            "responseKind": { "group": "", "version": "", "kind": "Deployment" },
            "scope": "Namespaced",
            "singularResource": "deployment",
            "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
            "shortNames": ["deploy"],
            "categories": ["all"],
            "subresources": [
                {
                    "subresource": "scale",
                    "responseKind": { "group": "autoscaling", "version": "v1", "kind": "Scale" },
                    "verbs": ["get", "patch", "update"],
                },
                {
                    "subresource": "status",
                    "responseKind": { "group": "", "version": "", "kind": "Deployment" },
                    "verbs": ["get", "patch", "update"],
                },
            ],
        });
        assert_eq!(version["resources"][2], expected);
    }

    #[test]
    fn a_custom_resource() {
        let mut catalogue = Catalogue::new(Arc::new(Release::load(36).unwrap()));
        let resource = Resource {
            group: "x.io".into(),
            version: "v1".into(),
            plural: "foos".into(),
            singular: "foo".into(),
            kind: "Foo".into(),
            namespaced: false,
            short_names: Box::default(),
            categories: Box::default(),
            verbs: Verbs::ALL,
            subresources: Box::default(),
            type_id: None,
            stored: Some(Stored { group: "x.io".into(), version: "v1".into(), hash: "h".into() }),
            served_by_default: true,
            deprecated: None,
        };
        let stale = Version { freshness: Freshness::Stale, ..Version::custom("v1", [resource]) };
        catalogue.add("x.io", stale);
        let document = document(&catalogue, Root::Apis, Form::V2beta1);
        assert_eq!(document["apiVersion"], "apidiscovery.k8s.io/v2beta1");
        let expected = json!({
            "metadata": { "name": "x.io" },
            "versions": [{
                "version": "v1",
                "resources": [{
                    "resource": "foos",
                    "responseKind": { "group": "x.io", "version": "v1", "kind": "Foo" },
                    "scope": "Cluster",
                    "singularResource": "foo",
                    "verbs": ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"],
                }],
                "freshness": "Stale",
            }],
        });
        assert_eq!(document["items"].as_array().unwrap().last(), Some(&expected));
    }

    #[test]
    fn forms_by_minor() {
        let known = |minor: u8| Form::ALL.map(|it| it.is_known(minor));
        assert_eq!(
            [26, 27, 30, 32, 33].map(known),
            [[false, false], [false, true], [true, true], [true, true], [true, false]]
        );
        assert_eq!(Form::named("v2beta1"), Some(Form::V2beta1));
    }
}
