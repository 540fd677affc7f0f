//! All documents of a catalogue, each made when it is first asked for and kept.
//!
//! A cluster without custom resources shares its release's. One with custom resources has a [`Discovery`] of its own
//! catalogue, and shares the release's [`OpenApi`], whose documents it lists beside those of its own.

use crate::aggregated::{self, Form, Root};
use crate::catalogue::Catalogue;
use crate::document::Document;
use crate::legacy;
use crate::openapi::{self, Descriptions};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, OnceLock};

/// The documents that tell which resources there are.
#[derive(Debug)]
pub struct Discovery {
    catalogue: Catalogue,
    /// By root and form.
    aggregated: [[OnceLock<Document>; 2]; 2],
    groups: OnceLock<Document>,
    group: BTreeMap<String, OnceLock<Document>>,
    resources: BTreeMap<(String, String), OnceLock<Document>>,
}

impl Discovery {
    /// The documents of a catalogue.
    pub fn new(catalogue: Catalogue) -> Self {
        let mut group = BTreeMap::new();
        let mut resources = BTreeMap::new();
        for it in catalogue.groups() {
            group.insert(it.name().to_owned(), OnceLock::new());
            for version in it.versions() {
                resources.insert((it.name().to_owned(), version.name.to_string()), OnceLock::new());
            }
        }
        Self { catalogue, aggregated: Default::default(), groups: OnceLock::new(), group, resources }
    }

    /// What they are of.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// `/api` or `/apis`, all groups in one.
    pub fn aggregated(&self, root: Root, form: Form) -> &Document {
        let [api, apis] = &self.aggregated;
        let [v2, beta] = if root == Root::Api { api } else { apis };
        let place = if form == Form::V2 { v2 } else { beta };
        place.get_or_init(|| json_document(&aggregated::document(&self.catalogue, root, form)))
    }

    /// `/api`. It names the server's address, which is not for sharing: it is made anew each time.
    pub fn versions(&self, server_address: &str) -> Value {
        legacy::versions(&self.catalogue, server_address)
    }

    /// `/apis`.
    pub fn groups(&self) -> &Document {
        self.groups.get_or_init(|| json_document(&legacy::groups(&self.catalogue)))
    }

    /// `/apis/{group}`.
    pub fn group(&self, name: &str) -> Option<&Document> {
        let place = self.group.get(name).filter(|_| !name.is_empty())?;
        let make = || json_document(&legacy::group(&self.catalogue, name).unwrap_or_default());
        Some(place.get_or_init(make))
    }

    /// `/api/{version}` (for the group without a name) and `/apis/{group}/{version}`.
    pub fn resources(&self, group: &str, version: &str) -> Option<&Document> {
        let place = self.resources.get(&(group.to_owned(), version.to_owned()))?;
        let make = || json_document(&legacy::resources(&self.catalogue, group, version).unwrap_or_default());
        Some(place.get_or_init(make))
    }
}

/// The documents that tell how objects are shaped.
pub struct OpenApi {
    catalogue: Catalogue,
    /// Other texts than the release's.
    texts: Option<Arc<dyn Descriptions>>,
    /// By name, as `apis/apps/v1`.
    documents: BTreeMap<String, OnceLock<Document>>,
    swagger: OnceLock<Document>,
    protobuf: OnceLock<Document>,
}

impl OpenApi {
    /// The documents of a catalogue's built-in versions, with the release's descriptions where there are any.
    pub fn new(catalogue: Catalogue) -> Self {
        let names = openapi::built_in_names(&catalogue);
        let documents = names.into_iter().map(|it| (it, OnceLock::new())).collect();
        Self { catalogue, texts: None, documents, swagger: OnceLock::new(), protobuf: OnceLock::new() }
    }

    /// As [`Self::new`], with other descriptions.
    pub fn described(catalogue: Catalogue, texts: Arc<dyn Descriptions>) -> Self {
        Self { texts: Some(texts), ..Self::new(catalogue) }
    }

