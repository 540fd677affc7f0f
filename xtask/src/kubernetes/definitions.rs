//! Merges the minors' type definitions: what is the same in several minors is kept once.

use super::fields::{Fact, Facts};
use super::{Minors, only};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::collections::BTreeMap;

/// Types by definition name.
#[derive(Debug, Default)]
pub struct Merged {
    pub types: BTreeMap<String, Type>,
}

/// A struct type of some minors.
#[derive(Debug, Default)]
pub struct Type {
    pub minors: Minors,
    /// Group, version and kind, for the kinds of an API.
    pub kinds: Vec<[String; 3]>,
    /// Fields by name; several of a name differ in their minors.
    pub fields: BTreeMap<String, Vec<(Minors, Field)>>,
}

/// One field.
#[derive(Debug, PartialEq, Eq)]
pub struct Field {
    pub shape: Shape,
    pub required: bool,
    pub default: Option<String>,
    pub merge: bool,
    pub retain_keys: bool,
    pub merge_key: Option<String>,
    /// Protobuf numbers, outermost first; empty where it has none.
    pub path: Vec<u32>,
    pub empty: Empty,
}

/// What JSON shows for a field without a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Empty {
    /// Nothing, and an empty value is a value.
    Kept = 0,
    /// Nothing, and an empty value is none.
    Omitted = 1,
    /// The empty value.
    Shown = 2,
    /// Nothing where a struct has nothing in it.
    OmittedZero = 3,
    /// Null, and an empty value is a value.
    Null = 4,
}

/// What stands in a field.
#[derive(Debug, PartialEq, Eq)]
pub enum Shape {
    Scalar(Scalar),
    Any,
    Struct { name: String, atomic: bool },
    Map { value: Box<Shape>, atomic: bool },
    List { item: Box<Shape>, kind: List },
}

/// Scalars by the number that the bundle gives them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scalar {
    String = 0,
    Boolean = 1,
    Int32 = 2,
    Int64 = 3,
    Double = 4,
    Bytes = 5,
    Time = 6,
    MicroTime = 7,
    Duration = 8,
    Quantity = 9,
    IntOrString = 10,
}

/// How a list's items are told apart.
#[derive(Debug, PartialEq, Eq)]
pub enum List {
    Atomic,
    Set,
    Map(Vec<String>),
}

/// Kinds that every group version has, which are looked up by name alone.
const EVERYWHERE: [&str; 2] = ["DeleteOptions", "WatchEvent"];

impl Merged {
    /// Adds a minor's definitions.
    ///
    /// # Errors
    /// When a definition has a form that is not known.
    pub fn add(&mut self, minor: u32, document: &Value, facts: &Facts) -> Result<()> {
        let definitions = ["$defs", "definitions"].iter().find_map(|key| document.get(key)).and_then(Value::as_object);
        let definitions = definitions.context("the document has definitions")?;
        for (name, definition) in definitions {
            if special(name).is_some() {
                continue;
            }
            let it = self.types.entry(name.clone()).or_default();
            it.minors |= only(minor);
            it.add(minor, definition, facts.get(name), definitions).with_context(|| format!("in {name}"))?;
        }
        Ok(())
    }
}

impl Type {
    fn add(
        &mut self,
        minor: u32,
        definition: &Value,
        facts: Option<&std::collections::HashMap<String, Vec<Fact>>>,
        all: &serde_json::Map<String, Value>,
    ) -> Result<()> {
        for kind in array(definition, "x-kubernetes-group-version-kind") {
            let part = |key: &str| kind.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
            let kind = [part("group"), part("version"), part("kind")];
            let everywhere = EVERYWHERE.contains(&kind[2].as_str()) && (!kind[0].is_empty() || kind[1] != "v1");
            if !everywhere && !self.kinds.contains(&kind) {
                self.kinds.push(kind);
            }
        }
        let required: Vec<&str> = array(definition, "required").filter_map(Value::as_str).collect();
        for (name, property) in definition.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let fact =
                facts.and_then(|it| it.get(name)).and_then(|it| it.iter().find(|it| it.minors & only(minor) != 0));
            let field = field(property, required.contains(&name.as_str()), fact, all)
                .with_context(|| format!("in field {name}"))?;
            let variants = self.fields.entry(name.clone()).or_default();
            match variants.iter_mut().find(|(_, it)| *it == field) {
                Some((minors, _)) => *minors |= only(minor),
                None => variants.push((only(minor), field)),
            }
        }
        Ok(())
    }
}

