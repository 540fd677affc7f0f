//! Objects as protobuf: the API's `application/vnd.kubernetes.protobuf`.
//!
//! A body is an envelope: four bytes, then a message that names the object's version and kind and carries the object.
//! Which field has which number is a fact of the release, so any of its types is read and written without code of its
//! own. Bodies come from anybody: lengths are checked against what is there, nesting is bounded, numbers that are not
//! known are skipped.

mod order;
mod read;
mod scalar;
mod wire;
mod write;

pub(crate) use order::Order;

use crate::decode::DecodeError;
use crate::release::Release;
use crate::schema::TypeId;
use serde_json::{Map, Value};
use wire::{Reader, Token, Writer};

/// What every body begins with.
pub const MAGIC: [u8; 4] = *b"k8s\0";

/// Why bytes are no object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// They do not begin as a body does.
    #[error("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")]
    NoMagic,
    /// They end too early, or a number is malformed.
    #[error("unexpected EOF")]
    Truncated,
    /// A field is not of the wire type that its number has.
    #[error("proto: wrong wireType = {0}")]
    WireType(u8),
    /// Messages lie in messages too deep.
    #[error("proto: messages are nested too deep")]
    Depth,
    /// The release has no such kind.
    #[error("no kind \"{kind}\" is registered for version \"{api_version}\"")]
    Kind {
        /// What it said.
        api_version: String,
        /// What it said.
        kind: String,
    },
    /// It is packed or encrypted in a way that nobody uses.
    #[error("unrecognized content encoding {0:?}")]
    Encoding(String),
    /// Something in it has a form of its own and not that form: a time, JSON.
    #[error("{0}")]
    Form(String),
}

/// Why an object can't be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The release has no such kind, or the kind has no protobuf form.
    #[error("{api_version} {kind} has no protobuf form")]
    Kind {
        /// What it says.
        api_version: String,
        /// What it says.
        kind: String,
    },
    /// A field has a value that its type does not allow.
    #[error("the value of field {0} does not fit its type")]
    Value(String),
}

/// Whether a body is protobuf, by its first bytes.
pub fn is_protobuf(body: &[u8]) -> bool {
    body.starts_with(&MAGIC)
}

/// Reads a body: an object with its `apiVersion` and `kind`. Fields that are empty are absent where that is the same.
///
/// # Errors
/// When it is no body, or of a kind that the release does not have.
pub fn decode(body: &[u8], release: &Release) -> Result<Value, ReadError> {
    envelope(body, release, 0)
}

/// Reads a message of a type, without an envelope.
///
/// # Errors
/// When it is none.
pub fn decode_message(message: &[u8], release: &Release, id: TypeId) -> Result<Value, ReadError> {
    read::object(message, release, id, 0).map(Value::Object)
}

/// Writes a body from an object with its `apiVersion` and `kind`.
///
/// # Errors
/// When the release does not have the kind, the kind has no protobuf form, or a value does not fit.
pub fn encode(object: &Value, release: &Release) -> Result<Vec<u8>, WriteError> {
    let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    let refuse = || WriteError::Kind { api_version: api_version.to_owned(), kind: kind.to_owned() };
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let id = release.kind(group, version, kind).ok_or_else(refuse)?;
    if !release.order().is_message(release.types(), id) {
        return Err(refuse());
    }
    let mut writer = Writer::with_capacity(512);
    writer.bytes.extend_from_slice(&MAGIC);
    writer.message(1, |writer| {
        writer.text(1, api_version);
        writer.text(2, kind);
        Ok::<_, WriteError>(())
    })?;
    writer.message(2, |writer| write::object(writer, object, release, id))?;
    writer.text(3, "");
    writer.text(4, "");
    Ok(writer.bytes)
}

/// Writes a message of a type, without an envelope.
///
/// # Errors
/// When a value does not fit.
pub fn encode_message(object: &Value, release: &Release, id: TypeId) -> Result<Vec<u8>, WriteError> {
    let mut writer = Writer::with_capacity(512);
    write::object(&mut writer, object, release, id)?;
    Ok(writer.bytes)
}

/// A frame of a watch: a length, then an event whose object is a body.
pub fn watch_frame(event: &str, body: &[u8]) -> Vec<u8> {
    let mut writer = Writer::with_capacity(body.len() + 32);
    writer.bytes.extend_from_slice(&[0; 4]);
    writer.text(1, event);
    let Ok(()) = writer.message(2, |writer| {
        writer.data(1, body);
        Ok::<_, std::convert::Infallible>(())
    });
    let length = u32::try_from(writer.bytes.len() - 4).unwrap_or(u32::MAX);
    if let Some(place) = writer.bytes.first_chunk_mut::<4>() {
        *place = length.to_be_bytes();
    }
    writer.bytes
}

fn envelope(body: &[u8], release: &Release, depth: usize) -> Result<Value, ReadError> {
    let message = body.strip_prefix(&MAGIC).ok_or(ReadError::NoMagic)?;
    let (mut about, mut raw, mut encoding, mut content): (&[u8], &[u8], &[u8], &[u8]) = (&[], &[], &[], &[]);
    let mut reader = Reader::new(message);
    while let Some((number, token)) = reader.next()? {
        let field = match number {
            1 => &mut about,
            2 => &mut raw,
            3 => &mut encoding,
            4 => &mut content,
            _ => continue,
        };
        *field = token.data()?;
    }
    if !encoding.is_empty() {
        return Err(ReadError::Encoding(wire::text(encoding)));
    }
    let (mut api_version, mut kind) = (String::new(), String::new());
    let mut reader = Reader::new(about);
    while let Some((number, token)) = reader.next()? {
        match (number, token) {
            (1, Token::Data(text)) => api_version = wire::text(text),
            (2, Token::Data(text)) => kind = wire::text(text),
            _ => {}
        }
    }
    let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
    let Some(id) = release.kind(group, version, &kind) else { return Err(ReadError::Kind { api_version, kind }) };
    let fields = if content == b"application/json" {
        json(raw, release, id)?
    } else {
        read::object(raw, release, id, depth + 1)?
    };
    let mut object = Map::with_capacity(fields.len() + 2);
    object.insert("apiVersion".to_owned(), Value::String(api_version));
    object.insert("kind".to_owned(), Value::String(kind));
    object.extend(fields.into_iter().filter(|(name, _)| name != "apiVersion" && name != "kind"));
    Ok(Value::Object(object))
}

fn json(raw: &[u8], release: &Release, id: TypeId) -> Result<Map<String, Value>, ReadError> {
    let decoded = crate::decode::decode(raw, release.types(), id);
    match decoded.map_err(|error: DecodeError| ReadError::Form(error.to_string()))?.value {
        Value::Object(object) => Ok(object),
        _ => Ok(Map::new()),
    }
}

#[cfg(test)]
mod tests;