    /// `/openapi/v3/{name}`, with names as `api/v1`, `apis/apps/v1`.
    pub fn document(&self, name: &str) -> Option<&Document> {
        let place = self.documents.get(name)?;
        Some(place.get_or_init(|| self.make(name, self.texts().as_deref())))
    }

    /// The names and hashes of all documents, sorted; makes those that are not there yet.
    pub fn hashes(&self) -> Vec<(&str, &str)> {
        // They are large and read from a packed file: once for all documents, and not kept.
        let texts = LazyLock::new(|| self.texts());
        let hash = |(name, place): (&'_ String, &'_ OnceLock<Document>)| {
            place.get_or_init(|| self.make(name, texts.as_deref()));
        };
        self.documents.iter().for_each(hash);
        self.documents.iter().filter_map(|(name, it)| Some((&**name, it.get()?.etag()))).collect()
    }

    /// `/openapi/v2` as JSON.
    pub fn swagger(&self) -> &Document {
        let make = || Document::new(openapi::swagger(&self.catalogue, self.texts().as_deref(), &[]));
        self.swagger.get_or_init(make)
    }

    /// `/openapi/v2` as protobuf.
    pub fn swagger_protobuf(&self) -> &Document {
        self.protobuf.get_or_init(|| Document::new(openapi::swagger_protobuf(&self.swagger().bytes())))
    }

    fn texts(&self) -> Option<Arc<dyn Descriptions>> {
        let own = || self.catalogue.release().descriptions().map(|it| Arc::new(it) as Arc<dyn Descriptions>);
        self.texts.clone().or_else(own)
    }

    fn make(&self, name: &str, texts: Option<&dyn Descriptions>) -> Document {
        Document::new(openapi::document(&self.catalogue, texts, name).unwrap_or_default())
    }
}

/// `/openapi/v3`: where each document is found, by name and hash.
pub fn openapi_index<'a>(documents: impl IntoIterator<Item = (&'a str, &'a str)>) -> Document {
    let entry = |(name, hash): (&str, &str)| {
        let url = format!("/openapi/v3/{name}?hash={hash}");
        (name.to_owned(), json!({ "serverRelativeURL": url }))
    };
    let paths: BTreeMap<String, Value> = documents.into_iter().map(entry).collect();
    json_document(&json!({ "paths": paths.into_iter().collect::<Map<_, _>>() }))
}

/// The documents of a release as it is served: what clusters of a minor share.
pub struct Documents {
    /// Which resources there are.
    pub discovery: Discovery,
    /// How objects are shaped.
    pub openapi: OpenApi,
    index: OnceLock<Document>,
}

impl Documents {
    /// The documents of a catalogue.
    pub fn new(catalogue: Catalogue) -> Self {
        let openapi = OpenApi::new(catalogue.clone());
        Self { discovery: Discovery::new(catalogue), openapi, index: OnceLock::new() }
    }

    /// `/openapi/v3`.
    pub fn openapi_index(&self) -> &Document {
        self.index.get_or_init(|| openapi_index(self.openapi.hashes()))
    }
}

/// As API servers send JSON: with a newline at its end.
fn json_document(value: &Value) -> Document {
    Document::new(format!("{value}\n").into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_types::release::Release;

    #[test]
    fn documents_are_made_once_for_all_threads() {
        let catalogue = Catalogue::new(Arc::new(Release::load(30).unwrap()));
        let documents = Documents::new(catalogue);
        let made = |_| documents.openapi.document("apis/batch/v1").unwrap().bytes();
        let all: Vec<bytes::Bytes> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|it| scope.spawn(move || made(it))).collect();
            threads.into_iter().map(|it| it.join().unwrap()).collect()
        });
        assert!(all.iter().all(|it| it.as_ptr() == all[0].as_ptr()));
        assert!(documents.openapi.document("apis/batch/v9").is_none());
        assert!(documents.discovery.resources("batch", "v9").is_none() && documents.discovery.group("").is_none());
        assert_eq!(documents.discovery.groups().bytes().last(), Some(&b'\n'));
    }
}
