//! What a typed encoder shows of fields that have no value.

use crate::schema::{Empty, Field, Scalar, Shape, Struct, TypeId, Types};
use serde_json::{Map, Value};

/// Adds what the API shows of fields without a value: `status: {}`, `resources: {}`, before 1.34 the
/// `creationTimestamp: null` of a template. For objects that [`super::decode`] or [`super::conform`] read.
pub fn show(object: &mut Value, types: &Types, id: TypeId) {
    let (Some(of), Value::Object(object)) = (types.get(id), object) else { return };
    fields(object, types, of);
}

fn fields(object: &mut Map<String, Value>, types: &Types, of: &Struct) {
    for field in &of.fields {
        if is_schema_or(of, field) {
            if let Some(value) = object.get_mut(&*field.name) {
                schema_or(value, types, of);
            }
            continue;
        }
        match object.get_mut(&*field.name) {
            Some(value) => within(value, types, &field.shape),
            None => {
                if let Some(value) = shown(types, field) {
                    object.insert((*field.name).to_owned(), value);
                }
            }
        }
    }
}

fn within(value: &mut Value, types: &Types, shape: &Shape) {
    match (shape, value) {
        (Shape::Struct { id, .. }, value) => show(value, types, *id),
        (Shape::Map { value: shape, .. }, Value::Object(map)) if is_deep(shape) => {
            map.values_mut().for_each(|value| within(value, types, shape));
        }
        (Shape::List { item, .. }, Value::Array(items)) if is_deep(item) => {
            items.iter_mut().for_each(|value| within(value, types, item));
        }
        _ => {}
    }
}

fn is_deep(shape: &Shape) -> bool {
    !matches!(shape, Shape::Scalar(_) | Shape::Any)
}

fn schema_or(value: &mut Value, types: &Types, of: &Struct) {
    match value {
        Value::Object(object) => fields(object, types, of),
        Value::Array(items) => items.iter_mut().for_each(|item| schema_or(item, types, of)),
        _ => {}
    }
}

/// What stands in for a field that has no value, where something does.
fn shown(types: &Types, field: &Field) -> Option<Value> {
    match field.empty {
        Empty::Kept | Empty::Omitted | Empty::OmittedZero => None,
        Empty::Null => Some(Value::Null),
        Empty::Shown => Some(match &field.shape {
            Shape::Scalar(scalar) => super::scalar::zero(*scalar),
            Shape::Struct { id, .. } => {
                let mut object = Value::Object(Map::new());
                show(&mut object, types, *id);
                object
            }
            Shape::Any | Shape::Map { .. } | Shape::List { .. } => Value::Null,
        }),
    }
}

/// Whether a field's value says no more than its absence would.
pub fn is_absence(field: &Field, value: &Value) -> bool {
    match field.empty {
        Empty::Kept | Empty::Null => false,
        Empty::Omitted | Empty::OmittedZero => is_empty(value),
        // An empty list shows itself as such, where none would show `null`.
        Empty::Shown => match &field.shape {
            // Bytes are a list of their own kind.
            Shape::Scalar(Scalar::Bytes) => false,
            Shape::Scalar(scalar) => is_empty(value) || *value == super::scalar::zero(*scalar),
            Shape::Struct { .. } => is_empty(value),
            Shape::Any | Shape::Map { .. } | Shape::List { .. } => false,
        },
    }
}

/// Whether a value says nothing.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(it) => !it,
        Value::Number(it) => it.as_f64() == Some(0.0),
        Value::String(it) => it.is_empty(),
        Value::Array(it) => it.is_empty(),
        Value::Object(it) => it.is_empty(),
    }
}

/// Whether a field holds a schema or something in its place, which the API's documents have as any JSON at all.
pub fn is_schema_or(of: &Struct, field: &Field) -> bool {
    field.shape == Shape::Any
        && matches!(&*field.name, "items" | "additionalItems" | "additionalProperties")
        && of.name.ends_with(".JSONSchemaProps")
}
