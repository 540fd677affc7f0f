//! Reads objects as the API server's typed decoder does: every value is checked against its type, unknown fields are
//! dropped and told of, values are brought into the form in which they are written back.
//!
//! One pass over the text. What it makes of `null`, of empty values, of numbers and of texts with a form of their own
//! (times, quantities, base64) is what a decoder into typed structs and back makes of them: `null` is absence, an empty
//! value of a field that is left out where it is empty is absence too. [`show`] adds what such a decoder's output shows
//! of fields that have no value.

pub mod duration;
pub(crate) mod scalar;
pub(crate) mod show;
mod syntax;
mod walk;

pub use scalar::ScalarError;
pub use show::show;
pub use syntax::syntax_error;

use crate::schema::{Shape, TypeId, Types};
use serde::de::DeserializeSeed;
use serde_json::Value;
use std::fmt;

/// An object that was read, and what was odd about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded {
    /// The object, without what its type does not know.
    pub value: Value,
    /// What strict field validation complains of, in the order of the text.
    pub strict: Vec<Strict>,
}

/// What strict field validation complains of; shown as the API words it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Strict {
    /// A field that the type does not have, by its path.
    Unknown(String),
    /// A field that was given more than once, by its path.
    Duplicate(String),
}

/// Why a text is no object of the type; shown as the API words it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// It is no JSON.
    #[error("{0}")]
    Syntax(String),
    /// A value is of another JSON type than its field.
    #[error("json: cannot unmarshal {found} into Go {place} of type {wanted}")]
    Type {
        /// What was found: `string`, `number 1.5`.
        found: String,
        /// Where: `struct field DeploymentSpec.spec.replicas`, or `value`.
        place: String,
        /// What belongs there, in the API's own terms: `int32`, `[]v1.Container`.
        wanted: String,
    },
    /// A text has not the form that its field asks for.
    #[error("{0}")]
    Form(String),
}

impl Decoded {
    /// The paths of unknown fields.
    pub fn unknown(&self) -> impl Iterator<Item = &str> {
        self.strict.iter().filter_map(|it| match it {
            Strict::Unknown(path) => Some(path.as_str()),
            Strict::Duplicate(_) => None,
        })
    }

    /// The paths of fields that were given more than once.
    pub fn duplicates(&self) -> impl Iterator<Item = &str> {
        self.strict.iter().filter_map(|it| match it {
            Strict::Duplicate(path) => Some(path.as_str()),
            Strict::Unknown(_) => None,
        })
    }
}

impl fmt::Display for Strict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(path) => write!(f, "unknown field \"{path}\""),
            Self::Duplicate(path) => write!(f, "duplicate field \"{path}\""),
        }
    }
}

/// Reads an object of a type from JSON text. What is no UTF-8 is replaced, as everybody does.
///
/// # Errors
/// When the text is no JSON, or a value does not fit its field.
pub fn decode(text: &[u8], types: &Types, id: TypeId) -> Result<Decoded, DecodeError> {
    let text = String::from_utf8_lossy(text);
    let mut reader = serde_json::Deserializer::from_str(&text);
    let read = read(&mut reader, types, id, false).and_then(|it| reader.end().map(|()| it).map_err(syntax));
    read.map_err(|error| match error {
        DecodeError::Syntax(reason) => DecodeError::Syntax(syntax_error(text.as_bytes()).unwrap_or(reason)),
        other => other,
    })
}

/// Brings an object that was made otherwise (read from YAML, patched) into the form of its type, as [`decode`] does.
/// Whole numbers may come as floating point numbers.
///
/// # Errors
/// When a value does not fit its field.
pub fn conform(object: Value, types: &Types, id: TypeId) -> Result<Decoded, DecodeError> {
    read(object, types, id, true)
}

fn read<'de, D>(reader: D, types: &Types, id: TypeId, whole_floats: bool) -> Result<Decoded, DecodeError>
where
    D: serde::Deserializer<'de, Error = serde_json::Error>,
{
    let shape = Shape::Struct { id, atomic: false };
    let mut context = walk::Context::new(types, whole_floats);
    let read = walk::Seed { shape: &shape, context: &mut context }.deserialize(reader);
    match (read, context.error) {
        (Ok(value), _) => {
            Ok(Decoded { value: value.unwrap_or_else(|| Value::Object(Default::default())), strict: context.strict })
        }
        (Err(_), Some(error)) => Err(error),
        (Err(error), None) => Err(syntax(error)),
    }
}

fn syntax(error: serde_json::Error) -> DecodeError {
    DecodeError::Syntax(error.to_string())
}

#[cfg(test)]
mod tests;
