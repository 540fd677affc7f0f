//! The `Table` that clients print, and objects without anything but their metadata.

use crate::column::{Column, Description};
use crate::printer::Row;
use serde_json::{Map, Value, json};

/// How much of each object goes with its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IncludeObject {
    /// Nothing.
    None,
    /// Its metadata.
    #[default]
    Metadata,
    /// All of it.
    Object,
}

impl IncludeObject {
    /// Reads the query parameter `includeObject`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "" | "Metadata" => Some(Self::Metadata),
            "None" => Some(Self::None),
            "Object" => Some(Self::Object),
            _ => None,
        }
    }
}

/// How a table is made.
#[derive(Debug, Clone, Copy)]
pub struct TableOptions<'a> {
    /// The version of `meta.k8s.io` that the client asked for: `v1` or `v1beta1`.
    pub version: &'a str,
    /// What goes with each row.
    pub include: IncludeObject,
    /// Whether the columns' heads are told; in a watch only the first frame tells them.
    pub headers: bool,
    /// [`Printer::empty_is_null`](crate::Printer::empty_is_null).
    pub empty_is_null: bool,
}

/// Assembles a table. `metadata` is the list's, or the one object's resource version.
pub fn table<'a>(
    definitions: &[Value],
    rows: impl Iterator<Item = (Row, &'a Value)>,
    metadata: Value,
    options: TableOptions<'_>,
) -> Value {
    let rows: Vec<Value> = rows.map(|(row, object)| line(row, object, options)).collect();
    let mut table = Map::with_capacity(5);
    table.insert("kind".to_owned(), "Table".into());
    table.insert("apiVersion".to_owned(), format!("meta.k8s.io/{}", options.version).into());
    table.insert("metadata".to_owned(), metadata);
    let definitions = if options.headers { Value::Array(definitions.to_vec()) } else { Value::Null };
    table.insert("columnDefinitions".to_owned(), definitions);
    let is_null = rows.is_empty() && options.empty_is_null;
    table.insert("rows".to_owned(), if is_null { Value::Null } else { Value::Array(rows) });
    Value::Object(table)
}

fn line(row: Row, object: &Value, options: TableOptions<'_>) -> Value {
    let mut line = Map::with_capacity(3);
    line.insert("cells".to_owned(), Value::Array(row.cells));
    if !row.conditions.is_empty() {
        line.insert("conditions".to_owned(), Value::Array(row.conditions));
    }
    let object = match options.include {
        IncludeObject::None => Value::Null,
        IncludeObject::Metadata => partial_object_metadata(object, options.version),
        IncludeObject::Object => object.clone(),
    };
    line.insert("object".to_owned(), object);
    Value::Object(line)
}

/// An object's metadata as an object of its own, of `meta.k8s.io/version`.
pub fn partial_object_metadata(object: &Value, version: &str) -> Value {
    json!({
        "kind": "PartialObjectMetadata",
        "apiVersion": format!("meta.k8s.io/{version}"),
        "metadata": object.get("metadata").cloned().unwrap_or_else(|| json!({})),
    })
}

/// The metadata of a list's objects as a list of its own; `metadata` is the list's. Of no objects there is no list but
/// `null`.
pub fn partial_object_metadata_list<'a>(
    objects: impl Iterator<Item = &'a Value>,
    metadata: Value,
    version: &str,
) -> Value {
    let items: Vec<Value> = objects.map(|it| partial_object_metadata(it, version)).collect();
    json!({
        "kind": "PartialObjectMetadataList",
        "apiVersion": format!("meta.k8s.io/{version}"),
        "metadata": metadata,
        "items": if items.is_empty() { Value::Null } else { Value::Array(items) },
    })
}

/// The heads of columns, as a table has them; `describe` looks up what the API's documents say about a definition's
/// field.
pub fn column_definitions<'a>(
    columns: impl Iterator<Item = &'a Column>,
    describe: impl Fn(&str, &str) -> String,
) -> Vec<Value> {
    let text = |it: &Column| match it.description {
        Description::Field { definition, field } => describe(definition, field),
        Description::Text(text) => text.to_owned(),
        Description::None => String::new(),
    };
    columns.map(|it| definition(it.name, it.kind, it.format, &text(it), it.priority.into())).collect()
}

/// A column's head.
pub(crate) fn definition(name: &str, kind: &str, format: &str, description: &str, priority: i64) -> Value {
    json!({"name": name, "type": kind, "format": format, "description": description, "priority": priority})
}
