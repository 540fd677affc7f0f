//! JSON bodies: checked against the model, members that the model does not have left out.

use crate::refuse;
use crate::scalar;
use aws_model::{Fault, Kind, Location, Model, ShapeId, codec};
use serde_json::{Map, Value};

/// Reads a body as a JSON object. An empty body is an empty object.
///
/// # Errors
/// `SerializationException` when it is no JSON object.
pub fn parse(model: &Model, body: &[u8]) -> Result<Map<String, Value>, Fault> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Map::new());
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(Value::Null) => Ok(Map::new()),
        Ok(other) => Err(unfit(model, &other, "Structure", &Path::Root)),
        Err(error) => Err(refuse::unreadable(model.protocol(), format!("The body is not valid JSON: {error}"))),
    }
}

/// The body members of an input's structure, checked. Nulls are as absent.
///
/// # Errors
/// `SerializationException` when a value is not of its type.
pub fn read(model: &Model, input: ShapeId, body: Map<String, Value>) -> Result<Map<String, Value>, Fault> {
    structure(model, input, body, &Path::Root)
}

/// Where in the body a value stands, for messages: built only when one is written.
enum Path<'a> {
    Root,
    Member(&'a Path<'a>, &'a str),
    Item(&'a Path<'a>, usize),
}

impl Path<'_> {
    fn text(&self) -> String {
        match self {
            Self::Root => String::new(),
            Self::Member(Path::Root, name) => (*name).to_owned(),
            Self::Member(above, name) => format!("{}.{name}", above.text()),
            Self::Item(above, index) => format!("{}[{index}]", above.text()),
        }
    }
}

fn structure(
    model: &Model,
    shape: ShapeId,
    mut body: Map<String, Value>,
    path: &Path<'_>,
) -> Result<Map<String, Value>, Fault> {
    let mut out = Map::new();
    let Kind::Structure(structure) = &model.shape(shape).kind else { return Ok(out) };
    for member in structure.members().iter().filter(|member| member.location == Location::Body) {
        match body.swap_remove(&member.wire_name) {
            None | Some(Value::Null) => {}
            Some(found) => {
                let value = value(model, member.shape, found, &Path::Member(path, &member.wire_name))?;
                out.insert(member.name.clone(), value);
            }
        }
    }
    Ok(out)
}

fn value(model: &Model, shape: ShapeId, found: Value, path: &Path<'_>) -> Result<Value, Fault> {
    let kind = &model.shape(shape).kind;
    match (kind, found) {
        (Kind::Structure(_), Value::Object(map)) => structure(model, shape, map, path).map(Value::Object),
        (Kind::List { member, .. }, Value::Array(items)) => {
            let items = items.into_iter().enumerate();
            items.map(|(i, item)| value(model, *member, item, &Path::Item(path, i))).collect()
        }
        (Kind::Map { value: inner, .. }, Value::Object(map)) => {
            let mut out = Map::with_capacity(map.len());
            for (key, item) in map.into_iter().filter(|(_, item)| !item.is_null()) {
                let item = value(model, *inner, item, &Path::Member(path, &key))?;
                out.insert(key, item);
            }
            Ok(Value::Object(out))
        }
        (kind, found) if fits(kind, &found) => Ok(found),
        (kind, found) => Err(unfit(model, &found, scalar::noun(kind), path)),
    }
}

fn fits(kind: &Kind, value: &Value) -> bool {
    match (kind, value) {
        (Kind::String, Value::String(_)) | (Kind::Boolean, Value::Bool(_)) => true,
        (Kind::Integer, Value::Number(n)) => n.as_i64().is_some_and(|n| i32::try_from(n).is_ok()),
        (Kind::Long, Value::Number(n)) => n.as_i64().is_some(),
        (Kind::Double, Value::Number(n)) => n.as_f64().is_some_and(f64::is_finite),
        (Kind::Timestamp, value) => codec::parse_time(value).is_some(),
        (Kind::Blob, Value::String(text)) => scalar::is_base64(text),
        _ => false,
    }
}

/// In AWS's words, and where: `STRING_VALUE can not be converted to an Integer`.
fn unfit(model: &Model, found: &Value, noun: &str, path: &Path<'_>) -> Fault {
    let token = match found {
        Value::Null => "NULL_VALUE",
        Value::Bool(true) => "TRUE_VALUE",
        Value::Bool(false) => "FALSE_VALUE",
        Value::Number(_) => "NUMBER_VALUE",
        Value::String(_) => "STRING_VALUE",
        Value::Array(_) => "START_ARRAY",
        Value::Object(_) => "START_OBJECT",
    };
    let article = if noun.starts_with('I') { "an" } else { "a" };
    let place = path.text();
    let place = if place.is_empty() { "the body".to_owned() } else { place };
    refuse::unreadable(model.protocol(), format!("{place}: {token} can not be converted to {article} {noun}"))
}
