//! Types as JSON schemas, as both kinds of document have them.

use super::json::Json;
use k8s_types::release::{self, GroupVersionKind, Release};
use k8s_types::schema::{Empty, Field, ListKind, Scalar, Shape, Struct, TypeId};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

const MACHINERY: &str = "io.k8s.apimachinery.pkg";

/// What people are told where the build has no descriptions; once for each definition.
pub const NO_DESCRIPTION: &str = "This server was built without descriptions of the API.";

/// Since which minor the documents no longer give empty objects as defaults of what is no object: times, quantities.
const NO_FALSE_DEFAULTS_SINCE: u8 = 28;

/// Since which minor every list is marked in the published documents, those that are owned as a whole as well.
const MARKED_SINCE: u8 = 30;

/// The texts that describe definitions and their fields: a release's, where the program was built with them.
pub trait Descriptions: Send + Sync {
    /// What a definition is.
    fn definition(&self, name: &str) -> Option<&str>;
    /// What a definition's field is.
    fn field(&self, definition: &str, field: &str) -> Option<&str>;
}

impl Descriptions for release::Descriptions {
    fn definition(&self, name: &str) -> Option<&str> {
        self.of_type(name)
    }

    fn field(&self, definition: &str, field: &str) -> Option<&str> {
        self.of_field(definition, field)
    }
}

/// Which kind of document a schema is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Swagger 2.0: what a reference stands beside is taken as it is, and there are no defaults.
    V2,
    /// OpenAPI 3.0: a reference stands alone, so one with a description is wrapped.
    V3,
}

/// A release's types as definitions.
pub struct Definitions<'a> {
    release: &'a Release,
    texts: Option<&'a dyn Descriptions>,
    /// Group, version and kind of those that have them.
    kinds: HashMap<TypeId, Vec<&'a GroupVersionKind>>,
    /// Whether all that refer to a type take it as a whole: it is the type's own then.
    atomic: Vec<bool>,
}

impl Dialect {
    /// What the name of a definition is preceded by in a reference.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::V2 => "#/definitions/",
            Self::V3 => "#/components/schemas/",
        }
    }
}

impl<'a> Definitions<'a> {
    pub fn new(release: &'a Release, texts: Option<&'a dyn Descriptions>) -> Self {
        let mut kinds: HashMap<TypeId, Vec<&GroupVersionKind>> = HashMap::new();
        for (kind, id) in release.kinds() {
            kinds.entry(id).or_default().push(kind);
        }
        Self { release, texts, kinds, atomic: atomic_types(release) }
    }

