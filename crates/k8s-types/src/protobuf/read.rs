//! Messages into objects.

use super::order::{Numbered, Numbers};
use super::wire::{Reader, Token};
use super::{MAGIC, ReadError, envelope, scalar, wire};
use crate::decode::show::{is_absence, is_schema_or};
use crate::release::Release;
use crate::schema::{Field, Scalar, Shape, Struct, TypeId};
use serde_json::{Map, Value};

/// No message lies deeper than this many messages.
const DEPTH: usize = 120;

/// Reads an object's fields.
pub fn object(message: &[u8], release: &Release, id: TypeId, depth: usize) -> Result<Map<String, Value>, ReadError> {
    let mut object = Map::new();
    let Some(numbered) = release.order().fields(release.types(), id) else { return Ok(object) };
    let mut it = Walk { release, object: &mut object, depth };
    it.fields(message, numbered, 0)?;
    Ok(object)
}

struct Walk<'r, 'o> {
    release: &'r Release,
    object: &'o mut Map<String, Value>,
    depth: usize,
}

impl Walk<'_, '_> {
    fn fields(&mut self, message: &[u8], numbered: Numbered<'_, '_>, nested: usize) -> Result<(), ReadError> {
        if self.depth + nested > DEPTH {
            return Err(ReadError::Depth);
        }
        let mut reader = Reader::new(message);
        while let Some((number, token)) = reader.next()? {
            match numbered.find(number, nested) {
                Some(Numbers::Nested(inner)) => self.fields(token.data()?, inner, nested + 1)?,
                Some(Numbers::Field(field)) => self.field(token, numbered.of(), field)?,
                None => {}
            }
        }
        Ok(())
    }

    fn field(&mut self, token: Token<'_>, of: &Struct, field: &Field) -> Result<(), ReadError> {
        match &field.shape {
            Shape::List { item, .. } => self.item(token, field, item),
            Shape::Map { value, .. } => self.entry(token, field, value),
            shape => {
                let value =
                    if is_schema_or(of, field) { self.schema_or(token, of, field)? } else { self.one(token, shape)? };
                if value.is_null() || is_absence(field, &value) {
                    // The last one counts, even where it is nothing.
                    self.object.shift_remove(&*field.name);
                } else {
                    self.object.insert((*field.name).to_owned(), value);
                }
                Ok(())
            }
        }
    }

    fn item(&mut self, token: Token<'_>, field: &Field, shape: &Shape) -> Result<(), ReadError> {
        let mut new = Vec::new();
        match (shape, token) {
            // Numbers may come packed together.
            (Shape::Scalar(scalar @ (Scalar::Int32 | Scalar::Int64 | Scalar::Boolean)), Token::Data(packed)) => {
                let mut reader = Reader::new(packed);
                while let Some(number) = reader.packed()? {
                    new.push(scalar::read(Token::Number(number), *scalar)?);
                }
            }
            (shape, token) => new.push(self.one(token, shape)?),
        }
        if new.is_empty() {
            return Ok(());
        }
        let list = self.object.entry(&*field.name).or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(items) = list {
            items.append(&mut new);
        }
        Ok(())
    }

    fn entry(&mut self, token: Token<'_>, field: &Field, shape: &Shape) -> Result<(), ReadError> {
        let mut reader = Reader::new(token.data()?);
        let mut key = String::new();
        let mut value = None;
        while let Some((number, token)) = reader.next()? {
            match number {
                1 => key = wire::text(token.data()?),
                2 => {
                    value = Some(match shape {
                        Shape::List { item, .. } => self.wrapped(token, item)?,
                        shape => self.one(token, shape)?,
                    });
                }
                _ => {}
            }
        }
        let value = value.unwrap_or_else(|| match shape {
            Shape::Scalar(scalar) => crate::decode::scalar::zero(*scalar),
            Shape::Struct { .. } => Value::Object(Map::new()),
            _ => Value::Null,
        });
        if let Value::Object(map) = self.object.entry(&*field.name).or_insert_with(|| Value::Object(Map::new())) {
            map.insert(key, value);
        }
        Ok(())
    }

    /// A list that is a map's value, which has a message of its own.
    fn wrapped(&self, token: Token<'_>, shape: &Shape) -> Result<Value, ReadError> {
        let mut reader = Reader::new(token.data()?);
        let mut items = Vec::new();
        while let Some((number, token)) = reader.next()? {
            if number == 1 {
                items.push(self.one(token, shape)?);
            }
        }
        Ok(Value::Array(items))
    }

    fn one(&self, token: Token<'_>, shape: &Shape) -> Result<Value, ReadError> {
        match shape {
            Shape::Scalar(scalar) => scalar::read(token, *scalar),
            Shape::Struct { id, .. } => object(token.data()?, self.release, *id, self.depth + 1).map(Value::Object),
            Shape::Any => self.any(token.data()?),
            // Lists and maps lie in no list, and in maps only as `wrapped`.
            Shape::Map { .. } | Shape::List { .. } => Err(ReadError::WireType(token.wire_type())),
        }
    }

    /// JSON in a message, or another body.
    fn any(&self, message: &[u8]) -> Result<Value, ReadError> {
        let mut reader = Reader::new(message);
        let mut raw: &[u8] = &[];
        while let Some((number, token)) = reader.next()? {
            if number == 1 {
                raw = token.data()?;
            }
        }
        if raw.is_empty() {
            return Ok(Value::Null);
        }
        if raw.starts_with(&MAGIC) {
            return if self.depth > DEPTH {
                Err(ReadError::Depth)
            } else {
                envelope(raw, self.release, self.depth + 1)
            };
        }
        serde_json::from_slice(raw).map_err(|error| ReadError::Form(error.to_string()))
    }

    fn schema_or(&self, token: Token<'_>, of: &Struct, field: &Field) -> Result<Value, ReadError> {
        let boolean = &*field.name != "items";
        let Some(id) = self.release.type_named(&of.name) else { return Ok(Value::Null) };
        let read = |token: Token<'_>| object(token.data()?, self.release, id, self.depth + 1).map(Value::Object);
        let mut reader = Reader::new(token.data()?);
        let mut value = if boolean { Value::Bool(false) } else { Value::Null };
        while let Some((number, token)) = reader.next()? {
            match (number, &mut value) {
                (1, value) if boolean => {
                    let allows = token.number()? != 0;
                    if !value.is_object() {
                        *value = Value::Bool(allows);
                    }
                }
                (2, value) if boolean => *value = read(token)?,
                (1, value) => *value = read(token)?,
                (2, Value::Array(items)) => items.push(read(token)?),
                (2, value) => *value = Value::Array(vec![read(token)?]),
                _ => {}
            }
        }
        Ok(value)
    }
}