fn field(property: &Value, required: bool, fact: Option<&Fact>, all: &serde_json::Map<String, Value>) -> Result<Field> {
    let shape = shape(property, all)?;
    let strategy = property.get("x-kubernetes-patch-strategy").and_then(Value::as_str).unwrap_or_default();
    let has = |word: &str| strategy.split(',').any(|it| it == word);
    let default = property.get("default").map(Value::to_string);
    Ok(Field {
        required,
        default: default.or_else(|| fact.and_then(|it| it.default.clone())),
        merge: has("merge"),
        retain_keys: has("retainKeys"),
        merge_key: property.get("x-kubernetes-patch-merge-key").and_then(Value::as_str).map(str::to_owned),
        path: fact.map(|it| it.path.clone()).filter(|it| !it.contains(&0)).unwrap_or_default(),
        empty: fact.map_or(Empty::Kept, |fact| empty(fact, &shape)),
        shape,
    })
}

/// A pointer's emptiness is its absence; another value's is its own, which JSON can leave out for all but structs.
fn empty(fact: &Fact, shape: &Shape) -> Empty {
    let by_value = matches!(
        shape,
        Shape::Any
            | Shape::Struct { .. }
            | Shape::Scalar(
                Scalar::Time | Scalar::MicroTime | Scalar::Duration | Scalar::Quantity | Scalar::IntOrString
            )
    );
    match fact {
        Fact { pointer: true, omit_empty: false, omit_zero: false, .. } => Empty::Null,
        Fact { pointer: true, .. } => Empty::Kept,
        Fact { omit_zero: true, .. } => Empty::OmittedZero,
        Fact { omit_empty: true, .. } if !by_value => Empty::Omitted,
        _ => Empty::Shown,
    }
}

/// Definitions that are no structs for us.
fn special(name: &str) -> Option<Shape> {
    let last = name.rsplit('.').next()?;
    let meta = name.starts_with("io.k8s.apimachinery.pkg.");
    Some(match last {
        "Time" if meta => Shape::Scalar(Scalar::Time),
        "MicroTime" if meta => Shape::Scalar(Scalar::MicroTime),
        "Duration" if meta => Shape::Scalar(Scalar::Duration),
        "Quantity" if meta => Shape::Scalar(Scalar::Quantity),
        "IntOrString" if meta => Shape::Scalar(Scalar::IntOrString),
        "RawExtension" | "FieldsV1" | "Patch" if meta => Shape::Any,
        "JSON" | "JSONSchemaPropsOrArray" | "JSONSchemaPropsOrBool" | "JSONSchemaPropsOrStringArray" => Shape::Any,
        _ => return None,
    })
}

