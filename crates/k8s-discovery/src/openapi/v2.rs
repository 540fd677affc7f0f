//! OpenAPI 2.0 ("swagger"): one document of everything.

use super::json::Json;
use super::operation::{Body, Content, Operation, Parameter, PathItem, Place};
use super::schema::{Definitions, Dialect, write_kind};
use super::v3::{references, security};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::collections::hash_map::{Entry, HashMap};

/// Since which minor parameters are written once and referred to.
const SHARED_SINCE: u8 = 28;

/// Writes the document of some paths and all the definitions that they need. `own` are definitions that the release
/// does not have, of custom resources; references in them are followed.
pub fn document(definitions: &Definitions<'_>, paths: &[PathItem], own: &Map<String, Value>, minor: u8) -> Vec<u8> {
    let mut json = Json::with_capacity(1 << 22);
    let mut referred = Vec::new();
    own.values().for_each(|it| references(it, &mut referred));
    let names = definitions.reachable(paths.iter().flat_map(PathItem::definitions).chain(referred));
    let mut shared = Shared { on: minor >= SHARED_SINCE, ..Shared::default() };
    json.object(|json| {
        json.key("swagger").text("2.0");
        json.key("info").object(|json| {
            json.key("title").text("Kubernetes");
            json.key("version").text("unversioned");
        });
        json.key("paths").object(|json| paths.iter().for_each(|it| path(json, it, &mut shared)));
        json.key("definitions").object(|json| {
            own.iter().for_each(|(name, schema)| json.key(name).value(schema));
            for name in names.iter().filter(|it| !own.contains_key(*it)) {
                definitions.write(json.key(name), name, Dialect::V2);
            }
        });
        if !shared.all.is_empty() {
            json.key("parameters").object(|json| {
                shared.all.iter().for_each(|(name, it)| json.key(name).value(it));
            });
        }
        json.key("securityDefinitions").object(|json| security(json.key("BearerToken")));
        json.key("security").array(|json| {
            json.object(|json| json.key("BearerToken").array(|_| ()));
        });
    });
    json.finish()
}

/// Parameters that are written once, by the names under which they are referred to.
#[derive(Default)]
struct Shared {
    on: bool,
    all: BTreeMap<String, Value>,
    /// The names by what tells parameters apart.
    names: HashMap<(&'static str, Place, String), String>,
}

impl Shared {
    /// The name that a parameter is referred to by.
    fn name(&mut self, it: &Parameter) -> Option<&str> {
        // What differs from path to path, and what clients want to see in its place, stays there.
        if !self.on || matches!(it.name, "name" | "dryRun" | "fieldValidation") {
            return None;
        }
        let known = match self.names.entry((it.name, it.place, it.description.to_string())) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(free) => {
                let name = add(&mut self.all, it.name, |json| parameter(json, it));
                free.insert(name)
            }
        };
        Some(known)
    }

    /// The name that a body is referred to by: those that many operations have in common.
    fn body(&mut self, it: &Body) -> Option<&str> {
        if !self.on || !it.definition.starts_with("io.k8s.apimachinery.") {
            return None;
        }
        let known = match self.names.entry(("body", Place::Query, it.definition.clone())) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(free) => {
                let name = add(&mut self.all, "body", |json| body(json, it));
                free.insert(name)
            }
        };
        Some(known)
    }
}

/// Adds what is shared, under a name that follows from its content.
fn add(all: &mut BTreeMap<String, Value>, name: &str, write: impl FnOnce(&mut Json)) -> String {
    let mut json = Json::with_capacity(256);
    write(&mut json);
    let text = json.finish();
    let hash = BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, &text));
    let name = format!("{name}-{}", hash.get(..8).unwrap_or_default());
    all.insert(name.clone(), serde_json::from_slice(&text).unwrap_or_default());
    name
}

fn path(json: &mut Json, it: &PathItem, shared: &mut Shared) {
    json.key(&it.path).object(|json| {
        it.operations.iter().for_each(|it| operation(json.key(it.method.name()), it, shared));
        parameters(json, None, &it.parameters, shared);
    });
}

fn operation(json: &mut Json, it: &Operation, shared: &mut Shared) {
    json.object(|json| {
        json.key("description").text(&it.description);
        for (key, types) in [("consumes", &it.consumes), ("produces", &it.produces)] {
            if !types.is_empty() {
                json.key(key).texts(types.iter().copied());
            }
        }
        json.key("schemes").texts(["https"]);
        json.key("tags").texts([&*it.tag]);
        json.key("operationId").text(&it.id);
        parameters(json, it.body.as_ref(), &it.parameters, shared);
        json.key("responses").object(|json| {
            for response in &it.responses {
                json.key(response.code).object(|json| {
                    json.key("description").text(response.description);
                    match &response.content {
                        None => {}
                        Some(Content::Definition(name)) => reference(json.key("schema"), name),
                        Some(Content::Text) => json.key("schema").object(|json| json.key("type").text("string")),
                    }
                });
            }
        });
        if let Some(action) = it.action {
            json.key("x-kubernetes-action").text(action);
        }
        if let Some(kind) = &it.kind {
            write_kind(json.key("x-kubernetes-group-version-kind"), &kind.group, &kind.version, &kind.kind);
        }
    });
}

fn parameters(json: &mut Json, content: Option<&Body>, all: &[Parameter], shared: &mut Shared) {
    if content.is_none() && all.is_empty() {
        return;
    }
    json.key("parameters").array(|json| {
        if let Some(it) = content {
            match shared.body(it) {
                Some(name) => refer(json, "#/parameters/", name),
                None => body(json, it),
            }
        }
        for it in all {
            match shared.name(it) {
                Some(name) => refer(json, "#/parameters/", name),
                None => parameter(json, it),
            }
        }
    });
}

fn parameter(json: &mut Json, it: &Parameter) {
    json.object(|json| {
        json.key("uniqueItems").boolean(true);
        json.key("type").text(it.form.name());
        json.key("description").text(&it.description);
        json.key("name").text(it.name);
        json.key("in").text(if it.place == Place::Path { "path" } else { "query" });
        if it.place == Place::Path {
            json.key("required").boolean(true);
        }
    });
}

fn body(json: &mut Json, it: &Body) {
    json.object(|json| {
        json.key("name").text("body");
        json.key("in").text("body");
        if it.required {
            json.key("required").boolean(true);
        }
        reference(json.key("schema"), &it.definition);
    });
}

fn reference(json: &mut Json, name: &str) {
    refer(json, Dialect::V2.prefix(), name);
}

fn refer(json: &mut Json, prefix: &str, name: &str) {
    json.object(|json| json.key("$ref").text(&format!("{prefix}{name}")));
}
