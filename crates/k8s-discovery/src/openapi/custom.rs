//! The definitions of custom resources' kinds, made of the schemas that their own definitions carry.

use super::naming::definition;
use super::schema::Dialect;
use k8s_types::release::{GroupVersionKind, Release, Resource};
use serde_json::{Map, Value, json};

const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";

/// A custom resource of a version.
#[derive(Debug, Clone, Copy)]
pub struct Custom<'a> {
    /// As discovery has it.
    pub resource: &'a Resource,
    /// The kind of a list of its objects.
    pub list_kind: &'a str,
    /// The version's `openAPIV3Schema`, where its definition has one that is to be kept to.
    pub schema: Option<&'a Value>,
}

/// The definitions of some custom resources' kinds and of their lists, by name.
pub fn definitions(release: &Release, resources: &[Custom<'_>], dialect: Dialect) -> Map<String, Value> {
    let mut all = Map::new();
    for it in resources {
        let own = |kind: &str| GroupVersionKind::new(&it.resource.group, &it.resource.version, kind);
        let (kind, list) = (own(&it.resource.kind), own(it.list_kind));
        let name = definition(release, &kind);
        let schema = list_schema(it, &kind, &list, &name, dialect);
        all.insert(name, kind_schema(it, &kind, dialect));
        all.insert(definition(release, &list), schema);
    }
    all
}

fn kind_schema(it: &Custom<'_>, kind: &GroupVersionKind, dialect: Dialect) -> Value {
    // Clients of the second form take fields that a schema does not name for mistakes, so one that allows more names
    // none at all.
    let own = it.schema.filter(|it| dialect == Dialect::V3 || !flag(it, "x-kubernetes-preserve-unknown-fields"));
    let mut schema = match own {
        Some(own) => {
            let mut schema = own.clone();
            convert(&mut schema, dialect);
            add_properties(&mut schema, type_meta(dialect, "ObjectMeta", "Standard metadata of an object."));
            schema
        }
        None => json!({ "type": "object" }),
    };
    schema["x-kubernetes-group-version-kind"] = named(kind);
    schema
}

fn list_schema(
    it: &Custom<'_>,
    kind: &GroupVersionKind,
    list: &GroupVersionKind,
    item: &str,
    dialect: Dialect,
) -> Value {
    let mut schema = json!({
        "description": format!("{} is a list of {}", list.kind, kind.kind),
        "type": "object",
        "required": ["items"],
        "properties": {
            "items": {
                "description": format!("List of {}.", it.resource.plural),
                "type": "array",
                "items": { "$ref": format!("{}{item}", dialect.prefix()) },
            },
        },
        "x-kubernetes-group-version-kind": named(list),
    });
    add_properties(&mut schema, type_meta(dialect, "ListMeta", "Standard metadata of a list."));
    schema
}

fn named(kind: &GroupVersionKind) -> Value {
    json!([{ "group": &*kind.group, "kind": &*kind.kind, "version": &*kind.version }])
}

/// The fields that every object has.
fn type_meta(dialect: Dialect, metadata: &str, description: &str) -> [(&'static str, Value); 3] {
    let target = format!("{}{META}.{metadata}", dialect.prefix());
    let metadata = match dialect {
        Dialect::V2 => json!({ "description": description, "$ref": target }),
        Dialect::V3 => json!({ "description": description, "allOf": [{ "$ref": target }] }),
    };
    [
        ("apiVersion", json!({ "description": "The group and version that the object is in.", "type": "string" })),
        ("kind", json!({ "description": "What the object is.", "type": "string" })),
        ("metadata", metadata),
    ]
}

fn add_properties<const N: usize>(schema: &mut Value, fields: [(&'static str, Value); N]) {
    let Some(schema) = schema.as_object_mut() else { return };
    let properties = schema.entry("properties").or_insert_with(|| Value::Object(Map::new()));
    if let Some(properties) = properties.as_object_mut() {
        properties.extend(fields.map(|(name, field)| (name.to_owned(), field)));
    }
}

fn flag(schema: &Value, name: &str) -> bool {
    schema.get(name).and_then(Value::as_bool).unwrap_or_default()
}

/// Makes a custom resource's schema one of a document, in place: says what is only implied, and for the second form
/// takes out what it does not have and what its clients stumble over.
fn convert(schema: &mut Value, dialect: Dialect) {
    if dialect == Dialect::V2 {
        simplify(schema);
    } else if flag(schema, "x-kubernetes-int-or-string")
        && let Some(keys) = schema.as_object_mut()
        && !keys.contains_key("anyOf")
    {
        keys.insert("anyOf".to_owned(), json!([{ "type": "integer" }, { "type": "string" }]));
    }
    let inner = |schema: &mut Value, key: &str| {
        if let Some(inner) = schema.get_mut(key).filter(|it| it.is_object()) {
            convert(inner, dialect);
        }
    };
    inner(schema, "items");
    inner(schema, "additionalProperties");
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.values_mut().for_each(|it| convert(it, dialect));
    }
    let open = dialect == Dialect::V2 && flag(schema, "x-kubernetes-preserve-unknown-fields");
    if flag(schema, "x-kubernetes-embedded-resource") && !open {
        add_properties(schema, type_meta(dialect, "ObjectMeta", "Standard metadata of an object."));
        require(schema, ["kind", "apiVersion"]);
    }
}

fn require(schema: &mut Value, fields: [&str; 2]) {
    let Some(schema) = schema.as_object_mut() else { return };
    let required = schema.entry("required").or_insert_with(|| Value::Array(Vec::new()));
    if let Some(required) = required.as_array_mut() {
        for field in fields {
            if !required.iter().any(|it| it == field) {
                required.push(field.into());
            }
        }
    }
}

/// Takes out of one schema what the second form does not have (alternatives, null) and what its clients can't read
/// (fields of what may have others as well, lists of anything).
fn simplify(schema: &mut Value) {
    let nullable = |it: &Value| flag(it, "nullable");
    let without_value = |of: Option<&Value>| of.is_some_and(nullable);
    let optional: Vec<String> = schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter(|(_, it)| nullable(it))
        .map(|(name, _)| name.clone())
        .collect();
    let values_are_nullable = without_value(schema.get("additionalProperties"));
    let Some(keys) = schema.as_object_mut() else { return };
    for key in ["allOf", "anyOf", "oneOf", "not"] {
        keys.shift_remove(key);
    }
    let is_nullable = keys.shift_remove("nullable").is_some_and(|it| it == true);
    let open = keys.get("x-kubernetes-preserve-unknown-fields").is_some_and(|it| it == true);
    if is_nullable {
        keys.shift_remove("type");
    }
    if is_nullable || open {
        keys.shift_remove("items");
        keys.shift_remove("properties");
    }
    if !keys.contains_key("items") && keys.get("type").is_some_and(|it| it == "array") {
        keys.shift_remove("type");
    }
    if let Some(required) = keys.get_mut("required").and_then(Value::as_array_mut) {
        required.retain(|it| !values_are_nullable && !optional.iter().any(|name| it == name));
        if required.is_empty() {
            keys.shift_remove("required");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn converted(mut schema: Value, dialect: Dialect) -> Value {
        convert(&mut schema, dialect);
        schema
    }

    #[test]
    fn the_second_form_loses_what_it_lacks() {
        let schema = json!({
            "type": "object",
            "required": ["a", "b"],
            "properties": {
                "a": { "type": "array", "items": { "type": "string" }, "nullable": true },
                "b": { "type": "string", "anyOf": [{ "pattern": "x" }] },
                "c": {
                    "type": "object",
                    "properties": { "d": { "type": "string" } },
                    "x-kubernetes-preserve-unknown-fields": true,
                },
                "e": { "x-kubernetes-int-or-string": true },
            },
        });
        let expected = json!({
            "type": "object",
            "required": ["b"],
            "properties": {
                "a": {},
                "b": { "type": "string" },
                "c": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
                "e": { "x-kubernetes-int-or-string": true },
            },
        });
        assert_eq!(converted(schema.clone(), Dialect::V2), expected);
        let kept = converted(schema.clone(), Dialect::V3);
        assert_eq!(kept["properties"]["a"], schema["properties"]["a"]);
        assert_eq!(kept["properties"]["e"]["anyOf"], json!([{ "type": "integer" }, { "type": "string" }]));
    }

    #[test]
    fn what_is_embedded_is_an_object_of_the_api() {
        let schema = json!({ "type": "object", "x-kubernetes-embedded-resource": true, "required": ["kind"] });
        let it = converted(schema, Dialect::V3);
        assert_eq!(it["required"], json!(["kind", "apiVersion"]));
        let reference = "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
        assert_eq!(it["properties"]["metadata"]["allOf"], json!([{ "$ref": reference }]));
    }
}