fn shape(property: &Value, all: &serde_json::Map<String, Value>) -> Result<Shape> {
    if let Some(reference) = property.get("$ref").and_then(Value::as_str) {
        let name = reference.rsplit('/').next().unwrap_or_default();
        if let Some(special) = special(name) {
            return Ok(special);
        }
        let target = all.get(name);
        // What stands outside the document stands in every minor's.
        let atomic = atomic(property) || target.is_some_and(atomic);
        return Ok(Shape::Struct { name: name.to_owned(), atomic });
    }
    let format = property.get("format").and_then(Value::as_str);
    Ok(match (kind(property), format) {
        (Some("string"), Some("byte")) => Shape::Scalar(Scalar::Bytes),
        (Some("string"), Some("date-time")) => Shape::Scalar(Scalar::Time),
        (Some("string"), Some("int-or-string")) => Shape::Scalar(Scalar::IntOrString),
        (Some("string"), None) => Shape::Scalar(Scalar::String),
        (Some("boolean"), _) => Shape::Scalar(Scalar::Boolean),
        (Some("integer"), Some("int32")) => Shape::Scalar(Scalar::Int32),
        (Some("integer"), _) => Shape::Scalar(Scalar::Int64),
        (Some("number"), _) => Shape::Scalar(Scalar::Double),
        (Some("array"), _) => {
            let item = shape(property.get("items").context("a list has items")?, all)?;
            Shape::List { item: Box::new(item), kind: list(property) }
        }
        (Some("object"), _) => {
            let value = property.get("additionalProperties").map_or(Ok(Shape::Any), |it| shape(it, all))?;
            Shape::Map { value: Box::new(value), atomic: atomic(property) }
        }
        (None, None) => Shape::Any,
        other => bail!("{other:?} is not known"),
    })
}

/// The type, without the `null` that the package adds to all that is optional.
fn kind(property: &Value) -> Option<&str> {
    match property.get("type")? {
        Value::Array(types) => types.iter().filter_map(Value::as_str).find(|it| *it != "null"),
        other => other.as_str(),
    }
}

fn atomic(property: &Value) -> bool {
    property.get("x-kubernetes-map-type").and_then(Value::as_str) == Some("atomic")
}

fn list(property: &Value) -> List {
    match property.get("x-kubernetes-list-type").and_then(Value::as_str) {
        Some("set") => List::Set,
        Some("map") => List::Map(
            array(property, "x-kubernetes-list-map-keys").filter_map(Value::as_str).map(str::to_owned).collect(),
        ),
        _ => List::Atomic,
    }
}

fn array<'a>(of: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    of.get(key).and_then(Value::as_array).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_minors_share_is_kept_once() {
        let document = |kind: &str| {
            json!({"$defs": {
                "a.v1.B": {
                    "x-kubernetes-group-version-kind": [{"group": "a", "version": "v1", "kind": "B"}],
                    "required": ["names"],
                    "properties": {
                        "names": {"type": ["array", "null"], "items": {"type": "string"},
                            "x-kubernetes-list-type": "set", "x-kubernetes-patch-strategy": "merge,retainKeys"},
                        "size": {"type": kind, "format": "int32"},
                        "self": {"$ref": "#/$defs/a.v1.B"},
                        "at": {"$ref": "#/$defs/io.k8s.apimachinery.pkg.apis.meta.v1.Time"},
                    },
                },
                "io.k8s.apimachinery.pkg.apis.meta.v1.Time": {"type": "string", "format": "date-time"},
            }})
        };
        let facts = super::super::fields::parse("a.v1.B\n  names 1 e\n  self 2.3 *e\n  at 4 e\n").unwrap();
        let mut merged = Merged::default();
        merged.add(24, &document("integer"), &facts).unwrap();
        merged.add(25, &document("integer"), &facts).unwrap();
        merged.add(26, &document("boolean"), &facts).unwrap();
        assert_eq!(merged.types.len(), 1);
        let it = &merged.types["a.v1.B"];
        assert_eq!((it.minors, it.kinds.len()), (0b111, 1));
        let minors = |name: &str| it.fields[name].iter().map(|(minors, _)| *minors).collect::<Vec<_>>();
        assert_eq!((minors("names"), minors("size")), (vec![0b111], vec![0b011, 0b100]));
        let (_, names) = &it.fields["names"][0];
        assert!(names.required && names.merge && names.retain_keys);
        assert_eq!((names.empty, names.path.as_slice()), (Empty::Omitted, &[1][..]));
        let (_, this) = &it.fields["self"][0];
        assert_eq!((this.empty, this.path.as_slice()), (Empty::Kept, &[2, 3][..]));
        let (_, at) = &it.fields["at"][0];
        assert_eq!((at.empty, &at.shape), (Empty::Shown, &Shape::Scalar(Scalar::Time)));
    }
}
