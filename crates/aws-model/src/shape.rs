//! Shapes with every name and reference resolved, so that decoding and encoding only follow indices.

use crate::pattern::Pattern;
use std::collections::HashMap;

/// A shape's place in its model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ShapeId(pub(crate) u32);

/// A shape and its constraints.
#[derive(Debug)]
pub struct Shape {
    /// The model's name for it.
    pub name: String,
    /// What it is made of.
    pub kind: Kind,
    /// Least length (text in characters, blobs in bytes, lists and maps in entries) or least value of a number.
    pub min: Option<f64>,
    /// Greatest length or value.
    pub max: Option<f64>,
    /// What text must match.
    pub pattern: Option<Pattern>,
    /// The values that text may have; empty when any.
    pub values: Vec<String>,
    /// Whether its value must not be logged or quoted.
    pub sensitive: bool,
    /// For an error shape: its code and HTTP status.
    pub error: Option<ErrorFacts>,
}

/// What a shape is made of.
#[derive(Debug)]
pub enum Kind {
    /// Named members.
    Structure(Structure),
    /// Many of one shape.
    List {
        /// The shape of each.
        member: ShapeId,
        /// The name of each in XML and in query strings, if the model gives one.
        item_name: Option<String>,
        /// Whether items are written without an element or name segment around them.
        flattened: bool,
    },
    /// Text keys to values.
    Map {
        /// The keys' shape.
        key: ShapeId,
        /// The values' shape.
        value: ShapeId,
        /// The keys' name in XML and query strings.
        key_name: String,
        /// The values' name in XML and query strings.
        value_name: String,
        /// Whether entries are written without `entry` around them.
        flattened: bool,
    },
    /// Text.
    String,
    /// A 32-bit number.
    Integer,
    /// A 64-bit number.
    Long,
    /// A number with a fraction.
    Double,
    /// True or false.
    Boolean,
    /// A point in time.
    Timestamp,
    /// Bytes; base64 on the wire.
    Blob,
}

/// A structure's members, in the model's order.
#[derive(Debug, Default)]
pub struct Structure {
    pub(crate) members: Vec<Member>,
    pub(crate) by_name: HashMap<String, usize>,
}

impl Structure {
    /// All members.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// A member by its name in the model.
    pub fn member(&self, name: &str) -> Option<&Member> {
        self.by_name.get(name).map(|&i| &self.members[i])
    }
}

/// A member of a structure.
#[derive(Debug)]
pub struct Member {
    /// Its name in the model, in JSON bodies, and in the generated structs' serde form.
    pub name: String,
    /// Its shape.
    pub shape: ShapeId,
    /// Where it travels.
    pub location: Location,
    /// Its name where it travels: in the path, the query string, or as an XML element.
    pub wire_name: String,
    /// Its name in query protocols' requests.
    pub query_name: String,
    /// Whether a request must have it.
    pub required: bool,
    /// Whether its list or map is flattened here.
    pub flattened: bool,
    /// Whether it is a client's idempotency token.
    pub idempotency_token: bool,
}

/// Where a member of an input travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Location {
    /// In the body.
    Body,
    /// In the path.
    Uri,
    /// In the query string.
    Query,
}

/// What an error shape says about the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorFacts {
    /// The code on the wire, where it is not the shape's name.
    pub code: Option<String>,
    /// The HTTP status, where the model gives one.
    pub status: Option<u16>,
}