    /// All names that can be reached from some, those that are not the release's left out.
    pub fn reachable<'n>(&self, roots: impl IntoIterator<Item = &'n str>) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        let mut open: Vec<Cow<'_, str>> = roots.into_iter().map(Cow::Borrowed).collect();
        while let Some(name) = open.pop() {
            let it = self.release.struct_named(&name);
            if (it.is_none() && !is_special(&name)) || !names.insert(name.into_owned()) {
                continue;
            }
            let Some(it) = it else { continue };
            for field in &it.fields {
                let mut shape = &field.shape;
                while let Shape::Map { value: inner, .. } | Shape::List { item: inner, .. } = shape {
                    shape = inner;
                }
                open.extend(self.referred(it, field, shape));
            }
        }
        names
    }

    /// Writes a definition; nothing for a name that the release does not have.
    pub fn write(&self, json: &mut Json, name: &str, dialect: Dialect) {
        match self.release.type_named(name).and_then(|id| Some((id, self.release.types().get(id)?))) {
            Some((id, it)) => self.write_struct(json, id, it, dialect),
            None => self.write_special(json, name, dialect),
        }
    }

    fn write_struct(&self, json: &mut Json, id: TypeId, it: &Struct, dialect: Dialect) {
        json.object(|json| {
            self.describe(json, &it.name);
            json.key("type").text("object");
            if it.fields.iter().any(|it| it.required) {
                json.key("required").texts(it.fields.iter().filter(|it| it.required).map(|it| &*it.name));
            }
            if !it.fields.is_empty() {
                json.key("properties").object(|json| {
                    for field in &it.fields {
                        self.write_field(json.key(&field.name), it, field, dialect);
                    }
                });
            }
            if self.is_atomic(id) {
                json.key("x-kubernetes-map-type").text("atomic");
            }
            self.write_kinds(json, id, it);
        });
    }

    fn describe(&self, json: &mut Json, name: &str) {
        match self.texts {
            Some(texts) => {
                if let Some(text) = texts.definition(name) {
                    json.key("description").text(text);
                }
            }
            None => json.key("description").text(NO_DESCRIPTION),
        }
    }

    fn write_kinds(&self, json: &mut Json, id: TypeId, it: &Struct) {
        let Some(kinds) = self.kinds.get(&id) else { return };
        let kind = it.name.rsplit('.').next().unwrap_or_default();
        json.key("x-kubernetes-group-version-kind").array(|json| {
            // A Status is the core group's in documents, although others may answer it.
            for kind in kinds.iter().filter(|it| kind != "Status" || it.group.is_empty()) {
                write_kind(json, &kind.group, &kind.version, &kind.kind);
            }
            if matches!(kind, "DeleteOptions" | "WatchEvent") {
                // These are found in every version.
                for group in self.release.groups().iter().filter(|it| !it.name.is_empty()) {
                    group.versions.iter().for_each(|it| write_kind(json, &group.name, &it.name, kind));
                }
            }
        });
    }

    fn write_field(&self, json: &mut Json, owner: &Struct, field: &Field, dialect: Dialect) {
        json.object(|json| {
            if let Some(text) = self.texts.and_then(|it| it.field(&owner.name, &field.name)) {
                json.key("description").text(text);
            }
            let default = if dialect == Dialect::V3 { self.default(field) } else { None };
            self.write_shape(json, owner, field, &field.shape, default.as_deref(), dialect);
            if let Shape::List { kind, .. } = &field.shape {
                self.write_list_kind(json, owner, field, kind);
            }
            if let Some(key) = &field.patch.merge_key {
                json.key("x-kubernetes-patch-merge-key").text(key);
            }
            match (field.patch.merge, field.patch.retain_keys) {
                (true, true) => json.key("x-kubernetes-patch-strategy").text("merge,retainKeys"),
                (true, false) => json.key("x-kubernetes-patch-strategy").text("merge"),
                (false, true) => json.key("x-kubernetes-patch-strategy").text("retainKeys"),
                (false, false) => {}
            }
        });
    }

    fn write_list_kind(&self, json: &mut Json, owner: &Struct, field: &Field, kind: &ListKind) {
        match kind {
            ListKind::Map { keys } => {
                json.key("x-kubernetes-list-map-keys").texts(keys.iter().map(|it| &**it));
                json.key("x-kubernetes-list-type").text("map");
            }
            ListKind::Set => json.key("x-kubernetes-list-type").text("set"),
            ListKind::Atomic => {
                let of_objects = &*field.name == "items" && owner.name.ends_with("List");
                if self.release.minor() >= MARKED_SINCE && !field.patch.merge && !of_objects {
                    json.key("x-kubernetes-list-type").text("atomic");
                }
            }
        }
    }

    /// Writes the keys of what stands in a place.
    fn write_shape(
        &self,
        json: &mut Json,
        owner: &Struct,
        field: &Field,
        shape: &Shape,
        default: Option<&Value>,
        dialect: Dialect,
    ) {
        if let Some(name) = self.referred(owner, field, shape) {
            write_reference(json, &name, default, dialect);
            let atomic = match shape {
                Shape::Struct { id, atomic } => *atomic && !self.is_atomic(*id),
                _ => false,
            };
            if atomic {
                json.key("x-kubernetes-map-type").text("atomic");
            }
            return;
        }
        let inner = |json: &mut Json, shape: &Shape| {
            let default = if dialect == Dialect::V3 { self.zero(shape) } else { None };
            json.object(|json| self.write_shape(json, owner, field, shape, default.as_ref(), dialect));
        };
        match shape {
            Shape::Scalar(scalar) => write_scalar(json, *scalar),
            Shape::List { item, .. } => {
                json.key("type").text("array");
                inner(json.key("items"), item);
            }
            Shape::Map { value, atomic } => {
                json.key("type").text("object");
                inner(json.key("additionalProperties"), value);
                if *atomic {
                    json.key("x-kubernetes-map-type").text("atomic");
                }
            }
            Shape::Any | Shape::Struct { .. } => {}
        }
        if let Some(default) = default {
            json.key("default").value(default);
        }
    }

    /// The definition that a shape is written as a reference to.
    fn referred(&self, owner: &Struct, field: &Field, shape: &Shape) -> Option<Cow<'a, str>> {
        let meta = |name: &'static str| Some(Cow::Borrowed(name));
        match shape {
            Shape::Struct { id, .. } => self.release.types().get(*id).map(|it| Cow::Borrowed(&*it.name)),
            Shape::Scalar(Scalar::Time) => meta("io.k8s.apimachinery.pkg.apis.meta.v1.Time"),
            Shape::Scalar(Scalar::MicroTime) => meta("io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime"),
            Shape::Scalar(Scalar::Duration) => meta("io.k8s.apimachinery.pkg.apis.meta.v1.Duration"),
            Shape::Scalar(Scalar::Quantity) => meta("io.k8s.apimachinery.pkg.api.resource.Quantity"),
            Shape::Scalar(Scalar::IntOrString) => meta("io.k8s.apimachinery.pkg.util.intstr.IntOrString"),
            Shape::Any => Some(any(owner, field)),
            Shape::Scalar(_) | Shape::Map { .. } | Shape::List { .. } => None,
        }
    }

    /// The value that a document gives a field where it is absent: its default, or the empty value of what is written
    /// always.
    fn default(&self, field: &'a Field) -> Option<Cow<'a, Value>> {
        if let Some(default) = &field.default {
            return Some(Cow::Borrowed(default));
        }
        match field.empty {
            Empty::Shown | Empty::OmittedZero => self.zero(&field.shape).map(Cow::Owned),
            Empty::Kept | Empty::Omitted | Empty::Null => None,
        }
    }

    /// The value that Go gives to what is not set, of the shapes that documents tell it of.
    fn zero(&self, shape: &Shape) -> Option<Value> {
        let empty = || Value::Object(serde_json::Map::new());
        Some(match shape {
            Shape::Struct { .. } => empty(),
            Shape::Scalar(Scalar::String) => "".into(),
            Shape::Scalar(Scalar::Boolean) => false.into(),
            Shape::Scalar(Scalar::Int32 | Scalar::Int64 | Scalar::Double) => 0.into(),
            Shape::Scalar(Scalar::Bytes) | Shape::Map { .. } | Shape::List { .. } => return None,
            Shape::Scalar(_) | Shape::Any => {
                return (self.release.minor() < NO_FALSE_DEFAULTS_SINCE).then(empty);
            }
        })
    }

    fn is_atomic(&self, id: TypeId) -> bool {
        self.atomic.get(id.0 as usize).copied().unwrap_or_default()
    }

    /// Definitions that are no structs.
    fn write_special(&self, json: &mut Json, name: &str, dialect: Dialect) {
        let either = |json: &mut Json, types: [&str; 2]| {
            json.key("oneOf").array(|json| {
                types.iter().for_each(|it| json.object(|json| json.key("type").text(it)));
            });
        };
        json.object(|json| {
            self.describe(json, name);
            match (name.rsplit('.').next().unwrap_or_default(), dialect) {
                ("Time" | "MicroTime", _) => {
                    json.key("type").text("string");
                    json.key("format").text("date-time");
                }
                ("IntOrString", Dialect::V2) => {
                    json.key("type").text("string");
                    json.key("format").text("int-or-string");
                }
                ("IntOrString", Dialect::V3) => {
                    json.key("format").text("int-or-string");
                    either(json, ["integer", "string"]);
                }
                ("Quantity", Dialect::V3) => either(json, ["string", "number"]),
                ("Quantity" | "Duration", _) => json.key("type").text("string"),
                ("FieldsV1" | "RawExtension" | "Patch", _) => json.key("type").text("object"),
                _ => {}
            }
        });
    }
}

