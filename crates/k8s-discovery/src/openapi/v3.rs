//! OpenAPI 3.0: a document for each version.

use super::json::Json;
use super::operation::{Content, Operation, Parameter, PathItem, Place};
use super::schema::{Definitions, Dialect, write_kind};
use serde_json::{Map, Value};

/// Writes a document of some paths and all the definitions that they need. `own` are definitions that the release does
/// not have, of custom resources; references in them are followed.
pub fn document(definitions: &Definitions<'_>, paths: &[PathItem], own: &Map<String, Value>) -> Vec<u8> {
    let mut json = Json::with_capacity(1 << 16);
    let mut referred = Vec::new();
    own.values().for_each(|it| references(it, &mut referred));
    let roots = paths.iter().flat_map(PathItem::definitions).chain(referred);
    let names = definitions.reachable(roots);
    let is_custom = !own.is_empty();
    json.object(|json| {
        json.key("openapi").text("3.0.0");
        json.key("info").object(|json| {
            json.key("title").text(if is_custom { "Kubernetes CRD Swagger" } else { "Kubernetes" });
            json.key("version").text(if is_custom { "v0.1.0" } else { "unversioned" });
        });
        json.key("paths").object(|json| paths.iter().for_each(|it| path(json, it)));
        json.key("components").object(|json| {
            json.key("schemas").object(|json| {
                own.iter().for_each(|(name, schema)| json.key(name).value(schema));
                for name in names.iter().filter(|it| !own.contains_key(*it)) {
                    definitions.write(json.key(name), name, Dialect::V3);
                }
            });
            if !is_custom {
                json.key("securitySchemes").object(|json| security(json.key("BearerToken")));
            }
        });
    });
    json.finish()
}

/// How one proves to be somebody.
pub fn security(json: &mut Json) {
    json.object(|json| {
        json.key("type").text("apiKey");
        json.key("description").text("Bearer Token authentication");
        json.key("name").text("authorization");
        json.key("in").text("header");
    });
}

/// The names that a schema refers to.
pub fn references<'a>(schema: &'a Value, names: &mut Vec<&'a str>) {
    match schema {
        Value::Object(keys) => {
            for (key, value) in keys {
                match value.as_str() {
                    Some(target) if key == "$ref" => names.extend(target.rsplit('/').next()),
                    _ => references(value, names),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|it| references(it, names)),
        _ => {}
    }
}

fn path(json: &mut Json, it: &PathItem) {
    json.key(&it.path).object(|json| {
        it.operations.iter().for_each(|it| operation(json.key(it.method.name()), it));
        parameters(json, &it.parameters);
    });
}

fn operation(json: &mut Json, it: &Operation) {
    json.object(|json| {
        json.key("tags").texts([&*it.tag]);
        json.key("description").text(&it.description);
        json.key("operationId").text(&it.id);
        parameters(json, &it.parameters);
        if let Some(body) = &it.body {
            json.key("requestBody").object(|json| {
                json.key("content").object(|json| {
                    it.consumes.iter().for_each(|it| reference(json.key(it), &body.definition));
                });
                if body.required {
                    json.key("required").boolean(true);
                }
            });
        }
        json.key("responses").object(|json| {
            for response in &it.responses {
                json.key(response.code).object(|json| {
                    json.key("description").text(response.description);
                    let Some(content) = &response.content else { return };
                    json.key("content").object(|json| {
                        it.produces.iter().for_each(|it| answered(json.key(it), content));
                    });
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

fn answered(json: &mut Json, content: &Content) {
    match content {
        Content::Definition(name) => reference(json, name),
        Content::Text => json.object(|json| {
            json.key("schema").object(|json| json.key("type").text("string"));
        }),
    }
}

fn reference(json: &mut Json, name: &str) {
    json.object(|json| {
        json.key("schema").object(|json| json.key("$ref").text(&format!("{}{name}", Dialect::V3.prefix())));
    });
}

fn parameters(json: &mut Json, all: &[Parameter]) {
    if all.is_empty() {
        return;
    }
    json.key("parameters").array(|json| {
        for it in all {
            json.object(|json| {
                json.key("name").text(it.name);
                json.key("in").text(if it.place == Place::Path { "path" } else { "query" });
                json.key("description").text(&it.description);
                if it.place == Place::Path {
                    json.key("required").boolean(true);
                }
                json.key("schema").object(|json| {
                    json.key("type").text(it.form.name());
                    json.key("uniqueItems").boolean(true);
                });
            });
        }
    });
}
