//! Objects into messages, as the API's own encoder writes them: every field that is no pointer, list or map is written
//! even where it is empty, maps are sorted by their keys.

use super::order::{Numbered, Numbers};
use super::wire::Writer;
use super::{WriteError, scalar};
use crate::decode::show::is_schema_or;
use crate::release::Release;
use crate::schema::{Empty, Field, Shape, Struct, TypeId};
use serde_json::Value;

/// Writes an object's fields.
pub fn object(writer: &mut Writer, object: &Value, release: &Release, id: TypeId) -> Result<(), WriteError> {
    match release.order().fields(release.types(), id) {
        Some(numbered) => fields(writer, object, release, numbered, 0),
        None => Ok(()),
    }
}

fn fields(
    writer: &mut Writer,
    object: &Value,
    release: &Release,
    numbered: Numbered<'_, '_>,
    depth: usize,
) -> Result<(), WriteError> {
    for (number, it) in numbered.groups(depth) {
        match it {
            Numbers::Nested(inner) => {
                writer.message(number, |writer| fields(writer, object, release, inner, depth + 1))?;
            }
            Numbers::Field(field) => {
                let value = object.get(&*field.name).filter(|it| !it.is_null());
                write(writer, number, value, release, (numbered.of(), field))?;
            }
        }
    }
    Ok(())
}

fn write(
    writer: &mut Writer,
    number: u32,
    value: Option<&Value>,
    release: &Release,
    (of, field): (&Struct, &Field),
) -> Result<(), WriteError> {
    let refuse = || WriteError::Value((*field.name).to_owned());
    let Some(value) = value else {
        return match (field.empty, &field.shape) {
            (Empty::Kept | Empty::Null, _) | (_, Shape::Map { .. } | Shape::List { .. }) => Ok(()),
            (_, shape) => one(writer, number, &Value::Null, release, shape).unwrap_or_else(|| Err(refuse())),
        };
    };
    if is_schema_or(of, field) {
        return schema_or(writer, number, value, release, (of, field));
    }
    match (&field.shape, value) {
        (Shape::List { item, .. }, Value::Array(items)) => {
            items.iter().try_for_each(|it| one(writer, number, it, release, item).unwrap_or_else(|| Err(refuse())))
        }
        (Shape::Map { value: shape, .. }, Value::Object(map)) => {
            let mut entries: Vec<(&String, &Value)> = map.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            entries.into_iter().try_for_each(|(key, value)| {
                writer.message(number, |writer| {
                    writer.text(1, key);
                    match (shape.as_ref(), value) {
                        // A list that is a map's value has a message of its own.
                        (Shape::List { item, .. }, Value::Array(items)) => writer.message(2, |writer| {
                            items
                                .iter()
                                .try_for_each(|it| one(writer, 1, it, release, item).unwrap_or_else(|| Err(refuse())))
                        }),
                        (Shape::List { .. }, Value::Null) => writer.message(2, |_| Ok(())),
                        (shape, value) => one(writer, 2, value, release, shape).unwrap_or_else(|| Err(refuse())),
                    }
                })
            })
        }
        (shape, value) => one(writer, number, value, release, shape).unwrap_or_else(|| Err(refuse())),
    }
}

/// Writes one value; nothing where it does not fit.
fn one(
    writer: &mut Writer,
    number: u32,
    value: &Value,
    release: &Release,
    shape: &Shape,
) -> Option<Result<(), WriteError>> {
    match shape {
        Shape::Scalar(scalar) => scalar::write(writer, number, *scalar, value).map(Ok),
        Shape::Any => Some(writer.message(number, |writer| {
            if !value.is_null() {
                writer.text(1, &value.to_string());
            }
            Ok(())
        })),
        Shape::Struct { id, .. } if matches!(value, Value::Object(_) | Value::Null) => {
            Some(writer.message(number, |writer| object(writer, value, release, *id)))
        }
        Shape::Struct { .. } | Shape::Map { .. } | Shape::List { .. } => None,
    }
}

/// Writes a schema, or what stands in its place: `items` has a schema or several, the others a schema or a boolean.
fn schema_or(
    writer: &mut Writer,
    number: u32,
    value: &Value,
    release: &Release,
    (of, field): (&Struct, &Field),
) -> Result<(), WriteError> {
    let refuse = || WriteError::Value((*field.name).to_owned());
    let id = release.type_named(&of.name).ok_or_else(refuse)?;
    let boolean = &*field.name != "items";
    writer.message(number, |writer| match value {
        Value::Object(_) if boolean => {
            writer.number(1, 1);
            writer.message(2, |writer| object(writer, value, release, id))
        }
        Value::Object(_) => writer.message(1, |writer| object(writer, value, release, id)),
        Value::Bool(allows) if boolean => {
            writer.number(1, u64::from(*allows));
            Ok(())
        }
        Value::Array(items) if !boolean => {
            items.iter().try_for_each(|it| writer.message(2, |writer| object(writer, it, release, id)))
        }
        _ => Err(refuse()),
    })
}