/// A kind, as documents name it.
pub fn write_kind(json: &mut Json, group: &str, version: &str, kind: &str) {
    json.object(|json| {
        json.key("group").text(group);
        json.key("kind").text(kind);
        json.key("version").text(version);
    });
}

/// A reference among the keys of a schema.
fn write_reference(json: &mut Json, name: &str, default: Option<&Value>, dialect: Dialect) {
    let target = format!("{}{name}", dialect.prefix());
    if dialect == Dialect::V2 {
        return json.key("$ref").text(&target);
    }
    if let Some(default) = default {
        json.key("default").value(default);
    }
    json.key("allOf").array(|json| json.object(|json| json.key("$ref").text(&target)));
}

fn write_scalar(json: &mut Json, scalar: Scalar) {
    let (name, format) = match scalar {
        Scalar::Boolean => ("boolean", None),
        Scalar::Int32 => ("integer", Some("int32")),
        Scalar::Int64 => ("integer", Some("int64")),
        Scalar::Double => ("number", Some("double")),
        Scalar::Bytes => ("string", Some("byte")),
        _ => ("string", None),
    };
    json.key("type").text(name);
    if let Some(format) = format {
        json.key("format").text(format);
    }
}

/// The definition of what may be any JSON: the API has several names for it.
fn any(owner: &Struct, field: &Field) -> Cow<'static, str> {
    if &*field.name == "fieldsV1" {
        return Cow::Borrowed("io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1");
    }
    let Some(module) = owner.name.strip_suffix(".JSONSchemaProps") else {
        return Cow::Borrowed("io.k8s.apimachinery.pkg.runtime.RawExtension");
    };
    let name = match &*field.name {
        "items" => "JSONSchemaPropsOrArray",
        "additionalItems" | "additionalProperties" => "JSONSchemaPropsOrBool",
        "dependencies" => "JSONSchemaPropsOrStringArray",
        _ => "JSON",
    };
    Cow::Owned(format!("{module}.{name}"))
}

/// Whether a name is that of a definition that is no struct.
fn is_special(name: &str) -> bool {
    const MACHINERYS: [&str; 8] =
        ["Time", "MicroTime", "Duration", "Quantity", "IntOrString", "RawExtension", "FieldsV1", "Patch"];
    let last = name.rsplit('.').next().unwrap_or_default();
    (name.starts_with(MACHINERY) && MACHINERYS.contains(&last)) || last.starts_with("JSON")
}

/// By type: whether it is referred to, and by all as one whole.
fn atomic_types(release: &Release) -> Vec<bool> {
    let count = release.types().iter().count();
    let mut seen: Vec<Option<bool>> = vec![None; count];
    for (_, it) in release.types().iter() {
        for field in &it.fields {
            let mut shape = &field.shape;
            while let Shape::Map { value: inner, .. } | Shape::List { item: inner, .. } = shape {
                shape = inner;
            }
            if let Shape::Struct { id, atomic } = shape
                && let Some(all) = seen.get_mut(id.0 as usize)
            {
                *all = Some(all.unwrap_or(true) && *atomic);
            }
        }
    }
    seen.into_iter().map(Option::unwrap_or_default).collect()
}
