//! A custom resource's shape from its OpenAPI schema, and its defaults: as much of it as the records need.

use k8s_patch::typed::Schema;
use k8s_types::schema::{Field, ListKind, Scalar, Shape, Struct, TypeId, Types};
use serde_json::Value;

/// The shapes of a CRD's versions: `(apiVersion, arena, root, OpenAPI schema)`.
pub struct Crd {
    pub versions: Vec<(String, &'static Types, TypeId, Value)>,
    pub has_status: bool,
    pub kind: String,
}

impl Crd {
    pub fn new(body: &Value) -> Self {
        let group = body["spec"]["group"].as_str().unwrap();
        let versions = body["spec"]["versions"].as_array().unwrap();
        let has_status = versions.iter().any(|it| it["subresources"]["status"].is_object());
        let of = |version: &Value| {
            let open_api = version["schema"]["openAPIV3Schema"].clone();
            let mut types = Types::default();
            let root = root(&mut types, &open_api);
            let types: &'static Types = Box::leak(Box::new(types));
            (format!("{group}/{}", version["name"].as_str().unwrap()), types, root, open_api)
        };
        let kind = body["spec"]["names"]["kind"].as_str().unwrap().to_owned();
        Self { versions: versions.iter().map(of).collect(), has_status, kind }
    }

    pub fn schemas(&self) -> Vec<(&str, Schema<'static>)> {
        self.versions.iter().map(|it| (it.0.as_str(), Schema { types: it.1, root: it.2 })).collect()
    }

    /// Fills in what the schema of `api_version` gives.
    pub fn default(&self, api_version: &str, object: &mut Value) {
        if let Some(version) = self.versions.iter().find(|it| it.0 == api_version) {
            default(&version.3, object);
        }
    }
}

fn text() -> Shape {
    Shape::Scalar(Scalar::String)
}

fn map_of(value: Shape) -> Shape {
    Shape::Map { value: Box::new(value), atomic: false }
}

fn list_of(item: Shape, kind: ListKind) -> Shape {
    Shape::List { item: Box::new(item), kind }
}

fn metadata(types: &mut Types) -> Shape {
    let owner = ["apiVersion", "kind", "name", "uid"].map(|it| Field::new(it, text()));
    let flags = ["controller", "blockOwnerDeletion"].map(|it| Field::new(it, Shape::Scalar(Scalar::Boolean)));
    let fields = owner.into_iter().chain(flags).collect();
    let owner = types.add(Struct { fields, ..Struct::default() });
    let owner = Shape::Struct { id: owner, atomic: true };
    let texts = ["name", "namespace", "uid", "resourceVersion", "creationTimestamp", "generateName", "selfLink"];
    let mut fields: Vec<Field> = texts.iter().map(|it| Field::new(it, text())).collect();
    fields.extend([
        Field::new("generation", Shape::Scalar(Scalar::Int64)),
        Field::new("labels", map_of(text())),
        Field::new("annotations", map_of(text())),
        Field::new("finalizers", list_of(text(), ListKind::Set)),
        Field::new("ownerReferences", list_of(owner, ListKind::Map { keys: ["uid".into()].into() })),
        Field::new("managedFields", list_of(Shape::Any, ListKind::Atomic)),
    ]);
    Shape::Struct { id: types.add(Struct { fields: fields.into(), ..Struct::default() }), atomic: false }
}

fn root(types: &mut Types, open_api: &Value) -> TypeId {
    let mut fields = vec![Field::new("apiVersion", text()), Field::new("kind", text())];
    fields.push(Field::new("metadata", metadata(types)));
    for (name, property) in open_api["properties"].as_object().into_iter().flatten() {
        if !["apiVersion", "kind", "metadata"].contains(&name.as_str()) {
            fields.push(field(types, name, property));
        }
    }
    let preserve_unknown = open_api["x-kubernetes-preserve-unknown-fields"] == true;
    types.add(Struct { fields: fields.into(), preserve_unknown, ..Struct::default() })
}

fn field(types: &mut Types, name: &str, open_api: &Value) -> Field {
    Field { default: open_api.get("default").cloned(), ..Field::new(name, shape(types, open_api)) }
}

fn shape(types: &mut Types, open_api: &Value) -> Shape {
    if open_api["x-kubernetes-int-or-string"] == true {
        return Shape::Scalar(Scalar::IntOrString);
    }
    let atomic = open_api["x-kubernetes-map-type"] == "atomic";
    match open_api["type"].as_str() {
        Some("string") => text(),
        Some("integer") => Shape::Scalar(Scalar::Int64),
        Some("number") => Shape::Scalar(Scalar::Double),
        Some("boolean") => Shape::Scalar(Scalar::Boolean),
        Some("array") => {
            let kind = match open_api["x-kubernetes-list-type"].as_str() {
                Some("set") => ListKind::Set,
                Some("map") => {
                    let keys = open_api["x-kubernetes-list-map-keys"].as_array().into_iter().flatten();
                    ListKind::Map { keys: keys.map(|it| it.as_str().unwrap().into()).collect() }
                }
                _ => ListKind::Atomic,
            };
            list_of(shape(types, &open_api["items"]), kind)
        }
        Some("object") if open_api["additionalProperties"].is_object() => {
            Shape::Map { value: Box::new(shape(types, &open_api["additionalProperties"])), atomic }
        }
        Some("object") => {
            let properties = open_api["properties"].as_object().into_iter().flatten();
            let fields = properties.map(|(name, property)| field(types, name, property)).collect();
            let preserve_unknown = open_api["x-kubernetes-preserve-unknown-fields"] == true;
            let id = types.add(Struct { fields, preserve_unknown, ..Struct::default() });
            Shape::Struct { id, atomic }
        }
        _ => Shape::Any,
    }
}

fn default(open_api: &Value, value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (name, property) in open_api["properties"].as_object().into_iter().flatten() {
                if let (None, Some(default)) = (map.get(name), property.get("default")) {
                    map.insert(name.clone(), default.clone());
                }
                if let Some(member) = map.get_mut(name) {
                    default_member(property, member);
                }
            }
            if let Some(others) = open_api.get("additionalProperties").filter(|it| it.is_object()) {
                map.values_mut().for_each(|it| default(others, it));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|it| default(&open_api["items"], it)),
        _ => {}
    }
}

fn default_member(property: &Value, member: &mut Value) {
    default(property, member);
}
